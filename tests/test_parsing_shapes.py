"""The shapes in which other people write banks: each is recognised and nothing of it is lost."""

from pathlib import Path

import pytest

from ingest.parsing import parse_file
from tests.bank_text import lost
from tutor.errors import BankError

BANKS = Path(__file__).parent / "banks"
SHAPES = {
    "anki.txt": ("csv", 2), "cards.csv": ("csv", 2), "cards.jsonl": ("jsonl", 3), "details.md": ("markdown", 3),
    "headings.md": ("markdown", 3), "numbered_bold.md": ("markdown", 3), "numbered_plain.md": ("markdown", 3),
    "numbered_qa.md": ("numbered-qa", 5), "outline.md": ("outline", 8), "pdf_list.txt": ("pdf-list", 6),
    "qa_marks.md": ("markdown", 3), "skill_matrix.md": ("skill-matrix", 4), "wen_da.md": ("markdown", 2),
}  # fmt: skip


def load(name):
    return parse_file(BANKS / name).bank


def parse(tmp_path, text, name="x.md"):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return parse_file(path).bank


@pytest.mark.parametrize("name", SHAPES)
def test_the_shape_is_recognised_and_no_line_is_lost(name):
    parsed = parse_file(BANKS / name)
    assert (parsed.bank.format, len(parsed.bank.questions)) == SHAPES[name]
    text = (BANKS / name).read_text("utf-8")
    assert [use.line for use in parsed.lines] == [n for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if parsed.bank.format not in ("csv", "jsonl"):
        assert lost(parsed, text) == []


def test_an_entry_below_a_question_is_a_subpoint_and_below_a_topic_an_item():
    batching, _, _, pages, table, size, prefix, _ = load("outline.md").questions
    assert batching.subpoints == ("请求随到随进", "与静态批处理的区别")
    assert (pages.kind, table.kind, size.kind) == ("topic", "topic", "open")
    assert size.trail == ("推理服务提纲", "二、缓存", "分页的键值缓存", "块表") and prefix.trail[-1] == "分页的键值缓存"
    assert batching.trail == ("推理服务提纲", "一、批处理")


def test_plain_lines_of_a_pdf_are_told_apart_by_what_stands_around_them():
    bank = load("pdf_list.txt")
    _, second, third, fourth, _, last = bank.questions
    assert bank.title == "某某面试清单"
    assert second.subpoints == ("误差更小", "需要更多的缩放因子")
    assert third.subpoints == ("少数通道的数值特别大", "它们集中在固定的维度上。")
    assert fourth.trail == ("量化篇(4题)", "进阶") and last.trail == ("剪枝篇(2颢)",)
    assert last.text.endswith("有什么样的启发?")


def test_a_skill_matrix_gives_skill_difficulty_key_and_explanation():
    choice, opened, _, old = load("skill_matrix.md").questions
    assert (choice.kind, choice.key, choice.difficulty, choice.skills) == ("choice", "B", 4, ("compression",))
    assert [(o.label, o.text) for o in choice.options] == [("A", "FP16"), ("B", "BF16"), ("C", "INT8")]
    assert choice.reference == "B. BF16。它的指数位与 FP32 一样多。"
    assert (
        opened.text == "请说明校准集的作用。\n\n1. 怎样选？\n2. 多大？"
        and opened.reference == "校准集用来估计激活的范围。"
    )
    assert old.reference == "温度越高，分布越平。\n\n1.  **高温**：\n    *   更平" and old.difficulty is None


def test_a_followup_knows_its_question():
    first, followup, third, *_ = load("numbered_qa.md").questions
    assert followup.parent == first.id and not third.parent
    assert first.reference == "把输入加到输出上：\n$$\ny = x + f(x)\n$$"


def test_calculations_are_recomputed_and_warn_where_the_bank_is_wrong():
    *_, memory, time = load("numbered_qa.md").questions
    assert (memory.kind, time.kind) == ("calculation", "calculation")
    assert memory.warnings == () and [r.name for r in memory.calculation.results] == ["weights", "kv", "total"]
    assert "不成立" in time.warnings[0] and time.calculation.results[1].value == pytest.approx(9.6, abs=0.1)


def test_headings_keep_code_and_smaller_headings_in_the_answer():
    bank = load("headings.md")
    assert bank.questions[0].reference.startswith("重排是") and "# 这里的井号不是标题" in bank.questions[0].reference
    assert "#### 代价" in bank.questions[0].reference
    assert bank.questions[2].text == "混合检索" and bank.notes[1].trail == ("检索增强面试笔记", "附录")


def test_boxes_give_questions_or_answers():
    first, second, third = load("details.md").questions
    assert first.reference.startswith("避免指数溢出") and second.text == "标签平滑解决什么问题？"
    assert (third.kind, third.key, third.reference) == ("choice", "A", "A\n\nReLU 把负数变成 0。")


ANSWERS = [
    "它按权重相加。\n\n1. 先算分数\n2. 再归一",
    "因为内积会变大。\n\n**要点**\n\n- 方差\n- 饱和",
    "可以。\n\n> 引用\n\n`代码`",
]
QUESTIONS = ["什么是注意力？", "为什么要缩放？", "可以并行吗？"]
WAYS = {
    "h2": "## {q}\n\n{a}", "h3 numbered": "### {n}. {q}\n\n{a}", "h4 bold": "#### **{n}、{q}**\n{a}",
    "bold": "**{n}. {q}**\n\n{a}", "bold outside": "{n}. **{q}**\n\n{a}", "marks": "Q: {q}\nA: {a}",
    "numbered marks": "Q{n}：{q}\nA{n}：{a}", "chinese marks": "问：{q}\n\n答：{a}", "bold marks": "**问题{n}：** {q}\n\n**答案：** {a}",
    "heading and answer": "### 问题{n}：{q}\n\n**答：**\n{a}", "heading and label": "### {q}\n\n#### 参考答案\n\n{a}",
    "box": "<details>\n<summary>{n}. {q}</summary>\n\n{a}\n\n</details>", "boxed answer":
    "### {q}\n\n<details>\n<summary>查看答案</summary>\n\n{a}\n\n</details>", "english": "**Question {n}:** {q}\n\n**Answer:** {a}",
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_however_answers_are_written_they_are_read_whole(tmp_path, way):
    text = "# 标题\n\n" + "\n\n".join(
        WAYS[way].format(n=n, q=q, a=a) for n, (q, a) in enumerate(zip(QUESTIONS, ANSWERS, strict=True), 1)
    )
    found = parse(tmp_path, text + "\n").questions
    assert [q.text for q in found] == QUESTIONS
    assert [q.reference for q in found] == ANSWERS


def test_a_mark_inside_of_an_answer_under_a_heading_does_not_start_a_question(tmp_path):
    text = "# T\n\n## 什么是少样本？\n\n先给例子：\n\nQ: 一加一？\nA: 二\n\n## 什么是思维链？\n\n先写步骤。\n"
    first, second = parse(tmp_path, text).questions
    assert "一加一" in first.reference and second.reference == "先写步骤。"


def test_headings_over_marks_are_sections(tmp_path):
    text = "# T\n\n## 为什么要学注意力？\n\nQ: 什么是键？\nA: 索引。\n\nQ: 什么是值？\nA: 内容。\n"
    assert [q.trail for q in parse(tmp_path, text).questions] == [("T", "为什么要学注意力？")] * 2


@pytest.mark.parametrize("answer", ["B", "答案：B", "**正确答案：B**", "正确答案: B. 乙。因为……", "选 B，因为甲不对"])
def test_keys_are_read(tmp_path, answer):
    text = f"# T\n\n### 1. 哪一个？\n\n- A. 甲一\n- B. 乙\n- C. 丙\n\n**答案**\n\n{answer}\n"
    (question,) = parse(tmp_path, text).questions
    assert (question.kind, question.key, len(question.options)) == ("choice", "B", 3)


def test_options_on_one_line_and_several_keys(tmp_path):
    text = "# T\n\n### 哪些？\n\nA. 甲 B. 乙 C. 丙\n\n答案：A、C\n\n### 谁？\n\n(A) 甲\n(B) 乙\n\n答案：AB\n"
    first, second = parse(tmp_path, text).questions
    assert [o.text for o in first.options] == ["甲", "乙", "丙"] and first.key == "AC" and second.key == "AB"


def test_letters_in_prose_are_no_options(tmp_path):
    text = "# T\n\n### A. 什么是甲？\n\nA. 只有这一项。\n\n后面是文字。\n"
    assert parse(tmp_path, text).questions[0].kind == "open"


def test_bullets_under_headings_that_ask_are_answers(tmp_path):
    text = "# T\n\n" + "\n".join(f"## 什么是{c}？\n\n- 第一点\n- 第二点\n- 第三点\n" for c in "甲乙丙丁")
    bank = parse(tmp_path, text)
    assert bank.format == "markdown" and bank.questions[3].reference == "- 第一点\n- 第二点\n- 第三点"


def test_a_list_of_contents_is_no_question(tmp_path):
    text = "# T\n\n- [1. 什么是甲？](#1-什么是甲)\n- [链接](https://example.org)\n\n## 1. 什么是甲？\n\n它是一。\n"
    assert [q.line for q in parse(tmp_path, text).questions] == [6]


def test_a_named_format_is_used(tmp_path):
    text = "# T\n\n## 什么是甲？\n\n- 一\n- 二\n"
    path = tmp_path / "x.md"
    path.write_text(text, "utf-8")
    assert parse_file(path, format="outline").bank.format == "outline"
    with pytest.raises(BankError, match="front matter"):
        parse_file(path, format="corpus")


def test_a_foreign_front_matter_is_metadata_and_gives_the_title(tmp_path):
    path = tmp_path / "x.md"
    path.write_text("---\ntitle: 面经\ntags:\n  - llm\n---\n\n- 什么是甲？\n- 什么是乙？\n", "utf-8")
    parsed = parse_file(path)
    assert parsed.bank.title == "面经" and [q.line for q in parsed.bank.questions] == [7, 8]
    assert [use.use for use in parsed.lines[:5]] == ["metadata"] * 5 and not parsed.bank.notes


def test_ratings_count_for_the_headings_below_them(tmp_path):
    text = "# T\n\n### 量化\n\n**难度:** 2/5\n\n#### **问题**\n\n**问题 1:**\n\n> 为什么？\n\n<details>\n因为。\n</details>\n"
    (question,) = parse(tmp_path, text).questions
    assert (question.difficulty, question.skills) == (4, ("compression",))


def test_skills_of_cards_land_under_their_keys(tmp_path):
    question = parse(tmp_path, '{"q": "什么？", "tags": ["LoRA", "PEFT", "别的"]}', "x.jsonl").questions[0]
    assert question.skills == ("peft", "别的")
