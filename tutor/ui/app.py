"""The app: the pages in both languages, and the server that shows them on this machine alone unless told otherwise."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components.navbar import Navbar
from starlette.middleware import Middleware

from tutor import prompts
from tutor.errors import TutorError
from tutor.llm import prewarm
from tutor.settings import Settings
from tutor.ui.about import about_html
from tutor.ui.banks import Banks
from tutor.ui.chat import Chat, conversation_list
from tutor.ui.conversation import Turns, best_passage
from tutor.ui.guard import Guard
from tutor.ui.page import telling, who
from tutor.ui.practice import Practice
from tutor.ui.rendering import header
from tutor.ui.services import Services, open_services
from tutor.ui.words import LANGUAGES, Words

_HERE = Path(__file__).parent
_QUEUE = 32
"""More waiting requests than this are refused rather than kept waiting."""
_FONTS = ["-apple-system", "BlinkMacSystemFont", "Segoe UI", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei",
          "Noto Sans CJK SC", "Noto Sans SC", "sans-serif"]  # fmt: skip
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Noto Sans Mono CJK SC", "monospace"]


def launch(settings: Settings) -> None:
    """Serve the app until it is stopped.

    :raises TutorError: the language model or the history cannot be opened, or the address cannot be listened on.
    """
    services = open_services(settings)
    app = build_app(services)
    guard = Middleware(Guard, host=settings.host, home=homes(settings.language))
    threading.Thread(target=_warm, args=(services,), daemon=True).start()
    try:
        app.launch(
            server_name=settings.host, server_port=settings.port, share=False, inbrowser=False, quiet=False,
            run_history=False, enable_monitoring=False, footer_links=[], show_error=False, ssr_mode=False,
            max_file_size=f"{settings.max_upload_mib}mb", allowed_paths=[], theme=theme(), css_paths=_HERE / "style.css",
            head=f"<script>{(_HERE / 'page.js').read_text('utf-8')}</script>", mcp_server=False, pwa=False,
            state_session_capacity=200, app_kwargs={"middleware": [guard], "docs_url": None, "redoc_url": None},
        )  # fmt: skip
    except OSError as error:
        raise TutorError(
            f"cannot listen on {settings.host}:{settings.port} ({error}); choose another port with --port"
        ) from error


def homes(language: str) -> dict[str, str]:
    """The path of each language's page: the configured language is at the root."""
    return {name: "/" if name == language else f"/{name}" for name in LANGUAGES}


def build_app(services: Services) -> gr.Blocks:
    """The app with one page a language. Both share the queue, so there is one line for the language model."""
    language = services.settings.language
    paths = homes(language)
    title = Words(language)("title")
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as app:
        Navbar(visible=False)
        build_page(app, services, Words(language), paths)
    other = Words(Words(language).other)
    with app.route(other("title"), paths[other.language], show_in_navbar=False):
        Navbar(visible=False)
        build_page(app, services, other, paths)
    app.queue(max_size=_QUEUE, default_concurrency_limit=8, api_open=False)
    blocks: gr.Blocks = app
    return blocks


def build_page(app: gr.Blocks, services: Services, words: Words, paths: dict[str, str]) -> None:
    """One language's page: its tabs, and what happens between them."""
    away = paths[words.other]
    head = gr.HTML(header(None, "", words, away), js_on_load=None)
    with gr.Tabs(elem_classes="pages") as tabs:
        with gr.Tab(words("tab_chat"), id="chat"):
            chat = Chat(services, words)
        with gr.Tab(words("tab_practice"), id="practice"):
            practice = Practice(services, words)
        with gr.Tab(words("tab_banks"), id="banks"):
            banks = Banks(services, words)
        with gr.Tab(words("tab_about"), id="about") as about_tab:
            about = gr.HTML("", js_on_load=None, elem_classes="about")
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

    def load_head() -> str:
        try:
            snapshot = services.snapshot()
        except TutorError as error:
            return header(None, str(error), words, away)
        total = [sum(int(row[key]) for row in snapshot.banks) for key in ("questions", "with_reference")]
        return header((len(snapshot.banks), total[0], total[1]), "", words, away)

    def load_conversations(request: gr.Request) -> str:
        return conversation_list(services.history.conversations(who(services, request)), "", words)

    def practise(turns: Turns) -> tuple[Any, ...]:
        source = best_passage(turns)
        shown = practice.show(source.linked_from or source.question_id if source else None)
        return gr.Tabs(selected="practice"), *shown

    def practise_item(question_id: str) -> tuple[Any, ...]:
        return gr.Tabs(selected="practice"), *practice.show(question_id)

    def ask_item(question_id: str) -> tuple[Any, str]:
        return gr.Tabs(selected="chat"), services.snapshot().question(question_id).text

    told = telling(words)
    app.load(load_head, None, head, **quiet)
    app.load(load_conversations, None, chat.conversations, **quiet)
    app.load(told(practice.load), None, practice.menus, **quiet)
    app.load(told(banks.load), None, banks.menus, **quiet)
    about_tab.select(lambda: about_html(services, words, away), None, about, **quiet)
    chat.practise.click(told(practise), chat.turns, [tabs, *practice.parts], **quiet)
    banks.practise.click(told(practise_item), banks.question, [tabs, *practice.parts], **quiet)
    chat.answer_after(banks.ask.click(told(ask_item), banks.question, [tabs, chat.asking], **quiet))
    chat.connect_stops()
    for changed in banks.changed:
        changed.then(load_head, None, head, **quiet).then(told(practice.load), None, practice.menus, **quiet)


def theme() -> gr.themes.Base:
    """Calm: paper and ink, one accent, fonts of the system only."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal, neutral_hue=gr.themes.colors.stone, radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md, font=_FONTS, font_mono=_MONO,
    )  # fmt: skip


def _warm(services: Services) -> None:
    """Load the models before they are needed: the first question then waits for neither."""
    try:
        services.tutor.embeddings.embed_query("warm up")
        if services.tutor.model is not None:
            prewarm(services.tutor.model, prompts.ANSWER_PREFIX)
    except TutorError as error:
        logging.getLogger(__name__).warning("%s", error)
