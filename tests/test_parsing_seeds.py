"""The five question banks beside the checkout are swallowed whole."""

from collections import Counter
from pathlib import Path

import pytest

from ingest.parsing import parse_file
from tests.bank_text import lost

SEEDS = Path(__file__).parents[2] / "shared" / "seeds"
pytestmark = [
    pytest.mark.seeds,
    pytest.mark.skipif(not SEEDS.is_dir(), reason="the question banks are not beside the checkout (shared/seeds)"),
]
NAMES = ("000", "001", "002", "003", "004")
_parsed = {}


def seed(number):
    """Parse a seed once."""
    if number not in _parsed:
        (path,) = SEEDS.glob(f"{number}_*")
        _parsed[number] = parse_file(path)
    return _parsed[number]


def lines(number):
    (path,) = SEEDS.glob(f"{number}_*")
    return path.read_text("utf-8").split("\n")


@pytest.mark.parametrize(
    ("number", "form", "count"),
    [("000", "outline", 358), ("001", "pdf-list", 949), ("002", "skill-matrix", 129), ("003", "numbered-qa", 18),
     ("004", "outline", 113)],
)  # fmt: skip
def test_the_family_is_recognised_and_every_item_counted(number, form, count):
    parsed = seed(number)
    assert (parsed.bank.format, len(parsed.bank.questions)) == (form, count)
    assert parsed.confidence > 0.8


@pytest.mark.parametrize("number", NAMES)
def test_every_line_is_accounted_for_and_found_again(number):
    parsed, text = seed(number), lines(number)
    filled = [n for n, line in enumerate(text, 1) if line.strip()]
    assert [use.line for use in parsed.lines] == filled
    ignored = [use for use in parsed.lines if use.use == "ignored"]
    assert len(ignored) < 0.01 * len(filled) and all(use.reason for use in ignored)
    assert lost(parsed, "\n".join(text)) == []


@pytest.mark.parametrize("number", NAMES)
def test_every_item_points_at_its_own_line(number):
    parsed, text = seed(number), lines(number)
    for question in parsed.bank.questions:
        first = question.text.split("\n")[0][:12]
        near = "\n".join(text[question.line - 1 : question.line + 3])
        assert first in near.replace("**", ""), (question.line, first)
    assert len({q.id for q in parsed.bank.questions}) == len(parsed.bank.questions)


def test_an_outline_keeps_its_nested_points():
    bank = seed("000").bank
    assert sum(len(q.subpoints) for q in bank.questions) == 13
    assert Counter(q.kind for q in bank.questions)["open"] > 340
    assert all(q.trail[1][0] in "一二三四五六七八" for q in bank.questions)


def test_a_pdf_keeps_its_points_numbers_and_oddities():
    parsed = seed("001")
    by_line = {q.line: q for q in parsed.bank.questions}
    assert by_line[1855].subpoints[1].startswith("如何通过 Profiling")
    assert len(by_line[831].subpoints) == 5 and by_line[2163].subpoints[0].startswith("缺乏训练数据")
    assert by_line[245].trail[0].startswith("LLMs位置编码篇") and len(by_line[245].subpoints) == 3
    found = {(problem.line, problem.what) for problem in parsed.problems}
    assert (206, "'LLMs位置编码篇(33题)' announces 33 items, found 32") in found
    assert (684, "the glyph 颢 stands where 题 belongs") in found
    assert (471, "number 41 is repeated or out of order") in found
    assert sum("stands for a bullet" in what for _, what in found) == 7
    assert [use.line for use in parsed.lines if use.use == "ignored"] == [1658]


def test_a_skill_matrix_keeps_keys_ratings_and_long_answers():
    bank = seed("002").bank
    choices = [q for q in bank.questions if q.kind == "choice"]
    rated = [q for q in bank.questions if q.difficulty]
    long = [q for q in bank.questions if not q.difficulty]
    assert (len(choices), len(rated), len(long)) == (46, 92, 37)
    assert all(len(q.options) == 4 and q.key in "ABCD" and len(q.key) == 1 for q in choices)
    assert all(q.skills and q.trail for q in rated) and all(len(q.reference) > 400 for q in long)
    assert {q.difficulty for q in rated} == {2, 3, 4, 5, 6, 7, 8, 9, 10}
    assert not any("<strong>" in q.reference or "正确答案" in q.reference[:6] for q in bank.questions)


def test_numbered_questions_keep_followups_formulas_and_warn():
    bank = seed("003").bank
    kinds = Counter(q.kind for q in bank.questions)
    assert kinds == {"open": 15, "calculation": 3}
    (followup,) = [q for q in bank.questions if q.parent]
    assert followup.parent == next(q.id for q in bank.questions if q.line == 18)
    assert "\\text{softmax}" in bank.questions[0].reference
    memory, time, symbolic = (q for q in bank.questions if q.kind == "calculation")
    assert "4.29 GB" in memory.warnings[0] and "17-18" in memory.warnings[1]
    assert "约 39 天" in time.warnings[0] and symbolic.warnings == () and "n_heads" in symbolic.reference
    assert {note.trail[-1] for note in bank.notes} == {
        "训练显存估算",
        "推理显存估算",
        "回答框架",
        "注意事项",
        "🔗 相关资源",
    }


def test_an_outline_of_topics_keeps_their_place():
    bank = seed("004").bank
    by_line = {q.line: q for q in bank.questions}
    assert by_line[31].trail == ("一、大模型基础知识", "Transformer模型结构", "Self-Attention机制")
    assert by_line[85].text == "PyTorch搭建神经网络" and {q.kind for q in bank.questions} == {"topic"}
    assert any("LICENSE" in note.text for note in bank.notes) and any(note.trail == ("吐槽",) for note in bank.notes)
