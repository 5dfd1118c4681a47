"""The web app. The only package that knows Gradio."""
