"""What the pages need, opened once: answering, grading, history, banks. Models are loaded when they are first used."""

from __future__ import annotations

import random
import threading
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tutor.answering import Tutor
from tutor.appeals import ledger
from tutor.assembly import open_judge, open_tutor
from tutor.grading import Judge, grade
from tutor.history import History, open_history
from tutor.library import Snapshot
from tutor.records import Grade, PointProbabilities, Question
from tutor.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
COOKIE = "tutor_learner"


@dataclass(frozen=True, slots=True)
class Services:
    """Shared by all sessions; everything in it may be used from several threads.

    :ivar now: the clock. :ivar choice: picks one of several, at random.
    """

    settings: Settings
    tutor: Tutor
    judge: Judge
    history: History
    now: Callable[[], datetime]
    choice: Callable[[Sequence[str]], str]

    def snapshot(self) -> Snapshot:
        """The current index. :raises IndexFault: there is none that can be used."""
        return self.tutor.library.snapshot()

    def in_language(self, language: str) -> Tutor:
        """What answering needs, answering refusals in this language."""
        return replace(self.tutor, language=language)

    def grade(self, learner: str, question: Question, reply: str) -> Grade:
        """Grade a reply; wordings that this learner's appeals established count. :raises TutorError: no grade exists."""
        snapshot = self.snapshot()
        reference, origin = snapshot.reference(question)
        return grade(
            question,
            reply,
            self.judge,
            reference=reference,
            reference_from=origin,
            points=ledger(question, snapshot, self.history.aliases(learner, question.id)),
        )


class LateJudge:
    """The point judge, loaded at its first verdict: the app runs, and grades choices and numbers, without its weights."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._judge: Judge | None = None
        self._lock = threading.Lock()

    def load(self) -> Judge:
        """The judge. :raises WeightsError: its weights are absent; they are looked for again at the next call."""
        with self._lock:
            if self._judge is None:
                self._judge = open_judge(self._settings)
            return self._judge

    def verdicts(self, question: str, reply: str, points: Sequence[str]) -> list[PointProbabilities]:
        """Probabilities of the four verdicts for every point."""
        return self.load().verdicts(question, reply, points)


def open_services(settings: Settings) -> Services:
    """Open everything. :raises TutorError: the language model or the history cannot be opened."""
    return Services(
        settings=settings,
        tutor=open_tutor(settings),
        judge=LateJudge(settings),
        history=open_history(settings.database),
        now=lambda: datetime.now(UTC),
        choice=random.choice,
    )


def learner_of(settings: Settings, user: str | None, cookie: str | None) -> str:
    """Whose rows to read and write: the logged-in user's, on the learner's own machine the configured learner's.

    Behind any other address every browser is a learner of its own, known by a cookie that only it holds.
    """
    if user:
        return user
    return settings.learner if settings.host in LOOPBACK else f"guest-{(cookie or 'nobody')[:40]}"


def skill_titles(settings: Settings, language: str) -> dict[str, str]:
    """Names of the skills to show, by key; empty when the corpus has no list of skills."""
    path = settings.corpus / "skills.toml"
    if language != "zh" or not path.is_file():
        return {}
    return {key: str(entry.get("zh", key)) for key, entry in tomllib.loads(path.read_text("utf-8")).items()}
