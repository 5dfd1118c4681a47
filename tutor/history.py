"""What happened: conversations, attempts, appeals. Append-only rows; the only file that knows the database.

SQLite by default; any SQLAlchemy URL works. Everything else about a learner is computed from these rows.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, create_engine, event, select
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tutor.errors import TutorError
from tutor.records import Attempt, Citation, CitedAnswer, Grade, Passage, PointVerdict


class _Base(DeclarativeBase):
    pass


class _Turn(_Base):
    __tablename__ = "turns"
    id: Mapped[int] = mapped_column(primary_key=True)
    learner: Mapped[str] = mapped_column(String(64))
    conversation: Mapped[str] = mapped_column(String(64))
    at: Mapped[str] = mapped_column(String(32))
    question: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
    __table_args__ = (Index("turns_of_conversation", "learner", "conversation", "id"),)


class _Attempt(_Base):
    __tablename__ = "attempts"
    id: Mapped[int] = mapped_column(primary_key=True)
    learner: Mapped[str] = mapped_column(String(64), index=True)
    question_id: Mapped[str] = mapped_column(String(200), index=True)
    at: Mapped[str] = mapped_column(String(32))
    reply: Mapped[str] = mapped_column(Text)
    grade: Mapped[str] = mapped_column(Text)


class _Appeal(_Base):
    __tablename__ = "appeals"
    id: Mapped[int] = mapped_column(primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempts.id"))
    at: Mapped[str] = mapped_column(String(32))
    point: Mapped[int]
    explanation: Mapped[str] = mapped_column(Text)
    before: Mapped[str] = mapped_column(Text)
    after: Mapped[str] = mapped_column(Text)
    alias: Mapped[str] = mapped_column(Text, default="")


class _Undo(_Base):
    __tablename__ = "undone_appeals"
    appeal_id: Mapped[int] = mapped_column(ForeignKey("appeals.id"), primary_key=True)
    at: Mapped[str] = mapped_column(String(32))


class _Opinion(_Base):
    __tablename__ = "opinions"
    id: Mapped[int] = mapped_column(primary_key=True)
    turn_id: Mapped[int] = mapped_column(ForeignKey("turns.id"))
    at: Mapped[str] = mapped_column(String(32))
    liked: Mapped[bool]


@dataclass(frozen=True, slots=True)
class Appeal:
    """One disputed verdict. `point` counts from 0; `alias` is the wording that counts from now on, or empty."""

    id: int
    attempt_id: int
    point: int
    explanation: str
    before: PointVerdict
    after: PointVerdict
    alias: str
    undone: bool


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A question and its answer, as they were shown."""

    id: int
    question: str
    answer: CitedAnswer


