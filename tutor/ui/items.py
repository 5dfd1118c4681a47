"""Questions -> Markdown or HTML: the card that is answered, the item of a bank, the tree of a bank. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from tutor.library import Snapshot
from tutor.records import Quantity, Question
from tutor.ui.markup import inline, plain, safe
from tutor.ui.rendering import location
from tutor.ui.words import Words

MOST_ROWS = 1000
"""So many questions of a tree are shown; with more, the learner is asked to narrow the search."""


def question_card(question: Question, words: Words, titles: Mapping[str, str], *, with_options: bool = False) -> str:
    """The question as it is put to the learner: nothing here gives the answer away.

    :param with_options: list the options here, because they hold formulas that a menu cannot show.
    """
    parts = [_meta(question, words, titles), f"### {safe(question.text)}"]
    parts += [f"- {safe(point)}" for point in question.subpoints]
    if question.calculation and question.calculation.given:
        parts += [f"**{words('given')}**", _quantities(question.calculation.given)]
    if with_options:
        parts.append("\n".join(f"- **{escape(one.label)}.** {safe(one.text)}" for one in question.options))
    return "\n\n".join(parts)


def bank_item(question: Question, snapshot: Snapshot, words: Words, titles: Mapping[str, str]) -> str:
    """Everything that the bank has on a question."""
    trail = " › ".join(escape(plain(part, 40)) for part in question.trail)
    parts = [f'<p class="quiet">{trail}</p>' if trail else "", _meta(question, words, titles)]
    parts.append(f"### {safe(question.text)}")
    parts += [f'<p class="trouble">{inline(warning)}</p>' for warning in question.warnings]
    parts.append("\n".join(f"- {safe(point)}" for point in question.subpoints))
    if question.options:
        parts += [f"**{words('options')}**", "\n".join(_option(question, option.label) for option in question.options)]
        parts.append(f"**{words('key')}**: {escape(question.key) or '—'}")
    if question.calculation:
        parts += [f"**{words('given')}**", _quantities(question.calculation.given)]
        parts += [f"**{words('results')}**", _quantities(question.calculation.results)]
    parts += reference_block(question, snapshot, words)
    if question.points:
        rows = "\n".join(f"- **{point.weight:g}** · {safe(point.text)}" for point in question.points)
        parts += [f"**{words('points')}**", rows]
    if question.misconceptions:
        rows = "\n".join(f"- ~~{safe(one.text)}~~" for one in question.misconceptions)
        parts += [f"**{words('misconceptions')}**", rows]
    same = [snapshot.items[one] for one in snapshot.groups.get(question.id, ()) if one != question.id]
    if same:
        rows = "\n".join(
            f"- {safe(one.text)} — {escape(one.bank)} `{location(one.path, one.line)}`"
            for one in same
            if isinstance(one, Question)
        )
        parts += [f"**{words('same_question')}**", rows]
    if question.sources:
        parts.append(f'<p class="quiet">{words("sources")}: {"; ".join(inline(one) for one in question.sources)}</p>')
    if frequency(question, snapshot) > 1:
        parts[1] += f' <span class="tag solid">{words("frequency", n=frequency(question, snapshot))}</span>'
    return "\n\n".join(part for part in parts if part)


def reference_block(question: Question, snapshot: Snapshot, words: Words) -> list[str]:
    """The reference with where it comes from; a linked one says so."""
    reference, origin = snapshot.reference(question)
    if not reference:
        return [] if question.key else [f'<p class="quiet">{words("no_reference_long")}</p>']
    if origin == question.id:
        source = f"{words('reference_own')} · <code>{escape(location(question.path, question.line))}</code>"
    else:
        other = snapshot.question(origin)
        source = (
            f'<span class="tag hollow">{words("linked_reference")}</span> '
            f"{words('reference_linked', title=escape(plain(other.text, 60)))} · "
            f"<code>{escape(location(other.path, other.line))}</code>"
        )
    return [f"**{words('reference')}**", f'<p class="meta">{source}</p>', safe(reference)]


def frequency(question: Question, snapshot: Snapshot) -> int:
    """In how many banks the question is asked."""
    return len({snapshot.items[one].bank for one in snapshot.groups.get(question.id, (question.id,))})


def question_tree(questions: Sequence[Question], words: Words, *, opened: bool = False) -> str:
    """Questions as a tree of banks and sections, each a button that carries its id."""
    total = words("shown", n=len(questions))
    if len(questions) > MOST_ROWS:
        total = words("shown_some", n=len(questions), most=MOST_ROWS)
    shown = questions[:MOST_ROWS]
    banks = _grouped(shown, lambda question: question.bank)
    out = [f'<p class="quiet">{total}</p>']
    for bank, members in banks.items():
        inner = _sections(members, 0, opened or len(members) <= 30)
        if len(banks) == 1:
            out.append(inner)
        else:
            out.append(_folder(bank, len(members), inner, opened))
    return f'<nav class="tree">{"".join(out)}</nav>'


def bank_list(rows: Sequence[Mapping[str, object]], words: Words) -> str:
    """The banks as buttons that carry `bank:` and the name: the first level of a tree too large to send whole."""
    total = words("shown", n=sum(int(str(row["questions"])) for row in rows))
    buttons = "".join(
        f'<button type="button" class="row" data-id="bank:{escape(str(row["bank"]))}">› {escape(str(row["title"]))} '
        f"<small>{row['questions']}</small></button>"
        for row in rows
    )
    return f'<nav class="tree"><p class="quiet">{total}</p>{buttons}</nav>'


def question_list(questions: Sequence[Question], title: str) -> str:
    """Questions as a plain list of buttons under a title; empty without questions."""
    return f"<nav><h3>{title}</h3>{''.join(map(_leaf, questions))}</nav>" if questions else ""


def bank_table(rows: Sequence[Mapping[str, object]], words: Words) -> str:
    """The banks with their counts."""
    head = "".join(f"<th>{escape(name)}</th>" for name in words("bank_head").split("|"))
    body = "".join(
        f"<tr><td><strong>{escape(str(row['title']))}</strong><br><code>{escape(str(row['bank']))}</code></td>"
        + "".join(
            f"<td>{escape(str(row[key]))}</td>" for key in ("questions", "with_reference", "linked", "notes", "format")
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table class="banks"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _sections(questions: Sequence[Question], depth: int, opened: bool) -> str:
    out = []
    for name, members in _grouped(
        questions, lambda question: question.trail[depth] if depth < len(question.trail) else ""
    ).items():
        if name:
            out.append(_folder(plain(name, 60), len(members), _sections(members, depth + 1, opened), opened))
        else:
            out += [_leaf(question) for question in members]
    return "".join(out)


def _folder(name: str, count: int, inner: str, opened: bool) -> str:
    state = " open" if opened else ""
    return f"<details{state}><summary>{escape(name)} <small>{count}</small></summary>{inner}</details>"


def _leaf(question: Question) -> str:
    mark = "●" if question.reference or question.key else "○"
    return (
        f'<button type="button" class="row" data-id="{escape(question.id)}"><i>{mark}</i> '
        f"{escape(plain(question.text, 90))}</button>"
    )


def _grouped(questions: Sequence[Question], by: Callable[[Question], str]) -> dict[str, list[Question]]:
    groups: dict[str, list[Question]] = {}
    for question in questions:
        groups.setdefault(by(question), []).append(question)
    return groups


def _meta(question: Question, words: Words, titles: Mapping[str, str]) -> str:
    parts = [f'<span class="tag hollow">{words("kind_" + question.kind)}</span>']
    if question.difficulty is not None:
        parts.append(f'<span class="tag hollow">{words("difficulty")} {question.difficulty}</span>')
    parts += [f'<span class="tag hollow">{escape(titles.get(skill, skill))}</span>' for skill in question.skills]
    where = f"{escape(question.bank)} · <code>{escape(location(question.path, question.line))}</code>"
    return f'<p class="meta">{" ".join(parts)} <span class="quiet">{where}</span></p>'


def _option(question: Question, label: str) -> str:
    option = next(option for option in question.options if option.label == label)
    mark = "✓" if label in question.key else "·"
    why = f" — {safe(option.explanation)}" if option.explanation else ""
    return f"- {mark} **{escape(label)}.** {safe(option.text)}{why}"


def _quantities(quantities: Sequence[Quantity]) -> str:
    return "\n".join(
        f"- `{one.name}` = {one.value:g} {escape(one.unit)} {safe(f'（{one.note}）') if one.note else ''}".rstrip()
        for one in quantities
    )
