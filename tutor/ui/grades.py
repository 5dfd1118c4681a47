"""Grades -> Markdown: score, verdicts point by point with their evidence, feedback, the reference. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tutor.feedback import structure
from tutor.library import Snapshot
from tutor.records import Attempt, Grade, PointVerdict, Question, Verdict
from tutor.ui.items import reference_block
from tutor.ui.markup import highlight, inline, plain, safe
from tutor.ui.words import Words

ICONS: dict[Verdict, str] = {"covered": "✓", "partial": "◐", "missing": "○", "contradicted": "✗"}


def grade_markdown(question: Question, reply: str, grade: Grade, snapshot: Snapshot, words: Words, card: str) -> str:
    """The whole result. :param card: one line on how far such scores agree with people's, or empty."""
    parts = [_score(grade, words)]
    parts.append(_points(grade.points, words))
    parts.append(f'<p class="quiet">{words("machine_graded")} {card}</p>')
    quotes = [(point.verdict, point.quote) for point in grade.points if point.quote]
    parts.append(
        f'<details class="block" open><summary>{words("marked_reply")}</summary>'
        f'<p class="reply">{highlight(reply, quotes) or "—"}</p></details>'
    )
    if grade.feedback:
        parts.append(
            f'<details class="block"><summary>{words("feedback")}</summary>\n\n{safe(grade.feedback)}\n\n</details>'
        )
    hints = structure(reply) if question.kind in ("open", "topic") and any(p.quote for p in grade.points) else []
    if hints:
        parts.append(f"**{words('structure')}**\n\n" + "\n".join(f"- {safe(hint)}" for hint in hints))
    title, *reference = reference_block(question, snapshot, words) or [""]
    if reference:
        body = "\n\n".join(reference)
        parts.append(f'<details class="block" open><summary>{title.strip("*")}</summary>\n\n{body}\n\n</details>')
    explained = [option for option in question.options if option.explanation]
    if explained:
        rows = "\n".join(f"- **{escape(one.label)}.** {safe(one.text)} — {safe(one.explanation)}" for one in explained)
        parts.append(rows)
    return "\n\n".join(parts)


def not_graded(reason: str, words: Words) -> str:
    """What stands where a grade would: the reason, and no number."""
    return f'<p class="trouble"><strong>{words("not_graded")}</strong> — {escape(reason)}</p>'


def verdict_name(point: PointVerdict, words: Words) -> str:
    """Icon and name of a verdict."""
    return f"{ICONS[point.verdict]} {words(point.verdict)}"


def point_choices(grade: Grade, words: Words) -> list[tuple[str, int]]:
    """The points that can be appealed, for a menu: those that did not earn all of their weight."""
    return [
        (f"{verdict_name(point, words)} · {plain(point.text, 50)}", i)
        for i, point in enumerate(grade.points)
        if point.credit < 1
    ]


def attempt_list(attempts: Sequence[Attempt], titles: dict[str, str], words: Words) -> str:
    """Earlier attempts as buttons, newest first."""
    if not attempts:
        return f'<p class="quiet">{words("no_attempts")}</p>'
    rows = "".join(
        f'<button type="button" class="row" data-id="{one.id}"><b class="{_level(one.grade.score)}">{one.grade.score:g}</b> '
        f"{escape(plain(titles.get(one.question_id, one.question_id), 70))} "
        f"<small>{escape(one.at[:16].replace('T', ' '))}</small></button>"
        for one in reversed(attempts)
    )
    return f"<nav>{rows}</nav>"


def _score(grade: Grade, words: Words) -> str:
    level = _level(grade.score)
    flags = "".join(f' <span class="tag warn">{words("flag_" + flag)}</span>' for flag in grade.flags)
    counts = " ".join(
        f'<b class="{verdict}">{icon} {sum(1 for point in grade.points if point.verdict == verdict)}</b>'
        for verdict, icon in ICONS.items()
    )
    return (
        f'<div class="score {level}"><span class="big">{grade.score:g}</span><span>{words("score_unit")}</span>'
        f'<span class="counts">{counts}</span>{flags}</div>'
    )


def _level(score: float) -> str:
    return "good" if score >= 80 else "fair" if score >= 40 else "poor"


def _points(points: Sequence[PointVerdict], words: Words) -> str:
    head = "".join(f"<th>{name}</th>" for name in words("points_head").split("|"))
    rows = "".join(
        f'<tr class="{point.verdict}"><td class="verdict">{verdict_name(point, words)}</td>'
        f'<td>{inline(point.text)}{_note(point)}</td><td class="figure">{point.weight:g}</td>'
        f'<td class="figure">{round(100 * point.p)}%</td>'
        f"<td>{f'<q>{escape(point.quote)}</q>' if point.quote else '—'}</td></tr>"
        for point in points
    )
    return (
        f'<div class="scroll"><table class="points"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _note(point: PointVerdict) -> str:
    return f"<br><small>{inline(point.note)}</small>" if point.note else ""
