"""Question + reply -> Grade. The ledger: verdicts on key points come from a judge, the score from the formula below.

    score = 100 * max(0, sum(w_i * c_i)) / sum(w_i)

w_i is the point's weight and c_i its credit. The verdict is contradicted when that is more likely than not, otherwise the most
probable of the other three, where covered needs e >= 0.5 and is missing below: nobody is told to be wrong on a guess, and
nobody gets marks on one. With e = P(covered) + P(partial) / 2,
    contradicted   c = -0.25
    missing        c = 0
    partial        c = e, held in [0.3, 0.7]
    covered        c = e, at least 0.7, and 1 from e >= 0.85 on
A point that is not missing quotes the reply; one that cannot is missing. No language model has a say in any of this.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Protocol

from tutor.errors import GradingError
from tutor.feedback import compose
from tutor.lexical import nearest
from tutor.numbers import grade_numbers
from tutor.points import split_reference
from tutor.records import Grade, KeyPoint, PointProbabilities, PointVerdict, Question, Verdict
from tutor.rules import Screened, screen, split_sentences

MAX_REPLY = 8_000
"""Longest reply in characters."""
PARTLY, COVERED, FULL = 0.3, 0.7, 0.85
PENALTY = -0.25
_CLEAR = 0.6
"""Probability from which a point counts in a reply that gives orders to the grader: it has no benefit of the doubt."""


class Judge(Protocol):
    """What the ledger needs of a point judge (`tutor.judge.PointJudge`)."""

    def verdicts(self, question: str, reply: str, points: Sequence[str]) -> list[PointProbabilities]:
        """Probabilities of the four verdicts for every point."""
        ...


def grade(
    question: Question,
    reply: str,
    judge: Judge,
    *,
    reference: str = "",
    reference_from: str = "",
    points: Sequence[KeyPoint] = (),
    prose: bool = True,
) -> Grade:
    """Grade one reply.

    :param reference: the reference to use when the question has none of its own; `reference_from` the id it is from.
    :param points: its key points; else the question's own, else those that the reference splits into.
    :param prose: whether to compose the feedback.
    :raises GradingError: there is nothing to grade against, or the reply is too long. There is no score then.
    """
    started = time.perf_counter()
    if len(reply) > MAX_REPLY:
        raise GradingError(f"not graded: the reply has {len(reply):,} characters, the limit is {MAX_REPLY:,}")
    used = question.reference or reference
    flags = ("linked_reference",) if reference_from and reference_from != question.id else ()
    if question.kind == "choice" and question.options:
        verdicts, found = _grade_choice(question, reply)
    elif question.kind == "calculation" and question.calculation and question.calculation.results:
        verdicts, found = _grade_calculation(question, reply)
    else:
        ledger = tuple(points) or question.points or split_reference(used)
        if not ledger:
            raise GradingError(f"not graded: {question.id} has no reference answer, and none is linked to it")
        verdicts, found = _grade_points(question, reply, ledger, judge)
    result = Grade(
        score=score(verdicts),
        points=tuple(verdicts),
        flags=(*flags, *found),
        reference=used,
        reference_from=reference_from if flags else "",
        seconds=time.perf_counter() - started,
    )
    return compose(question, result) if prose else result


def score(points: Sequence[PointVerdict]) -> float:
    """The score, 0-100 with one decimal, that follows from the verdicts; see the module's docstring."""
    total = sum(point.weight for point in points)
    if total <= 0:
        raise GradingError("not graded: the key points have no weight")
    return round(100 * max(0.0, sum(point.weight * point.credit for point in points)) / total, 1)


def decide(probabilities: PointProbabilities) -> tuple[Verdict, float, float]:
    """Verdict, its probability, and its credit."""
    chances: dict[Verdict, float] = {
        "covered": probabilities.covered,
        "partial": probabilities.partial,
        "missing": probabilities.missing,
    }
    expected = probabilities.covered + probabilities.partial / 2
    verdict = "contradicted" if probabilities.contradicted >= 0.5 else max(chances, key=chances.__getitem__)
    if verdict == "covered" and expected < 0.5:
        verdict = "missing"
    credit = {
        "contradicted": PENALTY,
        "missing": 0.0,
        "partial": min(max(expected, PARTLY), COVERED),
        "covered": 1.0 if expected >= FULL else max(expected, COVERED),
    }[verdict]
    return verdict, getattr(probabilities, verdict), credit


