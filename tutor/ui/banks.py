"""The banks page: browse, search and filter what the banks hold; add one after its check report; remove one."""

from __future__ import annotations

import re
import shutil
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from ingest.banks import add, remove, unlink
from ingest.checking import report
from ingest.parsing import parse_file
from ingest.sources import sources
from tutor.errors import BankError, TutorError
from tutor.library import Snapshot
from tutor.records import Question
from tutor.retrieval import Filters, retrieve
from tutor.settings import Settings
from tutor.ui.items import bank_item, bank_list, bank_table, question_tree
from tutor.ui.markup import LATEX
from tutor.ui.page import CLICKS, telling
from tutor.ui.selection import Wanted, bank_choices, kind_choices, level_choices, matching, skill_choices
from tutor.ui.services import Services, skill_titles
from tutor.ui.words import Words

ENDINGS = (".md", ".txt", ".markdown", ".jsonl", ".json", ".csv", ".tsv", ".xlsx")
"""Types of files that may be uploaded; what is in them is checked when they are read."""
INDEXING = "indexing"
_NEAREST = 30
_MOST_PROBLEMS = 40


class Banks:
    """The components of the page and what happens to them."""

    def __init__(self, services: Services, words: Words) -> None:
        self.services, self.words = services, words
        self.titles = skill_titles(services.settings, words.language)
        self.quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        words, settings = self.words, self.services.settings
        self.question, self.pending = gr.State(""), gr.State("")
        with gr.Row(elem_classes="filters"):
            self.search = gr.Textbox(
                label=words("search"), placeholder=words("search_placeholder"), scale=3, min_width=200, max_length=300,
                elem_id="bank-search",
            )  # fmt: skip
            self.bank = gr.Dropdown([(words("all_banks"), "")], value="", label=words("bank"), min_width=150)
            self.skill = gr.Dropdown([(words("any"), "")], value="", label=words("skill"), min_width=140)
            self.kind = gr.Dropdown(kind_choices(words), value="", label=words("kind"), min_width=100)
            self.level = gr.Dropdown(level_choices(words), value="", label=words("difficulty"), min_width=110)
        with gr.Row(elem_classes="checks"):
            self.referenced = gr.Checkbox(label=words("only_reference"), container=False, min_width=160)
            self.several = gr.Checkbox(label=words("only_frequent"), container=False, min_width=160)
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300):
                self.tree = gr.HTML("", js_on_load=CLICKS, elem_id="tree", elem_classes="card")
            with gr.Column(scale=7, min_width=320):
                self.item = gr.Markdown(
                    f'<p class="quiet">{words("item_empty")}</p>', latex_delimiters=list(LATEX), elem_id="item",
                    container=True, elem_classes="card",
                )  # fmt: skip
                with gr.Row(visible=False) as self.actions:
                    self.practise = gr.Button(words("practise_this"), size="sm")
                    self.ask = gr.Button(words("ask_this"), size="sm")
                    self.apart = gr.Button(words("unlink"), size="sm", visible=False, elem_id="unlink")
        with gr.Accordion(words("bank_table"), open=False):
            self.table = gr.HTML("", js_on_load=None)
        with gr.Accordion(words("add_bank"), open=False, elem_id="add-bank"):
            gr.HTML(f'<p class="quiet">{words("check_first")}</p>', js_on_load=None)
            label = words("upload", types=" ".join(ENDINGS), mib=settings.max_upload_mib)
            self.file = gr.File(label=label, file_types=list(ENDINGS), file_count="single", height=140)
            self.report = gr.Markdown("", elem_id="check-report")
            self.confirm = gr.Button(words("confirm_add"), variant="primary", visible=False, elem_id="confirm-add")
        with gr.Accordion(words("remove_bank"), open=False):
            self.added = gr.Dropdown([], label=words("remove_pick"))
            self.drop = gr.Button(words("remove_confirm"), variant="stop", size="sm")
        self.outcome = gr.Markdown("", elem_id="bank-outcome")

    @property
    def menus(self) -> list[Any]:
        """What a change of the banks changes on this page."""
        return [self.bank, self.skill, self.tree, self.table, self.added]

    def _connect(self) -> None:
        told = telling(self.words)
        filters = [self.search, self.bank, self.skill, self.kind, self.level, self.referenced, self.several]
        menus: list[Any] = filters[1:]
        for menu in menus:
            menu.input(told(self.listed), filters, self.tree, **self.quiet)
        self.search.submit(told(self.listed), filters, self.tree, **self.quiet)
        self.tree.click(
            told(self.shown), None, [self.question, self.item, self.actions, self.apart, self.bank, self.tree], **self.quiet
        )
        self.apart.click(
            told(self.unlinked), self.question, [self.outcome, self.item, self.apart],
            concurrency_id=INDEXING, show_progress_on=[self.item], api_visibility="private",
        )  # fmt: skip
        self.file.change(told(self.checked), self.file, [self.report, self.confirm, self.pending], concurrency_id=INDEXING,
                         show_progress="minimal", api_visibility="private")  # fmt: skip
        added = self.confirm.click(
            told(self.confirmed), self.pending, [self.outcome, self.report, self.confirm, self.file],
            concurrency_id=INDEXING, concurrency_limit=1, show_progress_on=[self.report], api_visibility="private",
        ).then(told(self.load), None, self.menus, **self.quiet)  # fmt: skip
        removed = self.drop.click(
            told(self.removed), self.added, self.outcome, concurrency_id=INDEXING, api_visibility="private"
        ).then(told(self.load), None, self.menus, **self.quiet)
        self.changed = (added, removed)

    # what happens

    def load(self) -> tuple[Any, ...]:
        """Fill the page from the index as it is now."""
        snapshot, words = self.services.snapshot(), self.words
        own = [source.bank for source in sources(self.services.settings)]
        return (
            gr.Dropdown(choices=bank_choices(snapshot, words), value=""),
            gr.Dropdown(choices=skill_choices(snapshot, self.titles, words), value=""),
            self.listed("", "", "", "", "", False, False),
            bank_table(snapshot.banks, words),
            gr.Dropdown(choices=own, value=None),
        )

    def listed(self, text: str, bank: str, skill: str, kind: str, level: str, referenced: bool, several: bool) -> str:
        """The tree of the questions that match."""
        snapshot = self.services.snapshot()
        wanted = Wanted(bank, skill, kind, level, referenced, several)
        if wanted == Wanted() and not text.strip():
            return bank_list(snapshot.banks, self.words)
        found = matching(snapshot, wanted)
        if text.strip():
            return question_tree(self._searched(snapshot, text.strip(), bank, found), self.words, opened=True)
        return question_tree(found, self.words)

    def _searched(self, snapshot: Snapshot, text: str, bank: str, found: list[Question]) -> list[Question]:
        """Those that contain the text, then those that are near it in meaning."""
        wanted = re.sub(r"\s+", "", text).lower()
        exact = [one for one in found if wanted in re.sub(r"\s+", "", f"{one.text}{' '.join(one.subpoints)}").lower()]
        allowed = {one.id: one for one in found}
        near = retrieve(snapshot, self.services.tutor.embeddings, text, _NEAREST, Filters((bank,) if bank else ()))
        hits = [allowed[passage.question_id] for passage in near.passages if passage.question_id in allowed]
        return list({one.id: one for one in (*exact, *hits)}.values())

    def shown(self, event: gr.EventData) -> tuple[Any, ...]:
        """Show the item, or open the bank, that was clicked."""
        snapshot, clicked = self.services.snapshot(), str(event.id)
        if clicked.startswith("bank:"):
            bank = clicked.removeprefix("bank:")
            tree = self.listed("", bank, "", "", "", False, False)
            return gr.skip(), gr.skip(), gr.skip(), gr.skip(), gr.Dropdown(value=bank), tree
        question = snapshot.question(clicked)
        item = bank_item(question, snapshot, self.words, self.titles)
        linked = gr.Button(visible=question.id in snapshot.links)
        return question.id, item, gr.Row(visible=True), linked, gr.skip(), gr.skip()

    def unlinked(self, question_id: str) -> tuple[Any, ...]:
        """Undo the link of the question that is shown, for good."""
        unlink(self.services.settings, self.services.tutor.embeddings, question_id)
        snapshot = self.services.snapshot()
        item = bank_item(snapshot.question(question_id), snapshot, self.words, self.titles)
        return self.words("unlinked"), item, gr.Button(visible=question_id in snapshot.links)

    def checked(self, uploaded: str | None) -> tuple[Any, ...]:
        """The check report of an uploaded file; only a file that passes can be confirmed."""
        if not uploaded:
            return "", gr.Button(visible=False), ""
        path = Path(uploaded)
        try:
            row = report(parse_file(path))
        except BankError as error:
            problems = [{"line": one.line, "what": one.what} for one in error.problems]
            return refused_report(path.name, problems, self.words), gr.Button(visible=False), ""
        replaces = any(source.path == str(self._kept(path)) for source in sources(self.services.settings))
        return check_report(path.name, row, self.words, replaces=replaces), gr.Button(visible=True), uploaded

    def confirmed(self, uploaded: str, progress: gr.Progress = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008
        """Add the checked file: it is copied into the data folder and indexed."""
        words = self.words
        if not uploaded:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        kept = self._kept(Path(uploaded))
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(uploaded, kept)

        def advance(done: int, total: int) -> None:
            progress((done, total), desc=words("indexing"))

        try:
            result = add(self.services.settings, self.services.tutor.embeddings, [kept], progress=advance)
        except TutorError as error:
            return words("error", what=error), gr.skip(), gr.skip(), gr.skip()
        row = next(row for row in result.banks if row["path"] == str(kept.resolve()))
        told = words("added", bank=row["title"], questions=row["questions"], embedded=result.embedded,
                     seconds=result.seconds)  # fmt: skip
        return told, "", gr.Button(visible=False), None

    def removed(self, bank: str | None) -> str:
        """Remove a bank that was added."""
        if not bank:
            return self.words("remove_none")
        try:
            remove(self.services.settings, self.services.tutor.embeddings, bank)
        except TutorError as error:
            return self.words("error", what=error)
        return self.words("removed", bank=bank)

    def _kept(self, uploaded: Path) -> Path:
        return upload_path(self.services.settings, uploaded.name)


def upload_path(settings: Settings, name: str) -> Path:
    """Where an uploaded bank of this file name is kept: the same name is the same bank, so adding it again replaces it."""
    plain_name = re.sub(r"[^\w.\-]+", "_", Path(name).name).lstrip(".") or "bank"
    return (settings.home / "uploads" / plain_name).resolve()


def check_report(name: str, row: dict[str, Any], words: Words, *, replaces: bool = False) -> str:
    """What a file would become, with every remark at its line."""
    kinds = " · ".join(f"{words('kind_' + kind)} {count}" for kind, count in row["kinds"].items() if count)
    lines = " · ".join(f"{escape(use)} {count}" for use, count in row["lines"].items())
    parts = [
        f"#### {words('check_title', name=escape(name))}",
        words("check_format", **{key: row[key] for key in ("format", "confidence", "questions", "with_reference")}),
        kinds,
        f'<p class="quiet">{words("check_lines")}: {lines}</p>',
    ]
    if replaces:
        parts.append(f'<p class="trouble">{words("check_replaces")}</p>')
    parts.append(_problems(row["problems"], words) if row["problems"] else f"✓ {words('check_clean')}")
    return "\n\n".join(parts)


def refused_report(name: str, problems: list[dict[str, Any]], words: Words) -> str:
    """Why a file cannot be added."""
    title = words("check_title", name=escape(name))
    return f"#### {title}\n\n**{words('check_refused')}**\n\n{_problems(problems, words)}"


def _problems(problems: list[dict[str, Any]], words: Words) -> str:
    rows = "".join(
        f"<li><code>{one['line'] or words('check_whole')}</code> {escape(one['what'])}</li>"
        for one in problems[:_MOST_PROBLEMS]
    )
    more = len(problems) - _MOST_PROBLEMS
    rest = f"<li>{words('check_more', n=more)}</li>" if more > 0 else ""
    head = words("check_problems", n=len(problems))
    return f'<details class="block" open><summary>{head}</summary><ul>{rows}{rest}</ul></details>'
