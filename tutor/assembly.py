"""Put the parts together from settings: the one place where models and stores are created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tutor.answering import Tutor
from tutor.citations import SupportJudge
from tutor.embedding import GemmaEmbeddings
from tutor.errors import GradingError
from tutor.grading import Judge, grade
from tutor.library import Library, Snapshot
from tutor.records import Grade, KeyPoint, Question
from tutor.settings import Settings
from tutor.support import support_judge


def open_embeddings(settings: Settings) -> GemmaEmbeddings:
    """The embedding model; it is loaded on first use."""
    return GemmaEmbeddings(settings.models, settings.dtype)


def open_library(settings: Settings) -> Library:
    """The index; it is opened on first use."""
    return Library(settings.index, open_embeddings(settings))


def open_judge(settings: Settings) -> Judge:
    """The point judge. :raises WeightsError: its base model is not there yet."""
    from tutor.judge import PointJudge  # torch is slow to import

    return PointJudge.load(settings.models, settings.dtype)


def open_tutor(settings: Settings) -> Tutor:
    """Everything that answering needs."""
    from tutor.llm import chat_model  # the engines are slow to import, and grading needs none

    library = open_library(settings)
    model = None if settings.engine == "none" else chat_model(settings)
    judge: SupportJudge = support_judge(library.embeddings, lambda text: library.snapshot().lexical.terms(text))
    return Tutor(library, library.embeddings, model, judge, settings.language, settings.unsupported)


@dataclass(frozen=True, slots=True)
class Grader:
    """Grades replies to questions of the banks and to items given from outside."""

    judge: Judge
    prose: bool = True

    def grade(self, question: Question, reply: str, snapshot: Snapshot) -> Grade:
        """Grade with the question's own reference or the linked one. :raises GradingError: there is neither."""
        reference, origin = snapshot.reference(question)
        points: tuple[KeyPoint, ...] = question.points
        if origin and origin != question.id:
            points = snapshot.question(origin).points
        return grade(
            question, reply, self.judge, reference=reference, reference_from=origin, points=points, prose=self.prose
        )

    def grade_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Grade one line of `tutor grade --batch`; with several references the best grade counts.

        An item that cannot be graded yields {"id", "score": null, "error"} and no number.
        """
        identity = row.get("id")
        try:
            best = max(
                (grade(question, str(row["answer"]), self.judge, prose=self.prose) for question in _questions(row)),
                key=lambda result: result.score,
            )
        except KeyError as error:
            return {"id": identity, "score": None, "error": f"not graded: the line has no {error.args[0]!r}"}
        except GradingError as error:
            return {"id": identity, "score": None, "error": str(error)}
        return {"id": identity, **asdict(best)}


def open_grader(settings: Settings, *, prose: bool = True) -> Grader:
    """Everything that grading needs."""
    return Grader(open_judge(settings), prose)


def _questions(row: Mapping[str, Any]) -> Sequence[Question]:
    given = row.get("references") or [row["reference"]]
    references = [given] if isinstance(given, str) else [str(one) for one in given]
    base = Question(id=str(row.get("id", "")), bank="", path="", line=0, text=str(row.get("question", "")))
    points = tuple(
        KeyPoint(str(point["text"]), float(point.get("weight", 1.0)))
        if isinstance(point, Mapping)
        else KeyPoint(str(point))
        for point in row.get("points") or ()
    )
    if points:
        return [replace(base, reference="\n".join(references), points=points)]
    if not any(reference.strip() for reference in references):
        raise GradingError("not graded: the line has no reference")
    return [replace(base, reference=reference) for reference in references if reference.strip()]
