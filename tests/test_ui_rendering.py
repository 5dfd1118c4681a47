"""What the learner sees follows from the records."""

import re
from dataclasses import replace

import pytest

from tests.ui_records import ANSWER, GRADE, PASSAGE
from tutor.records import CitedAnswer
from tutor.ui import words as table
from tutor.ui.grades import attempt_list, grade_markdown, not_graded, point_choices
from tutor.ui.items import bank_item, question_card, question_tree
from tutor.ui.rendering import Shown, answer_markdown, evidence, messages, turn_at
from tutor.ui.words import Words

ZH, EN = Words("zh"), Words("en")


@pytest.mark.parametrize("key", table.keys())
def test_both_languages_say_it_with_the_same_values(key):
    zh, en = Words("zh")(key), Words("en")(key)
    assert zh.strip() and en.strip()
    assert set(re.findall(r"{(\w+)", zh)) == set(re.findall(r"{(\w+)", en))


def test_an_answer_shows_text_citations_and_grounds():
    shown = answer_markdown(Shown(1, "为什么？", ANSWER), ZH)
    assert "passage-1" in shown and "题库参考答案" in shown and "1/1 句引用有原文支持" in shown


def test_the_resolved_query_is_shown_only_when_it_differs():
    assert "检索" not in answer_markdown(Shown(1, ANSWER.query, replace(ANSWER, timings={})), ZH)
    assert "Searched as" in answer_markdown(Shown(1, "它呢？", ANSWER), EN)


def test_an_unfinished_answer_says_that_it_was_stopped():
    partial = replace(ANSWER, done=False, citations=())
    assert "已停止" in answer_markdown(Shown(0, "q", partial), ZH)
    assert "已停止" not in answer_markdown(Shown(0, "q", partial), ZH, busy=True)


def test_an_error_is_shown_as_it_is_and_cannot_inject():
    shown = answer_markdown(Shown(0, "q", CitedAnswer(""), error="no <b onclick=x>index</b>"), ZH)
    assert "<b" not in shown


def test_the_bank_reference_is_shown_before_any_word_of_the_answer():
    panel = evidence(replace(ANSWER, text="", done=False, citations=(), badge="none"), ZH)
    assert "除以根号" in panel and '<details class="passage" id="passage-1" open>' in panel


def test_cards_carry_number_place_relevance_and_whether_they_answer():
    panel = evidence(ANSWER, ZH)
    assert '<span class="card-number">1</span>' in panel
    assert "tiny.md:12" in panel and "相关度 91%" in panel and "参考答案" in panel
    linked = evidence(replace(ANSWER, passages=(replace(PASSAGE, linked_from="other"),)), ZH)
    assert "关联答案" in linked


def test_cited_cards_come_first():
    second = replace(PASSAGE, n=2, title="另一题")
    panel = evidence(replace(ANSWER, passages=(replace(PASSAGE, title="没用上"), second),
                             citations=(replace(ANSWER.citations[0], n=2),)), ZH)  # fmt: skip
    assert panel.index("另一题") < panel.index("没用上")


def test_a_refusal_offers_the_nearest_questions_as_buttons():
    refused = CitedAnswer("题库里没有。", refused=True, done=True, suggestions=(PASSAGE,))
    *_, reply = messages([Shown(1, "天气？", refused)], ZH)
    assert reply["options"] == [{"value": PASSAGE.title, "label": PASSAGE.title}]
    assert "题库未收录" in evidence(refused, ZH)


def test_every_message_belongs_to_its_turn():
    turns = [Shown(1, "a", ANSWER, extra=("x",)), Shown(2, "b", ANSWER)]
    shown = messages(turns, ZH)
    assert [turn_at(turns, i).id for i in range(len(shown))] == [1, 1, 1, 2, 2]
    assert turn_at(turns, len(shown)) is None


def test_the_question_card_gives_nothing_away(library):
    snapshot = library.snapshot()
    for question in snapshot.questions():
        card = question_card(question, ZH, {}, with_options=True)
        assert question.text.split("$")[0][:8] in card
        assert not question.reference or question.reference[:20] not in card
        for point in question.points:
            assert point.text not in card
        for option in question.options:
            assert not option.explanation or option.explanation not in card


def test_a_bank_item_shows_everything_the_bank_has(library):
    snapshot = library.snapshot()
    shown = bank_item(snapshot.question("tiny-scale"), snapshot, ZH, {"attention": "注意力机制"})
    for part in (
        "softmax 进入饱和区",
        "点积的方差随维度线性增长",
        "点积的方差与维度无关",
        "Vaswani",
        "注意力机制",
        "tiny.md",
    ):
        assert part in shown
    choice = bank_item(snapshot.question("tiny-kv"), snapshot, EN, {})
    assert "✓ **B.**" in choice and "key 和 value" in choice


def test_the_tree_holds_every_question_once(library):
    questions = library.snapshot().questions()
    tree = question_tree(questions, ZH)
    assert sorted(re.findall(r'data-id="([^"]+)"', tree)) == sorted(question.id for question in questions)
    assert "注意力" in tree


def test_a_grade_shows_score_verdicts_quotes_and_the_reference(library):
    snapshot = library.snapshot()
    question = snapshot.question("tiny-scale")
    shown = grade_markdown(question, "点积的方差随维度线性增长，<我猜>", GRADE, snapshot, ZH, "")
    assert '<span class="big">37.5</span>' in shown
    assert "✓ 答到" in shown and "○ 未提及" in shown and "93%" in shown
    assert '<mark class="covered">点积的方差随维度线性增长</mark>，&lt;我猜&gt;' in shown
    assert "含有写给评分程序的话" in shown
    assert "softmax 进入饱和区" in shown and "本题自带" in shown


def test_a_grade_that_could_not_be_made_has_no_number():
    shown = not_graded("the weights are missing", ZH)
    assert "未评分" in shown and "the weights are missing" in shown and not re.search(r"\d", shown)


def test_only_points_that_lost_something_can_be_appealed():
    assert [index for _, index in point_choices(GRADE, ZH)] == [1]


def test_attempts_are_listed_newest_first():
    from tutor.records import Attempt

    rows = [Attempt(i, "me", "q", "r", GRADE, "2026-01-01T00:00:00") for i in (1, 2)]
    shown = attempt_list(rows, {"q": "一道题"}, ZH)
    assert shown.index('data-id="2"') < shown.index('data-id="1"')
