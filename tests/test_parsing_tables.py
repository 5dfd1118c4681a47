"""JSONL and CSV: fields under many names, read strictly."""

from pathlib import Path

import pytest

from ingest.parsing import parse_file
from tutor.errors import BankError

BANKS = Path(__file__).parent / "banks"


def read(tmp_path, text, name):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return parse_file(path)


def problems(tmp_path, text, name):
    with pytest.raises(BankError) as caught:
        read(tmp_path, text, name)
    return [(problem.line, problem.what) for problem in caught.value.problems]


def test_json_lines_are_read():
    parsed = parse_file(BANKS / "cards.jsonl")
    fsdp, choice, topic = parsed.bank.questions
    assert [point.weight for point in fsdp.points] == [2, 1] and fsdp.misconceptions[0].point == 1
    assert (fsdp.difficulty, fsdp.skills, fsdp.line) == (6, ("parallelism",), 1)
    assert (choice.kind, choice.key, choice.reference, choice.line) == ("choice", "C", "点对点通信不是集合通信。", 3)
    assert topic.kind == "topic" and not topic.reference
    assert [(p.line, "colour" in p.what) for p in parsed.problems] == [(4, True)]


def test_a_json_array_keeps_the_lines_of_its_objects(tmp_path):
    text = '[\n  {\n    "q": "什么是甲？",\n    "a": "一"\n  },\n  {"q": "什么是乙？", "references": ["二", "两"]}\n]\n'
    parsed = read(tmp_path, text, "x.json")
    assert [(q.line, q.reference) for q in parsed.bank.questions] == [(2, "一"), (6, "二\n\n两")]
    assert [use.use for use in parsed.lines] == ["metadata", *["question"] * 5, "metadata"]


def test_every_broken_line_is_reported(tmp_path):
    lines = [
        '{"question": "什么？", "answer": 5}', '{"question": ', '"text"', '{"answer": "无题"}',
        '{"question": "哪个？", "options": ["甲", "乙"], "key": "C"}', '{"question": "哪个？", "options": ["甲"]}',
        '{"question": "什么？", "difficulty": true}', '{"question": "什么？", "points": [3]}',
        '{"question": "什么？", "kind": "essay"}', '{"question": "什么？", "misconceptions": [{"text": "错", "point": 1}]}',
        '{"question": "什么？", "kind": "choice"}', '{"question": "什么？", "points": [{"text": "点", "weight": -1}]}',
        '{"question": "好？"}', "[" * 10_000,
    ]  # fmt: skip
    found = problems(tmp_path, "\n".join(lines), "x.jsonl")
    assert {line for line, _ in found} == set(range(1, 15)) - {13}


@pytest.mark.parametrize(
    ("text", "what"),
    [('[{"q": "什么？"}', "never closed"), ('[{"q": "什么？"}] x', "text after"), ('[{"q": ]', "not valid JSON")],
)
def test_a_broken_array_is_refused(tmp_path, text, what):
    assert what in problems(tmp_path, text, "x.json")[0][1]


def test_a_table_is_read_with_cells_of_several_lines():
    parsed = parse_file(BANKS / "cards.csv")
    first, second = parsed.bank.questions
    assert first.reference == "把一层的矩阵切开，\n分到多张卡上。" and first.line == 2
    assert second.key == "B" and second.line == 4 and second.difficulty == 4
    assert [use.line for use in parsed.lines] == [1, 2, 3, 4]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path, separator):
    text = f"题目{separator}答案\n什么？{separator}这个\n"
    assert read(tmp_path, text, "x.csv").bank.questions[0].reference == "这个"


def test_a_table_is_recognised_without_its_ending(tmp_path):
    assert read(tmp_path, "question,answer\nwhat?,this\n", "x.txt").bank.format == "csv"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("colour,answer\nred,this\n", 1, "no column for the question"),
        ("question,question\nwhat?,this\n", 1, "appears twice"),
        ("question,answer\nwhat?,this,that\n", 2, "3 cells"),
        ('question,answer\nwhat?,"this\nand\n', 2, "cannot be read"),
        ("question,answer\n,this\n", 2, "the question is missing"),
        ("question,difficulty\nwhat?,hard\n", 2, "difficulty must be"),
    ],
)
def test_a_broken_table_is_refused_with_its_line(tmp_path, text, line, what):
    found = problems(tmp_path, text, "x.csv")
    assert found[0][0] == line and what in found[0][1]


def test_an_export_of_anki_is_read(tmp_path):
    parsed = parse_file(BANKS / "anki.txt")
    assert [(q.text, q.reference) for q in parsed.bank.questions][1] == ("什么是梯度裁剪？", "限制梯度的范数。")
    html = "#separator:tab\n#html:true\n什么是 &lt;pad&gt;？\t<b>填充</b><br>用的词元\n"
    question = read(tmp_path, html, "x.txt").bank.questions[0]
    assert (question.text, question.reference) == ("什么是 <pad>？", "填充\n用的词元")
