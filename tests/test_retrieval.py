"""Retrieval: at most k, non-increasing, one passage a question, filters respected, a floor, clear refusals."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from eval.judge_data import read_corpus
from tutor.aliases import expand
from tutor.errors import TutorError
from tutor.lexical import LexicalIndex, plain, tokenize
from tutor.outside import outsideness, read_landmarks, uncovered
from tutor.retrieval import MAX_QUERY, Candidates, Filters, Signals, assurance, relevance, retrieve, strength


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.text(alphabet="注意力显存LoRA为什么 ?√d_k123", min_size=1, max_size=40).filter(str.strip), st.integers(1, 6))
def test_passages_are_ranked_and_distinct(library, embeddings, query, k):
    found = retrieve(library.snapshot(), embeddings, query, k)
    scores = [passage.score for passage in found.nearest]
    assert len(scores) <= k and scores == sorted(scores, reverse=True)
    assert len({passage.question_id for passage in found.nearest}) == len(scores)
    assert [passage.n for passage in found.passages] == list(range(1, len(found.passages) + 1))
    assert found.refused == (not found.passages)


def test_the_question_itself_comes_first(library, embeddings):
    found = retrieve(library.snapshot(), embeddings, "为什么缩放点积注意力要除以 √d_k？")
    assert found.passages[0].question_id == "tiny-scale"
    assert found.passages[0].has_reference and "方差" in found.passages[0].text


def test_an_alias_finds_the_question(library, embeddings):
    assert retrieve(library.snapshot(), embeddings, "根号dk 有什么用").nearest[0].question_id == "tiny-scale"


def test_what_the_bank_does_not_know_is_refused(library, embeddings):
    found = retrieve(library.snapshot(), embeddings, "今天北京天气怎么样")
    assert found.refused and not found.passages


def test_filters_restrict(library, embeddings):
    found = retrieve(library.snapshot(), embeddings, "LoRA 为什么省显存？", filters=Filters(skills=("attention",)))
    assert all(passage.question_id in ("tiny-scale", "tiny-heads") for passage in found.nearest)
    found = retrieve(library.snapshot(), embeddings, "KV cache", filters=Filters(kinds=("choice",)))
    assert [passage.question_id for passage in found.nearest] == ["tiny-kv"]


@pytest.mark.parametrize("query", ["", "   ", "问" * (MAX_QUERY + 1)])
def test_an_unusable_query_is_refused_with_a_sentence(library, embeddings, query):
    with pytest.raises(TutorError, match="empty|limit"):
        retrieve(library.snapshot(), embeddings, query)


UNIT = st.floats(0, 0.99)
SIGNALS = st.builds(Signals, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT)


@given(SIGNALS, st.sampled_from([field.name for field in fields(Signals)]))
def test_more_evidence_never_lowers_relevance(signals, name):
    more = replace(signals, **{name: getattr(signals, name) + 0.005})
    assert strength(more) >= strength(signals)
    assert assurance(Candidates({"a": more})) >= assurance(Candidates({"a": signals}))


@given(st.dictionaries(st.text(max_size=3), SIGNALS, min_size=1, max_size=5), st.booleans(), UNIT)
def test_the_strongest_item_is_as_relevant_as_we_are_sure_that_any_is(found, foreign, outside):
    candidates = Candidates(found, foreign, outside)
    scores = relevance(candidates)
    best = max(found, key=lambda item_id: strength(found[item_id]))
    assert scores[best] == pytest.approx(assurance(candidates))
    assert all(0.0 <= score <= scores[best] for score in scores.values())


def test_what_is_asked_word_for_word_is_certain():
    scores = relevance(Candidates({"asked": Signals(0.1, 0.1, likeness=1.0), "near": Signals(0.9, 0.9)}))
    assert scores["asked"] == 1.0 > scores["near"]


@given(SIGNALS, UNIT, UNIT)
def test_what_lies_nearer_to_another_field_is_less_sure_to_be_answered(signals, one, other):
    near, far = max(one, other), min(one, other)
    assert assurance(Candidates({"a": signals}, outside=near)) <= assurance(Candidates({"a": signals}, outside=far))


def test_landmarks_that_a_bank_covers_do_not_count():
    landmarks, questions = np.eye(3, dtype=np.float32), np.array([[0.8, 0.6, 0.0]], dtype=np.float32)
    kept = uncovered(landmarks, questions)
    assert kept.tolist() == [[0, 1, 0], [0, 0, 1]]
    assert outsideness([0.0, 1.0, 0.0], kept) == pytest.approx(0.5)
    assert outsideness([1.0, 0.0, 0.0], landmarks[:0]) == 0.0
    assert uncovered(landmarks, questions[:0]).shape == (3, 3)


def test_landmarks_are_distinct_and_no_question_of_ours():
    lines = read_landmarks()
    ours = {text for question in read_corpus().values() for text in (question.text, *question.aliases)}
    assert len(lines) > 500 and len({plain(line) for line in lines}) == len(lines)
    assert not {plain(line) for line in lines} & {plain(text) for text in ours}


def test_chinese_is_cut_into_words():
    assert {"梯度", "消失"} <= set(tokenize("什么是梯度消失"))
    assert {"zero-3", "zero", "3"} <= set(tokenize("ZeRO-3 怎么切分"))


def test_words_find_the_text_that_has_them():
    index = LexicalIndex(["梯度消失的原因", "梯度爆炸的原因", "学习率预热"])
    assert index.search("梯度消失", 1)[0][0] == 0
    assert index.coverage(index.terms("梯度消失"), [0]) == 1.0
    assert index.coverage(index.terms("天气"), [0]) == 0.0


def test_fragments_match_where_words_are_cut_elsewhere():
    index = LexicalIndex(["注意力头的分工", "学习率预热"])
    assert index.fragment_coverage("注意力", [0]) == 1.0 and index.fragment_coverage("注意力", [1]) == 0.0
    assert index.fragment_coverage("天气", [0]) == 0.0


def test_an_empty_index_finds_nothing():
    assert LexicalIndex([]).search("什么", 3) == []


def test_aliases_add_the_other_names():
    assert "键值缓存" in expand("KV cache 怎么省显存")
    assert expand("support vector") == "support vector"


def test_a_thing_counts_by_any_of_its_names():
    index = LexicalIndex(["键值缓存 怎么 量化", "学习率 预热", "梯度 累积"])
    terms = index.terms("KV cache")
    assert index.coverage(terms, [0]) == 1.0 and index.coverage(terms, [1]) == 0.0


def test_a_slip_of_the_pen_is_put_right_and_a_known_word_is_not_touched():
    index = LexicalIndex(["flashattention 省显存", "flashattention 更快", "zero 切分", "zero 卸载"])
    assert index.correct("FlashAtention 凭啥快") == "flashattention 凭啥快"
    assert index.correct("Zreo 切什么") == "zero 切什么"
    assert index.correct("zest") == "zest"
    assert index.correct("ZeRO 和 kafka") == "ZeRO 和 kafka"


def test_a_question_of_the_bank_word_for_word_is_certain(library, embeddings):
    found = retrieve(library.snapshot(), embeddings, "为什么缩放点积注意力要除以√d_k")
    assert found.nearest[0].question_id == "tiny-scale" and found.nearest[0].score == 1.0


def test_no_reference_is_shown_twice(library, embeddings):
    snapshot = library.snapshot()
    for query in ("注意力", "LoRA 显存", "KV cache"):
        nearest = retrieve(snapshot, embeddings, query, 10).nearest
        origins = [passage.linked_from or passage.question_id for passage in nearest]
        assert len(set(origins)) == len(origins)
