"""An answer said again: aloud with every sentence checked, or as the points to remember."""

from tests.fakes import ScriptedModel, judge_by_words
from tutor.answering import Tutor, stream_answer
from tutor.restating import best_reference, say_aloud, to_remember

QUESTION = "为什么缩放点积注意力要除以 √d_k？"


def answered(library, *replies):
    model = ScriptedModel(replies=list(replies)) if replies else None
    subject = Tutor(library, library.embeddings, model, judge_by_words)
    *_, last = stream_answer(subject, QUESTION)
    return subject, last


def test_what_is_said_aloud_is_checked_sentence_by_sentence(library):
    subject, last = answered(library, "方差回到 1。[1]", "点积的方差随维度线性增长。香蕉是黄色的水果。")
    *_, (text, citations) = say_aloud(subject, best_reference(last.passages))
    assert text.startswith("点积") and [one.support for one in citations] == ["supported", "unsupported"]


def test_without_a_model_nothing_is_said(library):
    subject, last = answered(library)
    assert list(say_aloud(subject, best_reference(last.passages))) == []


def test_what_to_remember_are_the_key_points_of_the_question(library):
    _, last = answered(library)
    question = to_remember(library.snapshot(), best_reference(last.passages))
    assert question.id == "tiny-scale" and len(question.points) == 3


def test_what_the_passages_do_not_mention_is_said(library):
    subject = Tutor(library, library.embeddings, ScriptedModel(replies=["方差回到 1。[1]"] * 2), judge_by_words)
    *_, partial = stream_answer(subject, QUESTION + "和 Kafka 有关吗？")
    *_, whole = stream_answer(subject, QUESTION)
    assert partial.text.endswith("片段里没有提到：Kafka。") and "没有提到" not in whole.text
