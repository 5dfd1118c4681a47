"""The records that travel through the tutor. They are frozen, know nothing of files or models, and depend on nothing.

Text fields hold Markdown as it stands in the bank. `path` is the file as the learner added it, `line` counts from 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["open", "choice", "calculation", "topic"]
"""open: answered in prose; choice: by letters; calculation: by numbers; topic: a heading-like item of an outline."""

Verdict = Literal["covered", "partial", "missing", "contradicted"]
Support = Literal["supported", "weak", "unsupported"]
Badge = Literal["reference", "composed", "none"]
LinkKind = Literal["same", "covers"]


@dataclass(frozen=True, slots=True)
class KeyPoint:
    """One claim of a reference answer that can be judged alone. `aliases` are accepted wordings (see appeals)."""

    text: str
    weight: float = 1.0
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Misconception:
    """A wrong statement that learners make. `point` is the number, from 1, of the key point it contradicts."""

    text: str
    point: int


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a choice question: its letter, its text, and why it is right or wrong."""

    label: str
    text: str
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A named number. `tolerance` is relative (0.03 = 3%) and only meant for results."""

    name: str
    value: float
    unit: str = ""
    note: str = ""
    tolerance: float = 0.03


@dataclass(frozen=True, slots=True)
class Calculation:
    """What is given, the expressions `(name, expression)` in order, and the results that a learner must find."""

    given: tuple[Quantity, ...]
    steps: tuple[tuple[str, str], ...]
    results: tuple[Quantity, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One item of a bank. `id` is stable: it survives edits elsewhere in the file.

    :ivar trail: the headings above the item, outermost first.
    :ivar subpoints: nested lines under the item, in order, text only.
    :ivar key: the right letters of a choice question, e.g. "B" or "AC"; empty when the bank gives none.
    :ivar reference: the bank's own answer; empty when it has none.
    :ivar difficulty: 1-10, or None when the bank does not say.
    :ivar parent: id of the question that this one follows up, or empty.
    :ivar warnings: what the reader of this item should know (a figure that does not follow, a missing key...).
    """

    id: str
    bank: str
    path: str
    line: int
    text: str
    kind: Kind = "open"
    trail: tuple[str, ...] = ()
    subpoints: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    key: str = ""
    reference: str = ""
    points: tuple[KeyPoint, ...] = ()
    misconceptions: tuple[Misconception, ...] = ()
    calculation: Calculation | None = None
    difficulty: int | None = None
    skills: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    followups: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    parent: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """Prose of a bank that belongs to no question: kept and searchable."""

    id: str
    bank: str
    path: str
    line: int
    text: str
    trail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bank:
    """A bank file as parsed. `name` is a slug, unique among the banks of one learner."""

    name: str
    title: str
    path: str
    format: str
    questions: tuple[Question, ...]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of text that is searched. `item_id` is the id of the Question or Note that it comes from.

    :ivar part: question (as asked, or its aliases), lead (the opening of its answer), note: these have vectors;
        answer (the whole of it, in pieces) is found by its words alone.
    """

    id: str
    item_id: str
    bank: str
    text: str
    part: Literal["question", "lead", "answer", "note"]

    @property
    def embedded(self) -> bool:
        """Whether the piece has a vector."""
        return self.part != "answer"


@dataclass(frozen=True, slots=True)
class Link:
    """`question_id` has no reference of its own; `target_id` has one that answers it (same) or contains it (covers)."""

    question_id: str
    target_id: str
    kind: LinkKind
    confidence: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved item, as the learner and the model see it. `n` is the number that citations use.

    :ivar text: the reference (or the linked reference, or the question's sub-points when there is none).
    :ivar score: relevance in [0, 1]; comparable with the floor of `tutor.retrieval`.
    :ivar has_reference: whether `text` is a reference answer (own or linked).
    :ivar linked_from: id of the question whose reference is shown, when it is a linked one.
    """

    n: int
    question_id: str
    bank: str
    path: str
    line: int
    title: str
    text: str
    score: float
    kind: str = "open"
    has_reference: bool = False
    linked_from: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """One `[n]` of an answer, the sentence that carries it, and whether passage n supports that sentence."""

    n: int
    sentence: str
    support: Support


@dataclass(frozen=True, slots=True)
class CitedAnswer:
    """An answer so far, or whole when `done`.

    :ivar generated: the model's own words, before numbers were added: what a continued prompt repeats.
    :ivar timings: seconds and token counts (DESIGN: the `done` event).
    """

    text: str
    passages: tuple[Passage, ...] = ()
    citations: tuple[Citation, ...] = ()
    refused: bool = False
    badge: Badge = "none"
    done: bool = False
    query: str = ""
    suggestions: tuple[Passage, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    generated: str = ""


@dataclass(frozen=True, slots=True)
class PointProbabilities:
    """How likely each verdict on one point is. The four sum to 1."""

    covered: float
    partial: float
    missing: float
    contradicted: float


@dataclass(frozen=True, slots=True)
class PointVerdict:
    """The verdict on one key point.

    :ivar p: probability of the verdict given, in [0, 1].
    :ivar quote: the span of the reply that the verdict rests on, verbatim; empty when missing.
    :ivar credit: the share of the weight that it earns: 1 covered, 0 missing, negative when contradicted.
    :ivar note: what else the learner should know, such as the step at which a calculation went wrong.
    """

    text: str
    weight: float
    verdict: Verdict
    p: float
    quote: str = ""
    credit: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """The grade of one reply. `score` is 0-100 and follows from `points` (see `tutor.grading.score`).

    :ivar flags: "blank", "dont_know", "injection", "copied_question", "gibberish", "repetition", "linked_reference"...
    :ivar reference: the reference that was used; `reference_from` the id of its question when it is a linked one.
    """

    score: float
    points: tuple[PointVerdict, ...]
    flags: tuple[str, ...] = ()
    feedback: str = ""
    reference: str = ""
    reference_from: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A graded reply, as it is kept. `at` is a UTC timestamp in ISO 8601."""

    id: int
    learner: str
    question_id: str
    reply: str
    grade: Grade
    at: str
