"""The chat page: conversations on the left, the streamed answer in the middle, the passages it rests on at the right."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from html import escape
from threading import Event
from typing import Any

import gradio as gr

from tutor.retrieval import MAX_QUERY
from tutor.ui import conversation as talk
from tutor.ui.conversation import Turns
from tutor.ui.markup import LATEX, plain
from tutor.ui.page import CLICKS, telling, who
from tutor.ui.rendering import evidence, messages, turn_at
from tutor.ui.services import Services
from tutor.ui.words import Words

MODEL = "language-model"
"""Events with this concurrency id take turns: there is one language model."""
_MOST_CONVERSATIONS = 60
_EXAMPLES = 4


class Chat:
    """The components of the page and what happens to them.

    `asking` holds the question that is answered next, `halts` what tells the running answer of a page that it is stopped.
    """

    def __init__(self, services: Services, words: Words) -> None:
        self.services, self.words = services, words
        self.quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.running: list[Any] = []
        self.halts: dict[str, Event] = {}
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        words = self.words
        self.turns, self.conversation, self.asking = gr.State(()), gr.State(""), gr.State("")
        with gr.Row(elem_classes="chat-row", equal_height=False):
            with gr.Column(scale=2, min_width=180, elem_classes="aside"):
                self.fresh = gr.Button(words("new_conversation"), size="sm", elem_classes="fresh")
                self.conversations = gr.HTML("", js_on_load=CLICKS, elem_classes="conversations")
            with gr.Column(scale=6, min_width=320, elem_classes="talk"):
                self.chatbot = gr.Chatbot(
                    label=words("chat_label"), show_label=False, container=False, height="calc(100vh - 320px)", min_height=360,
                    placeholder=words("hello"), examples=[{"text": words(f"example_{i + 1}")} for i in range(_EXAMPLES)],
                    latex_delimiters=list(LATEX), buttons=["copy"], sanitize_html=True, allow_tags=False,
                    group_consecutive_messages=False, layout="bubble", elem_id="chatbot",
                )  # fmt: skip
                with gr.Row(visible=False, elem_classes="actions") as self.actions:
                    no_model = self.services.tutor.model is None
                    self.spoken = gr.Button(words("spoken_button"), size="sm", interactive=not no_model)
                    self.keep = gr.Button(words("keep_button"), size="sm")
                    self.practise = gr.Button(words("practise_this"), size="sm")
                self.box = gr.Textbox(
                    placeholder=words("ask_placeholder"), label=words("ask_placeholder"), show_label=False,
                    container=False, lines=1, max_lines=6, max_length=MAX_QUERY * 30, submit_btn=True, autofocus=True,
                    elem_id="ask-box",
                )  # fmt: skip
            with gr.Column(scale=4, min_width=280, elem_classes="evidence-column"):
                gr.HTML(f"<h2>{words('evidence')}</h2>", js_on_load=None)
                self.panel = gr.Markdown(evidence(None, words), latex_delimiters=list(LATEX), elem_id="evidence")
        self.parts = [self.chatbot, self.panel, self.turns, self.actions, self.box]

    def _connect(self) -> None:
        told, quiet = telling(self.words), self.quiet
        self.answer_after(self.box.submit(lambda text: (text, ""), self.box, [self.asking, self.box], **quiet))
        self.answer_after(self.chatbot.example_select(_chosen, None, self.asking, **quiet))
        self.answer_after(self.chatbot.option_select(_chosen, None, self.asking, **quiet))
        self.answer_after(self.chatbot.retry(_again, self.turns, [self.asking, self.turns], **quiet))
        self.running.append(
            self.spoken.click(told(self.say), self.turns, self.parts, concurrency_id=MODEL, **quiet)
        )  # fmt: skip
        self.keep.click(told(self.kept), self.turns, self.parts, **quiet)
        self.chatbot.like(self.liked, self.turns, None, **quiet)
        self.chatbot.select(self.evidence_of, self.turns, self.panel, **quiet)

    def answer_after(self, event: Any) -> None:  # noqa: ANN401 (Gradio's events have no type)
        """Answer what `asking` holds once the event is done."""
        self.running.append(
            event.then(
                self.answer, [self.asking, self.turns, self.conversation],
                [*self.parts, self.conversation, self.conversations],
                concurrency_id=MODEL, concurrency_limit=1, show_progress="minimal", show_progress_on=[self.panel],
                api_visibility="private",
            )
        )  # fmt: skip

    def connect_stops(self) -> None:
        """Connect what ends a running answer; after every `answer_after`."""
        told, quiet, stopping = telling(self.words), self.quiet, {**self.quiet, "cancels": self.running}
        listed = [*self.parts, self.conversations]
        self.box.stop(self.halt, None, None, **stopping).then(
            self.stopped, [self.turns, self.conversation], listed, **quiet
        )
        self.fresh.click(self.halt, None, None, **stopping).then(
            lambda: (*self.view((), busy=False), ""), None, [*self.parts, self.conversation], **quiet
        )
        self.conversations.click(told(self.reopened), None, [*listed, self.conversation], **quiet, cancels=self.running)

    # what happens

    def view(self, turns: Turns, *, busy: bool) -> tuple[Any, ...]:
        """Values of `parts` for these turns."""
        return (
            messages(turns, self.words, busy=busy),
            evidence(turns[-1].answer if turns else None, self.words),
            turns,
            gr.Row(visible=not busy and talk.best_passage(turns) is not None),
            gr.Textbox(submit_btn=not busy, stop_btn=busy),
        )

    def answer(self, question: str, turns: Turns, current: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Answer a question; a conversation without a name gets one."""
        yield from self._until_halted(self._answer(question, turns, current, request), request)

    def _answer(
        self, question: str, turns: Turns, current: str, request: gr.Request
    ) -> Generator[tuple[Any, ...], None, None]:
        learner, name = who(self.services, request), current or secrets.token_hex(8)
        stage: tuple[bool, bool] | None = None
        last = turns
        if question.strip():
            for last in talk.converse(self.services, self.words, learner, name, turns, question):
                now = (bool(last[-1].answer.passages), last[-1].answer.done)
                shown, beside, *rest = self.view(last, busy=True)
                # the evidence is sent when it changes, not with every word
                yield (shown, beside if now != stage else gr.skip(), *rest, name, gr.skip())
                stage = now
        yield (*self.view(last, busy=False), name, self.listed(learner, name))

    def say(self, turns: Turns, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Show how to say the last answer."""
        yield from self._until_halted(self._say(turns), request)

    def _say(self, turns: Turns) -> Generator[tuple[Any, ...], None, None]:
        last = turns
        for last in talk.say_it(self.services, self.words, turns):
            yield self.view(last, busy=True)
        yield self.view(last, busy=False)

    def kept(self, turns: Turns) -> tuple[Any, ...]:
        """Show what to remember of the last answer."""
        return self.view(talk.keep_in_mind(self.services, self.words, turns), busy=False)

    def _until_halted(
        self, views: Generator[tuple[Any, ...], None, None], request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """The views until the page is told to stop, and from then on nothing that would paint over what it shows.

        Gradio cancels an event only after the handler that asked for it was run: a view may still come in between.
        """
        page, halted = str(request.session_hash), Event()
        self.halts[page] = halted
        try:
            with closing(views):
                for view in views:
                    if halted.is_set():
                        yield tuple(gr.skip() for _ in view)  # what came last is sent once more at the end
                        return
                    yield view
        finally:
            if self.halts.get(page) is halted:
                del self.halts[page]

    def halt(self, request: gr.Request) -> None:
        """Tell the running answer of this page to end."""
        halted = self.halts.get(str(request.session_hash))
        if halted is not None:
            halted.set()

    def stopped(self, turns: Turns, current: str, request: gr.Request) -> tuple[Any, ...]:
        """Leave the answer as it is."""
        return (*self.view(turns, busy=False), self.listed(who(self.services, request), current))

    def reopened(self, request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        """Show a stored conversation."""
        self.halt(request)
        name, learner = str(event.id), who(self.services, request)
        turns = talk.load_turns(self.services, learner, name)
        return (*self.view(turns, busy=False), self.listed(learner, name), name)

    def liked(self, turns: Turns, data: gr.LikeData) -> None:
        """Keep a thumb up or down."""
        turn = turn_at(turns, _message(data))
        if turn is not None and turn.id:
            self.services.history.add_opinion(turn.id, bool(data.liked), self.services.now())

    def evidence_of(self, turns: Turns, data: gr.SelectData) -> str:
        """The evidence of the message that was clicked."""
        turn = turn_at(turns, _message(data))
        return evidence(turn.answer if turn else None, self.words)

    def listed(self, learner: str, current: str) -> str:
        """The learner's conversations."""
        return conversation_list(self.services.history.conversations(learner), current, self.words)


def conversation_list(rows: Sequence[tuple[str, str]], current: str, words: Words) -> str:
    """The stored conversations as buttons, newest first."""
    if not rows:
        return f'<p class="quiet">{words("no_conversations")}</p>'
    items = "".join(
        f'<button type="button" data-id="{escape(name)}" class="row{" current" if name == current else ""}">'
        f"{escape(plain(first, 40))}</button>"
        for name, first in rows[:_MOST_CONVERSATIONS]
    )
    return f'<nav aria-label="{words("conversations")}"><h2>{words("conversations")}</h2>{items}</nav>'


def _chosen(data: gr.SelectData) -> str:
    return str(data.value["text"] if isinstance(data.value, dict) else data.value)


def _again(turns: Turns) -> tuple[str, Turns]:
    return (turns[-1].question, turns[:-1]) if turns else ("", turns)


def _message(data: gr.LikeData | gr.SelectData) -> int:
    return data.index if isinstance(data.index, int) else int(data.index[0])
