"""The words around a grade, built from the ledger alone: nothing is said that the verdicts do not say.

Advice on structure (answer first, mechanism, trade-offs, example, numbers) is separate and has no part in the score.
"""

from __future__ import annotations

import re
from dataclasses import replace

from tutor.records import Grade, PointVerdict, Question

_ZERO = {
    "blank": "没有作答。",
    "dont_know": "你说不知道，这很诚实：下面是参考答案的要点，读一遍再用自己的话说一次。",
    "gibberish": "这段作答读不出意思。",
    "copied_question": "作答只是重复了题目。",
}
_NOTES = {
    "injection": "作答里有写给评分程序的话，已忽略，不影响判定。",
    "repetition": "重复的句子只算一次。",
    "linked_reference": "这道题自己没有参考答案，评分依据的是题库里问同一件事的另一道题。",
}


def compose(question: Question, grade: Grade) -> Grade:
    """The grade with its feedback: verdict, what was right, what is missing, what is wrong, what to do next."""
    lines = [_verdict(grade)]
    lines += [_NOTES[flag] for flag in grade.flags if flag in _NOTES]
    for title, verdicts in (
        ("答到了", ("covered",)),
        ("只说到一半", ("partial",)),
        ("说错了", ("contradicted",)),
        ("还缺", ("missing",)),
    ):
        lines += _section(title, [point for point in grade.points if point.verdict in verdicts])
    if question.kind == "choice":
        lines += _choice_lines(question, grade)
    lines += [f"常见误区提醒：{question.misconceptions[i].text}——这是错的。" for i in _slipped(question, grade)]
    if question.kind == "open" and any(point.verdict != "missing" for point in grade.points):
        lines += advice(grade)
    return replace(grade, feedback="\n".join(lines))


def advice(grade: Grade) -> list[str]:
    """Hints for saying it better in an interview."""
    order = [point.verdict for point in grade.points]
    missing = [point for point in grade.points if point.verdict in ("missing", "partial")]
    if not missing and "contradicted" not in order:
        return ["面试时可以再补一句取舍或一个数字，让回答更有说服力。"]
    heaviest = max(
        (point for point in grade.points if point.verdict != "covered"), key=lambda point: point.weight, default=None
    )
    return [f"下次先说最重的一点：{heaviest.text}"] if heaviest else []


def structure(reply: str) -> list[str]:
    """Structure hints for the reply itself, from surface marks; separate from the score."""
    hints = []
    first = re.split(r"[。！？\n]", reply.strip(), maxsplit=1)[0]
    if len(first) > 60:
        hints.append("先用一句短话给结论，再展开。")
    if len(reply) > 120 and not re.search(r"因为|所以|由于|导致|原因|because|since", reply):
        hints.append("说说为什么：机制比名词更重要。")
    if len(reply) > 120 and not re.search(r"但|不过|代价|缺点|取舍|trade-?off|however", reply, re.IGNORECASE):
        hints.append("补一句取舍：代价是什么，什么时候不用。")
    if len(reply) > 160 and not re.search(r"\d", reply):
        hints.append("给一个数字或例子。")
    return hints


def _verdict(grade: Grade) -> str:
    zero = next((_ZERO[flag] for flag in grade.flags if flag in _ZERO), "")
    if zero:
        return f"❌ {zero}"
    mark = "✅" if grade.score >= 80 else "⚠️" if grade.score >= 40 else "❌"
    covered = sum(1 for point in grade.points if point.verdict == "covered")
    return f"{mark} {grade.score:g} 分，{len(grade.points)} 个得分点答到 {covered} 个。"


def _section(title: str, points: list[PointVerdict]) -> list[str]:
    if not points:
        return []
    lines = [f"{title}："]
    for point in points:
        quote = f"（你说：“{point.quote}”）" if point.quote else ""
        note = f" {point.note}" if point.note else ""
        lines.append(f"- {point.text}{quote}{note}")
    return lines


def _choice_lines(question: Question, grade: Grade) -> list[str]:
    chosen = {char for char in grade.points[0].quote.upper() if char.isalpha()} if grade.points else set()
    shown = [
        option
        for option in question.options
        if option.explanation and (option.label in question.key or option.label in chosen)
    ]
    return [f"{option.label}. {option.text}：{option.explanation}" for option in shown]


def _slipped(question: Question, grade: Grade) -> list[int]:
    wrong = {i for i, point in enumerate(grade.points, start=1) if point.verdict == "contradicted"}
    return [i for i, misconception in enumerate(question.misconceptions) if misconception.point in wrong]
