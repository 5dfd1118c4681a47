"""The practice page: draw or pick a question, reply, see the grade point by point, appeal, go on to what follows."""

from __future__ import annotations

from typing import Any

import gradio as gr

from tutor.appeals import accepted, appeal, undo_last
from tutor.errors import TutorError
from tutor.records import Attempt, Question
from tutor.ui import grades
from tutor.ui.about import card_line
from tutor.ui.items import question_card, question_list
from tutor.ui.markup import LATEX, plain
from tutor.ui.page import CLICKS, telling, timer, who
from tutor.ui.selection import (
    Wanted,
    bank_choices,
    draw,
    followups,
    gradable,
    kind_choices,
    level_choices,
    matching,
    skill_choices,
)
from tutor.ui.services import Services, skill_titles
from tutor.ui.words import Words

GRADING = "grading"
"""Grading has a queue of its own: it never waits behind the language model."""
_MOST_PICKS = 2000
_MOST_ATTEMPTS = 30


class Practice:
    """The components of the page and what happens to them. `parts` are what showing a question changes."""

    def __init__(self, services: Services, words: Words) -> None:
        self.services, self.words = services, words
        self.titles = skill_titles(services.settings, words.language)
        self.quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        words = self.words
        self.question, self.started, self.attempt = gr.State(""), gr.State(0.0), gr.State(0)
        with gr.Row(elem_classes="filters"):
            self.bank = gr.Dropdown([(words("all_banks"), "")], value="", label=words("bank"), min_width=150)
            self.skill = gr.Dropdown([(words("any"), "")], value="", label=words("skill"), min_width=150)
            self.kind = gr.Dropdown(kind_choices(words), value="", label=words("kind"), min_width=110)
            self.level = gr.Dropdown(level_choices(words), value="", label=words("difficulty"), min_width=120)
        with gr.Row(elem_classes="filters"):
            self.pick = gr.Dropdown([], value=None, label=words("pick", n=0), scale=5, min_width=260, elem_id="pick")
            self.draw = gr.Button(words("draw"), variant="primary", scale=1, min_width=120, elem_id="draw")
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=320):
                self.card = gr.Markdown(
                    f'<p class="quiet">{words("practice_empty")}</p>', latex_delimiters=list(LATEX), elem_id="question",
                    container=True, elem_classes="card",
                )  # fmt: skip
                with gr.Group(visible=False, elem_classes="answering") as self.answering:
                    self.one = gr.Radio([], label=words("choose"), visible=False, elem_id="one-option")
                    self.several = gr.CheckboxGroup([], label=words("choose"), visible=False)
                    self.text = gr.Textbox(
                        label=words("your_reply"), lines=9, max_lines=24, max_length=20_000, elem_id="reply"
                    )
                with gr.Row(elem_classes="submit-row"):
                    self.timer = gr.HTML("", js_on_load=None, elem_classes="timer-box")
                    self.submit = gr.Button(
                        words("submit"), variant="primary", visible=False, min_width=140, elem_id="submit"
                    )
            with gr.Column(scale=6, min_width=320):
                self.result = gr.Markdown("", latex_delimiters=list(LATEX), elem_id="grade")
                with gr.Accordion(words("appeal"), open=False, visible=False) as self.appealing:
                    self.point = gr.Dropdown([], label=words("appeal_point"))
                    self.why = gr.Textbox(label=words("appeal_why"), lines=2, max_length=2_000)
                    with gr.Row():
                        self.send = gr.Button(words("appeal_send"), size="sm", variant="secondary")
                        self.undo = gr.Button(words("appeal_undo"), size="sm", variant="secondary")
                    self.outcome = gr.Markdown("")
                self.next = gr.Button(words("next"), visible=False, size="sm")
                self.more = gr.HTML("", js_on_load=CLICKS, elem_classes="followups")
                with gr.Accordion(words("attempts"), open=False):
                    self.attempts = gr.HTML("", js_on_load=CLICKS, elem_id="attempts")

    @property
    def parts(self) -> list[Any]:
        """What showing a question changes."""
        return [
            self.question, self.started, self.attempt, self.card, self.answering, self.one, self.several, self.text,
            self.timer, self.submit, self.result, self.appealing, self.next, self.more,
        ]  # fmt: skip

    @property
    def menus(self) -> list[Any]:
        """What a change of the banks changes."""
        return [self.bank, self.skill, self.pick, self.attempts]

    def _connect(self) -> None:
        told = telling(self.words)
        filters = [self.bank, self.skill, self.kind, self.level]
        for menu in filters:
            menu.input(told(self.list_picks), filters, self.pick, **self.quiet)
        for button in (self.draw, self.next):
            button.click(told(self.drawn), [*filters, self.question], self.parts, **self.quiet)
        self.pick.input(told(self.show), self.pick, self.parts, **self.quiet)
        self.more.click(told(self.show_clicked), None, self.parts, **self.quiet)
        self.submit.click(
            told(self.graded),
            [self.question, self.started, self.one, self.several, self.text],
            [self.result, self.attempt, self.appealing, self.point, self.outcome, self.next, self.more, self.timer,
             self.attempts],
            concurrency_id=GRADING, concurrency_limit=2, show_progress="minimal", show_progress_on=[self.result],
            api_visibility="private",
        )  # fmt: skip
        self.send.click(
            told(self.appealed),
            [self.attempt, self.point, self.why],
            [self.outcome],
            concurrency_id=GRADING,
            **self.quiet,
        )
        self.undo.click(told(self.undone), self.attempt, self.outcome, **self.quiet)
        self.attempts.click(told(self.reopened), None, [*self.parts, self.point, self.outcome], **self.quiet)

    # what happens

    def load(self, request: gr.Request) -> tuple[Any, ...]:
        """Fill the menus from the index as it is now."""
        snapshot = self.services.snapshot()
        banks, skills = bank_choices(snapshot, self.words), skill_choices(snapshot, self.titles, self.words)
        return (
            gr.Dropdown(choices=banks, value=""),
            gr.Dropdown(choices=skills, value=""),
            self.list_picks("", "", "", ""),
            self.list_attempts(who(self.services, request)),
        )

    def candidates(self, bank: str, skill: str, kind: str, level: str) -> list[Question]:
        """The questions that match and can be graded."""
        snapshot = self.services.snapshot()
        found = matching(snapshot, Wanted(bank, skill, kind, level))
        return [question for question in found if gradable(question, snapshot)]

    def list_picks(self, bank: str, skill: str, kind: str, level: str) -> Any:  # noqa: ANN401
        """The menu of the questions that match."""
        found = self.candidates(bank, skill, kind, level)
        key = "pick" if len(found) <= _MOST_PICKS else "pick_more"
        label = self.words(key, n=len(found), most=_MOST_PICKS)
        choices = [(plain(question.text, 80), question.id) for question in found[:_MOST_PICKS]]
        return gr.Dropdown(choices=choices, value=None, label=label)

    def drawn(self, bank: str, skill: str, kind: str, level: str, current: str, request: gr.Request) -> tuple[Any, ...]:
        """Draw a question."""
        found = self.candidates(bank, skill, kind, level)
        attempts = self.services.history.attempts(who(self.services, request))
        chosen = draw(found, attempts, current, self.services.choice)
        if not chosen:
            gr.Info(self.words("no_match"))
            return tuple(gr.skip() for _ in self.parts)
        return self.show(chosen)

    def show_clicked(self, event: gr.EventData) -> tuple[Any, ...]:
        """Show the question that was clicked."""
        return self.show(str(event.id))

    def show(self, question_id: str | None) -> tuple[Any, ...]:
        """Put a question to the learner."""
        if not question_id:
            return tuple(gr.skip() for _ in self.parts)
        words, question = self.words, self.services.snapshot().question(question_id)
        rich = any(mark in option.text for option in question.options for mark in ("$", "`", "\\("))
        card = question_card(question, words, self.titles, with_options=rich)
        choices = [
            (option.label if rich else f"{option.label}. {plain(option.text, 200)}", option.label)
            for option in question.options
        ]
        is_choice = question.kind == "choice" and bool(choices)
        one, several = is_choice and len(question.key) <= 1, is_choice and len(question.key) > 1
        numbers = question.kind == "calculation"
        now = self.services.now().timestamp()
        return (
            question_id, now, 0, card,
            gr.Group(visible=True),
            gr.Radio(choices=choices, value=None, visible=one),
            gr.CheckboxGroup(choices=choices, value=[], visible=several),
            gr.Textbox(value="", visible=not is_choice, lines=4 if numbers else 9,
                       placeholder=words("number_placeholder" if numbers else "reply_placeholder")),
            timer(now, words), gr.Button(visible=True), "", gr.Accordion(visible=False), gr.Button(visible=False), "",
        )  # fmt: skip

    def graded(
        self, question_id: str, started: float, one: str | None, several: list[str], text: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """Grade the reply, keep it, show the result. A grade that cannot be made is shown as such, without a number."""
        words, learner = self.words, who(self.services, request)
        snapshot = self.services.snapshot()
        question = snapshot.question(question_id)
        is_choice = question.kind == "choice" and bool(question.options)
        reply = ("".join(sorted(several)) or (one or "")) if is_choice else text
        if is_choice and not reply:
            gr.Info(words("empty_choice"))
            return tuple(gr.skip() for _ in range(9))
        now = self.services.now()
        try:
            grade = self.services.grade(learner, question, reply)
            attempt = self.services.history.add_attempt(learner, question_id, reply, grade, now)
        except TutorError as error:
            closed = gr.Accordion(visible=False)
            shown = grades.not_graded(str(error), words)
            return (shown, 0, closed, gr.Dropdown(), "", gr.Button(visible=True), "", gr.skip(), gr.skip())
        kept = Attempt(attempt, learner, question_id, reply, grade, now.isoformat())
        return (
            *self._result(kept, question),
            gr.Button(visible=True),
            self._followups(question),
            timer(started, words, ended=now.timestamp()),
            self.list_attempts(learner),
        )

    def appealed(self, attempt_id: int, index: int | None, why: str, request: gr.Request) -> str:
        """Judge one point again."""
        words, services = self.words, self.services
        if not attempt_id or index is None or not why.strip():
            return words("appeal_empty")
        try:
            attempt = services.history.attempt(attempt_id)
            if attempt.learner != who(services, request):
                return words("appeal_empty")
            question = services.snapshot().question(attempt.question_id)
            before, after = appeal(question, attempt, index, why, services.judge, services.history, services.now())
        except TutorError as error:
            return words("error", what=error)
        key = "appeal_accepted" if accepted(before, after) else "appeal_rejected"
        return words(key, before=grades.verdict_name(before, words), after=grades.verdict_name(after, words))

    def undone(self, attempt_id: int, request: gr.Request) -> str:
        """Take the last appeal back."""
        learner = who(self.services, request)
        found = undo_last(learner, attempt_id, self.services.history, self.services.now()) if attempt_id else None
        return self.words("appeal_undone" if found else "appeal_none")

    def reopened(self, request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        """Show an earlier attempt again."""
        attempt = self.services.history.attempt(int(event.id))
        if attempt.learner != who(self.services, request):
            return tuple(gr.skip() for _ in range(len(self.parts) + 2))
        question = self.services.snapshot().question(attempt.question_id)
        shown = list(self.show(attempt.question_id))
        result, number, appealing, points, outcome = self._result(attempt, question)
        shown[2], shown[7], shown[8] = number, gr.Textbox(value=attempt.reply), ""
        shown[10], shown[11], shown[12], shown[13] = (
            result,
            appealing,
            gr.Button(visible=True),
            self._followups(question),
        )
        return (*shown, points, outcome)

    def list_attempts(self, learner: str) -> str:
        """The learner's latest attempts."""
        items = self.services.snapshot().items
        found = self.services.history.attempts(learner)[-_MOST_ATTEMPTS:]
        texts = {one: item.text for one in {a.question_id for a in found} if (item := items.get(one)) is not None}
        return grades.attempt_list([one for one in found if one.question_id in texts], texts, self.words)

    def _result(self, attempt: Attempt, question: Question) -> tuple[Any, ...]:
        words, snapshot = self.words, self.services.snapshot()
        card = card_line(self.services.settings, words)
        shown = grades.grade_markdown(question, attempt.reply, attempt.grade, snapshot, words, card)
        by_key = question.kind in ("choice", "calculation")
        points = [] if by_key else grades.point_choices(attempt.grade, words)
        return shown, attempt.id, gr.Accordion(visible=bool(points), open=False), gr.Dropdown(points, value=None), ""

    def _followups(self, question: Question) -> str:
        return question_list(followups(question, self.services.snapshot()), self.words("followups"))
