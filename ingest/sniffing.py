"""Which format a text file has: every parser says how much a file looks like its own, the surest wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ingest import corpus_bank, markdown_qa, numbered_qa, outline, pdf_list, skill_matrix, tables
from ingest.lines import Parsed, Source


@dataclass(frozen=True, slots=True)
class Format:
    """A text format: how much a file looks like it (0-1), and its parser."""

    likeness: Callable[[Source], float]
    parse: Callable[[Source], Parsed]


TEXT_FORMATS = {
    module.NAME: Format(module.likeness, module.parse)
    for module in (corpus_bank, outline, pdf_list, skill_matrix, numbered_qa, markdown_qa)
} | {
    tables.JSONL: Format(tables.likeness_jsonl, tables.parse_jsonl),
    tables.CSV: Format(tables.likeness_csv, tables.parse_csv),
}


def sniff(source: Source) -> tuple[str, float]:
    """Return the name of the format that the file most looks like, and how much (0-1)."""
    scores = {name: form.likeness(source) for name, form in TEXT_FORMATS.items()}
    name = max(scores, key=lambda each: scores[each])
    return name, scores[name]
