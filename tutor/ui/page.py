"""What all pages share: who is there, clicks inside HTML, the timer."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from tutor.errors import TutorError
from tutor.ui.services import COOKIE, Services, learner_of
from tutor.ui.words import Words

CLICKS = """
element.addEventListener('click', event => {
  const target = event.target.closest('[data-id]');
  if (target) trigger('click', {id: target.dataset.id});
});
"""
"""Script of an HTML component: a click on an element with data-id becomes an event that carries it."""


def who(services: Services, request: gr.Request) -> str:
    """The learner behind a request."""
    return learner_of(services.settings, request.username, request.cookies.get(COOKIE))


def timer(started: float, words: Words, ended: float | None = None) -> str:
    """Time since `started`, a POSIX time: running in the page, or fixed once it has ended."""
    seconds = max(0, round((ended or started) - started))
    running = f' data-since="{started:.0f}"' if ended is None else ""
    return f'<span class="timer">{words("timer")} <b{running}>{seconds // 60}:{seconds % 60:02d}</b></span>'


def telling(words: Words) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make an event show a TutorError to the learner as it is. Other exceptions are bugs and stay what they are."""

    def tell(error: TutorError) -> gr.Error:
        return gr.Error(words("error", what=error), duration=12, print_exception=False)

    def wrap(act: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(act)
        def acting(*given: Any, **named: Any) -> Any:  # noqa: ANN401
            try:
                return act(*given, **named)
            except TutorError as error:
                raise tell(error) from error

        @functools.wraps(act)
        def streaming(*given: Any, **named: Any) -> Iterator[Any]:  # noqa: ANN401
            try:
                yield from act(*given, **named)
            except TutorError as error:
                raise tell(error) from error

        return streaming if inspect.isgeneratorfunction(act) else acting

    return wrap
