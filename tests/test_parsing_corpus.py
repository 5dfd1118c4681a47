"""Our own format: what the guide shows is read as it means, and every fault is reported with its line."""

import re
from pathlib import Path

import pytest

from ingest.parsing import parse_file
from tutor.errors import BankError

ROOT = Path(__file__).resolve().parents[1]
BANKS = Path(__file__).parent / "banks"
SHIPPED = sorted(path for path in (ROOT / "corpus").glob("*.md") if path.name not in ("README.md", "REVIEW.md"))

QUESTION = """### 为什么？

- id: x-a
- difficulty: 3
- sources: 书

**参考答案**

{reference}

**得分点**

- [3] 一点
"""
HEAD = "---\nbank: x\ntitle: 题\nskills: [attention]\n---\n\n# 题\n\n## 节\n\n"


def read(tmp_path, text):
    path = tmp_path / "x.md"
    path.write_text(text, "utf-8")
    return parse_file(path)


def problems(tmp_path, text):
    with pytest.raises(BankError) as caught:
        read(tmp_path, text)
    return [(problem.line, problem.what) for problem in caught.value.problems]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_bank_is_valid(path):
    parsed = parse_file(path)
    assert parsed.bank.format == "corpus" and parsed.confidence == 1.0
    assert parsed.bank.questions and not [use for use in parsed.lines if use.use == "ignored"]


def test_the_ids_of_the_shipped_banks_are_unique_and_followups_exist():
    found = [q for path in SHIPPED for q in parse_file(path).bank.questions]
    ids = {q.id for q in found}
    assert len(ids) == len(found)
    assert [(q.id, other) for q in found for other in q.followups if other not in ids] == []


def test_the_examples_of_the_guide_are_read(tmp_path):
    guide = (ROOT / "corpus" / "README.md").read_text("utf-8")
    whole, calculation = (match[1] for match in re.finditer(r"```markdown\n(.*?)```", guide, re.DOTALL))
    calculation = calculation.replace("memory-kv", "attention-kv")
    bank = read(tmp_path, f"{whole}\n{calculation}").bank
    scale, kv = bank.questions
    assert (bank.name, bank.title) == ("attention", "注意力机制")
    assert scale.id == "attention-scale" and scale.trail == ("注意力机制", "缩放点积") and scale.difficulty == 3
    assert scale.aliases[0] == "根号dk" and scale.followups[1] == "attention-softmax-saturation"
    assert [point.weight for point in scale.points] == [3, 3, 2] and scale.misconceptions[1].point == 2
    assert scale.skills == ("attention", "transformer") and kv.skills == ("attention",)
    assert kv.calculation.given[5].unit == "B" and kv.calculation.given[5].note == "FP16 每个数的字节数"
    assert kv.calculation.results[0].value == 4 and kv.calculation.results[0].tolerance == pytest.approx(0.03)


def test_every_fault_is_reported_with_its_line():
    with pytest.raises(BankError) as caught:
        parse_file(BANKS / "broken_corpus.md")
    assert [(problem.line, problem.what.split(";")[0]) for problem in caught.value.problems] == [
        (1, "unknown skill 'cooking' in the front matter"),
        (4, "unknown key 'colour' in the front matter"),
        (15, "difficulty must be a whole number 1-10, not '11'"),
        (16, "unknown skill 'painting'"),
        (19, "text outside of any part"),
        (27, "the weight must be between 1 and 5, not 7"),
        (28, "expected `- [weight] sentence`"),
        (33, "the number of a key point must be between 1 and 3, not 4"),
        (35, "unknown part '备注'"),
        (39, "the key sources is missing"),
        (39, "id broken-a is already used at line 12"),
        (44, "the answer D is not among the options"),
        (46, "the options must be lettered A, B in order"),
        (51, "option C is not explained"),
        (57, "id 'other-c' must start with the bank's name, broken-"),
        (61, "sources is given twice"),
        (69, "'三' is not a number"),
        (70, "unknown unit 'furlong'"),
        (71, "'min' cannot be a name"),
        (75, "'y' is not defined for expression 'y * q'"),
        (80, "w = 7 does not follow: the expressions yield 5"),
        (81, "the result v is not one of the names in 算式"),
    ]


def test_code_and_small_headings_stay_in_the_reference(tmp_path):
    reference = "先说结论。\n\n#### 细节\n\n```python\n### 不是标题\n**不是部分**\n```\n\n$$\nx^2\n$$"
    parsed = read(tmp_path, HEAD + QUESTION.format(reference=reference))
    assert parsed.bank.questions[0].reference == reference


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("---\nbank: x", "bank: x"), "the file must start with a front matter"),
        (("bank: x\n", "bank: X y\n"), "must be lower-case letters"),
        (("# 题\n", ""), "the # heading with the title of the bank is missing"),
        (("- id: x-a\n", ""), "the key id is missing"),
        (("- id: x-a", "- id: x_a"), "must be lower-case letters, digits and hyphens"),
        (("- difficulty: 3", "- difficulty:"), "difficulty has no value"),
        (("**得分点**\n\n- [3] 一点\n", ""), "the part 得分点 is missing"),
        (("- [3] 一点", ""), "the part 得分点 is empty"),
        (("- [3] 一点", "一点"), "this line is not an item of it"),
        (("- sources", "- answer: A\n- sources"), "only a choice question has the key answer"),
        (("- sources", "- kind: essay\n- sources"), "kind must be one of open, choice, calculation"),
        (("- sources", "- followups: X!\n- sources"), "'X!' is not an id"),
        (("**得分点**", "**参考答案**\n\n又\n\n**得分点**"), "appears twice"),
        (("### 为什么？", "###"), "this heading has no text"),
        (("## 节", "# 又一个"), "a bank has one # heading"),
        (("好。", "```python\n没有结束"), "this code fence is never closed"),
        (("**得分点**", "**选项**\n\n- A. 甲\n\n**得分点**"), "a question of kind open has no part 选项"),
    ],
)
def test_a_fault_is_named(tmp_path, change, what):
    text = HEAD + QUESTION.format(reference="好。")
    assert change[0] in text
    found = problems(tmp_path, text.replace(*change, 1))
    assert any(what in each for _, each in found), found
    assert all(line > 0 for line, _ in found)


def test_results_are_recomputed_with_their_units(tmp_path):
    text = HEAD + QUESTION.format(reference="算。").replace(
        "- difficulty", "- kind: calculation\n- difficulty"
    ).replace(
        "**得分点**\n\n- [3] 一点\n",
        "**已知**\n\n- n = 7e9\n- w = 2 B\n- bw = 2 TB/s\n\n**算式**\n\n- size = n * w\n- t = size / bw\n\n"
        "**结果**\n\n- size = 13.04 GiB (± 1%)\n- t = 7 ms\n",
    )
    assert read(tmp_path, text).bank.questions[0].kind == "calculation"
    assert "does not follow" in problems(tmp_path, text.replace("13.04 GiB", "14 GiB"))[0][1]


def test_what_the_guide_for_writers_dislikes_is_noted(tmp_path):
    parsed = read(tmp_path, HEAD + QUESTION.format(reference="好。"))
    assert [problem.what.split(";")[0] for problem in parsed.problems] == [
        "1 key points",
        "the reference has 2 characters",
    ]


def test_a_chosen_name_replaces_that_of_the_file(tmp_path):
    path = tmp_path / "x.md"
    path.write_text(HEAD + QUESTION.format(reference="好。"), "utf-8")
    bank = parse_file(path, name="mine").bank
    assert (bank.name, bank.questions[0].bank, bank.questions[0].id) == ("mine", "mine", "x-a")
