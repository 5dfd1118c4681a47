"""The settings page: what runs here, where the data is, under which terms, and how well the grading agrees with people."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from html import escape
from typing import Any

from tutor import __version__
from tutor.errors import TutorError
from tutor.judge.adapter import FOLDER, read_config
from tutor.library import current_version
from tutor.settings import Settings
from tutor.ui.services import Services
from tutor.ui.words import Words

_SHOWN_SETS = ("ads_zh", "nn_exam_en", "mohler_en", "saf_en")


def about_html(services: Services, words: Words, address: str) -> str:
    """The whole page. :param address: where it is in the other language."""
    settings = services.settings
    rows = [
        (words("about_language"), f'<a class="switch" href="{escape(address)}">{words("other_language")}</a>'),
        (words("about_engine"), _engine(settings, words)),
        (words("about_embedding"), "EmbeddingGemma-300M · " + escape(settings.dtype)),
        (words("about_judge"), _judge(words)),
        (words("about_index"), f"<code>{escape(current_version(settings.index) or '—')}</code>"),
        (words("about_home"), f"<code>{escape(str(settings.home))}</code>"),
        (words("about_version"), escape(_versions())),
        (words("about_licences"), words("about_licence_text")),
    ]
    table = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
    return (
        f'<table class="facts">{table}</table><p>{words("about_privacy")}</p>'
        f'<p class="quiet">{words("about_settings")}</p><h3>{words("card")}</h3>{card_html(read_card(settings), words)}'
    )


def read_card(settings: Settings) -> dict[str, Any]:
    """The last report card of grading; empty when none was made or this is not a checkout."""
    path = settings.corpus.parent / "eval" / "results" / "grading.json"
    if not path.is_file():
        return {}
    card: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return card


def card_line(settings: Settings, words: Words) -> str:
    """How far such scores agree with people's, in one line; empty without a report card."""
    public = read_card(settings).get("public", {})
    found = [f"{name} r={public[name]['ours']['r']:.2f}" for name in _SHOWN_SETS if name in public]
    return f"{words('card')}: {', '.join(found)}" if found else ""


def card_html(card: dict[str, Any], words: Words) -> str:
    """The report card as a table of the public sets."""
    if not card.get("public"):
        return f'<p class="quiet">{words("card_none")}</p>'
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{entry['ours']['n']}</td><td>{entry['ours']['qwk']:.2f}</td>"
        f"<td>{entry['ours']['r']:.2f}</td><td>{entry['ours']['rmse']:.2f}</td><td>{entry['overlap']['r']:.2f}</td></tr>"
        for name, entry in card["public"].items()
    )
    head = "".join(f"<th>{name}</th>" for name in words("card_head").split("|"))
    made = escape(f"{card.get('date', '')} · {card.get('revision', '')}")
    return (
        f'<p class="quiet">{made}</p><div class="scroll"><table class="banks">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _engine(settings: Settings, words: Words) -> str:
    if settings.engine == "none":
        return words("about_no_engine")
    return escape(f"{settings.model} · {settings.engine}" + (f" · {settings.base_url}" if settings.base_url else ""))


def _judge(words: Words) -> str:
    try:
        read_config()
    except TutorError as error:
        return words("about_judge_absent", why=escape(str(error)))
    missing = not (FOLDER / "adapter.safetensors").is_file()
    return words("about_judge_absent", why="adapter.safetensors") if missing else words("about_judge_ready")


def _versions() -> str:
    parts = [f"interview-tutor {__version__}", f"Python {platform.python_version()}"]
    parts += [f"{name} {importlib.metadata.version(name)}" for name in ("gradio", "chromadb", "torch", "xllamacpp")]
    return " · ".join(parts)