class History:
    """The learners' rows. Thread-safe: every call is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        _Base.metadata.create_all(engine)

    def add_turn(self, learner: str, conversation: str, question: str, answer: CitedAnswer, now: datetime) -> int:
        """Keep a finished answer. Returns its id."""
        return self._add(
            _Turn(
                learner=learner,
                conversation=conversation,
                at=_stamp(now),
                question=question,
                answer=_dump(asdict(answer)),
            )
        )

    def turns(self, learner: str, conversation: str) -> list[StoredTurn]:
        """The turns of a conversation, oldest first."""
        query = select(_Turn).where(_Turn.learner == learner, _Turn.conversation == conversation).order_by(_Turn.id)
        with Session(self._engine) as session:
            return [StoredTurn(row.id, row.question, _answer(json.loads(row.answer))) for row in session.scalars(query)]

    def conversations(self, learner: str) -> list[tuple[str, str]]:
        """(conversation, its first question), newest first."""
        query = select(_Turn).where(_Turn.learner == learner).order_by(_Turn.id)
        with Session(self._engine) as session:
            first: dict[str, str] = {}
            for row in session.scalars(query):
                first.setdefault(row.conversation, row.question)
        return list(reversed(first.items()))

    def add_opinion(self, turn_id: int, liked: bool, now: datetime) -> None:
        """Keep a thumb up or down."""
        self._add(_Opinion(turn_id=turn_id, at=_stamp(now), liked=liked))

    def add_attempt(self, learner: str, question_id: str, reply: str, grade: Grade, now: datetime) -> int:
        """Keep a graded reply. Returns its id."""
        return self._add(
            _Attempt(learner=learner, question_id=question_id, at=_stamp(now), reply=reply, grade=_dump(asdict(grade)))
        )

    def attempts(self, learner: str) -> list[Attempt]:
        """All attempts of a learner, oldest first."""
        query = select(_Attempt).where(_Attempt.learner == learner).order_by(_Attempt.id)
        with Session(self._engine) as session:
            return [_attempt(row) for row in session.scalars(query)]

    def attempt(self, attempt_id: int) -> Attempt:
        """One attempt. :raises TutorError: there is none with this id."""
        with Session(self._engine) as session:
            row = session.get(_Attempt, attempt_id)
            if row is None:
                raise TutorError(f"there is no attempt {attempt_id}")
            return _attempt(row)

    def add_appeal(
        self,
        attempt_id: int,
        point: int,
        explanation: str,
        before: PointVerdict,
        after: PointVerdict,
        alias: str,
        now: datetime,
    ) -> int:
        """Keep a disputed verdict with both views. Returns its id."""
        return self._add(
            _Appeal(
                attempt_id=attempt_id,
                at=_stamp(now),
                point=point,
                explanation=explanation,
                before=_dump(asdict(before)),
                after=_dump(asdict(after)),
                alias=alias,
            )
        )

    def undo_appeal(self, appeal_id: int, now: datetime) -> None:
        """Take an appeal back: its wording no longer counts. The row stays."""
        with Session(self._engine) as session:
            known = session.get(_Appeal, appeal_id) is not None
            undone = session.get(_Undo, appeal_id) is not None
        if not known:
            raise TutorError(f"there is no appeal {appeal_id}")
        if not undone:
            self._add(_Undo(appeal_id=appeal_id, at=_stamp(now)))

    def appeals(self, learner: str) -> list[Appeal]:
        """All appeals of a learner, oldest first."""
        query = select(_Appeal).join(_Attempt, _Appeal.attempt_id == _Attempt.id).where(_Attempt.learner == learner)
        with Session(self._engine) as session:
            undone = set(session.scalars(select(_Undo.appeal_id)))
            return [
                Appeal(
                    row.id,
                    row.attempt_id,
                    row.point,
                    row.explanation,
                    PointVerdict(**json.loads(row.before)),
                    PointVerdict(**json.loads(row.after)),
                    row.alias,
                    row.id in undone,
                )
                for row in session.scalars(query.order_by(_Appeal.id))
            ]

    def aliases(self, learner: str, question_id: str) -> dict[int, tuple[str, ...]]:
        """Accepted wordings by point (from 0) of a question, from appeals that were not undone."""
        questions = {attempt.id: attempt.question_id for attempt in self.attempts(learner)}
        found: dict[int, tuple[str, ...]] = {}
        for appeal in self.appeals(learner):
            if appeal.alias and not appeal.undone and questions[appeal.attempt_id] == question_id:
                found[appeal.point] = (*found.get(appeal.point, ()), appeal.alias)
        return found

    def _add(self, row: Any) -> int:  # noqa: ANN401 (any mapped row)
        try:
            with Session(self._engine) as session:
                session.add(row)
                session.commit()
                return int(getattr(row, "id", 0) or 0)
        except SQLAlchemyError as error:
            raise TutorError(f"the history could not be saved: {error.__cause__ or error}") from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def open_history(database: Path | str) -> History:
    """Open the history: a path is a SQLite file, text with "://" a database URL."""
    if isinstance(database, str) and "://" in database:
        return History(create_engine(database))
    path = Path(database)
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _configure_sqlite)
    return History(engine)


def _configure_sqlite(connection: Any, _record: Any) -> None:  # noqa: ANN401 (DB-API objects)
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _stamp(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="milliseconds")


def _dump(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)


def _attempt(row: _Attempt) -> Attempt:
    return Attempt(row.id, row.learner, row.question_id, row.reply, _grade(json.loads(row.grade)), row.at)


def _grade(row: dict[str, Any]) -> Grade:
    return Grade(
        **{**row, "points": tuple(PointVerdict(**point) for point in row["points"]), "flags": tuple(row["flags"])}
    )


def _answer(row: dict[str, Any]) -> CitedAnswer:
    return CitedAnswer(
        **{
            **row,
            "passages": tuple(Passage(**one) for one in row["passages"]),
            "citations": tuple(Citation(**one) for one in row["citations"]),
            "suggestions": tuple(Passage(**one) for one in row["suggestions"]),
        }
    )
