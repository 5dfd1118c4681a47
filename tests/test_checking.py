"""Oddities are reported with their line and never stop a bank; the report has the form that programs rely on."""

from pathlib import Path

import pytest

from ingest.__main__ import main
from ingest.checking import report
from ingest.parsing import parse_file

BANKS = Path(__file__).parent / "banks"


def odd(tmp_path, text, name="x.md"):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return [(problem.line, problem.what) for problem in parse_file(path).problems]


def test_the_report_has_the_promised_form():
    found = report(parse_file(BANKS / "skill_matrix.md"))
    assert list(found) == ["path", "format", "confidence", "kinds", "lines", "problems", "questions", "with_reference"]
    assert found["kinds"] == {"open": 2, "choice": 2, "calculation": 0, "topic": 0}
    assert sum(found["lines"].values()) == sum(bool(line.strip()) for line in
                                               (BANKS / "skill_matrix.md").read_text("utf-8").split("\n"))  # fmt: skip
    assert found["questions"] == found["with_reference"] == 4
    assert all(set(problem) == {"line", "what"} for problem in found["problems"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- 什么是甲？\n- 什么是乙？\n- 什么是 甲?\n", (3, "the same question as at line 1")),
        ("# T\n\n## [一、节]()\n\n- 什么？\n", (3, "a link without a target")),
        ("# T\n\n[去](#没有)\n\n- 什么？\n", (3, "the link #没有 leads nowhere in this file")),
        ("# T\n\n## 什么是甲？\n\n它是 $x^{2$ 的和。\n", (3, "a formula whose $ or braces do not balance")),
        ("# T\n\n## 什么是甲？\n\n它是 $x_2 的和。\n", (3, "a formula whose $ or braces do not balance")),
        ("# T\n\n- 什么是\u200b甲？\n", (3, "invisible characters (U+200B)")),
        ("# T\n\n## 什么是甲？\n\n```\n没有结束\n", (5, "this code fence is never closed; read as plain text")),
        ("# T\n\n### 哪个？\n\nA. 甲\nB. 乙\n\n答案：\n", (3, "a choice question without a key")),
        ("# T\n\n### 哪个？\n\nA. 甲\nB. 乙\n\n答案：C\n", (3, "the key C is not among the options")),
        ("# T\n\n### 哪个？\n\nA. 苹果树\nB. 香蕉树\n\n答案：A. 香蕉树\n",
         (3, "the answer gives the letter A but the words of option B")),
    ],
)  # fmt: skip
def test_an_oddity_is_reported_with_its_line(tmp_path, text, expected):
    assert expected in odd(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "# T\n\n## 什么是甲？\n\n花 $5 或 $10，公式 $x^{2}$ 和 $$\\frac{a}{b}$$，`$x^{` 是代码。\n",
        "# T\n\n[去](#二-节)\n\n## 二 节\n\n- 什么？\n",
        "# T\n\n## 甲\n\n- 定义与方法\n\n## 乙\n\n- 定义与方法\n",
        "# T\n\n- 👩‍💻 是什么？\n",
    ],
)
def test_what_is_in_order_is_not_reported(tmp_path, text):
    assert odd(tmp_path, text) == []


def test_numbers_and_announced_counts_are_compared(tmp_path):
    text = "量化篇(3题)\n\n基础\n\n1. 什么是甲?\n2. 什么是乙?\n2. 什么是丙?\n5. 什么是丁?\n"
    assert odd(tmp_path, text, "x.txt") == [
        (1, "'量化篇(3题)' announces 3 items, found 4"),
        (7, "number 2 is repeated or out of order"),
        (8, "number 3-4 is missing before 5"),
    ]


def test_a_chosen_option_that_is_missing_warns_the_learner():
    choice = parse_file(BANKS / "skill_matrix.md").bank.questions[2]
    assert choice.warnings == ("题库给出的答案 D 不在选项之中。",)


def test_the_command_prints_what_it_found(capsys):
    assert main(["check", str(BANKS / "outline.md")]) == 0
    assert "outline" in capsys.readouterr().out
    assert main(["check", str(BANKS / "broken_corpus.md"), str(BANKS / "outline.md")]) == 1
    assert "broken_corpus.md:15: difficulty" in capsys.readouterr().out
