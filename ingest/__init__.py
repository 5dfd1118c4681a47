"""Bank files of many formats become questions, links between them, and the index."""