def _grade_points(
    question: Question, reply: str, ledger: Sequence[KeyPoint], judge: Judge
) -> tuple[list[PointVerdict], tuple[str, ...]]:
    screened = screen(question.text, reply)
    if screened.zero:
        return [PointVerdict(point.text, point.weight, "missing", 1.0) for point in ledger], screened.flags
    sentences = split_sentences(screened.text) or [screened.text]
    probabilities = judge.verdicts(question.text, screened.text, [point.text for point in ledger])
    verdicts = []
    for point, probability in zip(ledger, probabilities, strict=True):
        if _accepted(point, screened):
            verdicts.append(PointVerdict(point.text, point.weight, "covered", 1.0, _alias_quote(point, reply), 1.0))
            continue
        verdict, p, credit = decide(probability)
        if "injection" in screened.flags and verdict in ("covered", "partial") and p < _CLEAR:
            verdict, p, credit = "missing", probability.missing, 0.0
        quote = "" if verdict == "missing" else _quote(reply, sentences, point.text)
        if verdict != "missing" and not quote:
            verdict, p, credit = "missing", probability.missing, 0.0
        verdicts.append(PointVerdict(point.text, point.weight, verdict, round(p, 4), quote, round(credit, 4)))
    return verdicts, screened.flags


def _accepted(point: KeyPoint, screened: Screened) -> bool:
    return any(alias and alias in screened.text for alias in point.aliases)


def _alias_quote(point: KeyPoint, reply: str) -> str:
    return next(alias for alias in point.aliases if alias in reply)


def _quote(reply: str, sentences: Sequence[str], point: str) -> str:
    """The sentence of the reply that is nearest to the point, word for word, or "" when it cannot be found again."""
    quote = nearest(sentences, point).strip()
    return quote if quote and quote in reply else ""


def _grade_choice(question: Question, reply: str) -> tuple[list[PointVerdict], tuple[str, ...]]:
    if not question.key:
        raise GradingError(f"not graded: the bank gives no key for {question.id}")
    point = f"正确选项是 {question.key}"
    chosen, quote = chosen_letters(reply, [option.label for option in question.options])
    if not chosen:
        flags = screen(question.text, reply).flags
        return [PointVerdict(point, 1.0, "missing", 1.0)], flags
    right = set(chosen) == set(question.key)
    credit = 1.0 if right else 0.0
    return [PointVerdict(point, 1.0, "covered" if right else "contradicted", 1.0, quote, credit)], ()


def chosen_letters(reply: str, labels: Sequence[str]) -> tuple[str, str]:
    """The option letters that a reply chooses, sorted, and the span that says so; ("", "") when it names none."""
    allowed = "".join(labels)
    text = reply.strip()
    only = re.fullmatch(rf"[\s(（]*((?:[{allowed}][\s,，、和&]*)+)[.。)）]?", text, re.IGNORECASE)
    said = re.search(
        r"(?:选项?|答案(?:是|为|选)?|选择|应(?:该)?选|answer(?: is)?|choose|pick|option)\s*[:：]?\s*[(（]?"
        rf"((?:[{allowed}](?![a-z])[,，、和 ]*)+)",
        text,
        re.IGNORECASE,
    )
    lead = re.match(rf"[(（]?([{allowed}])[)）.．、:：,，。\s]", text, re.IGNORECASE)
    match = only or said or lead
    if match is None:
        return "", ""
    letters = sorted({char.upper() for char in match.group(1) if char.upper() in allowed})
    return "".join(letters), match.group(0).strip()


def _grade_calculation(question: Question, reply: str) -> tuple[list[PointVerdict], tuple[str, ...]]:
    assert question.calculation is not None
    screened = screen(question.text, reply)
    if screened.zero and "copied_question" not in screened.flags:
        return [
            PointVerdict(f"{result.name} = {result.value:g} {result.unit}".strip(), 1.0, "missing", 1.0)
            for result in question.calculation.results
        ], screened.flags
    return grade_numbers(question.calculation, reply), screened.flags
