"""Measures stay in [0, 1], a perfect ranking is worth 1, and a miss never helps; the cases themselves are sound."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.cases import half, load_dialogues, load_outside, load_searches
from eval.metrics import auroc, below, first_hit, floor_at, ranking
from eval.relevance_fit import Example, fit_assurance, fit_strength
from tutor.retrieval import Candidates, Signals

PLACES = st.lists(st.one_of(st.none(), st.integers(1, 10)), min_size=1, max_size=12)
SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=20)
MEASURES = ("recall@1", "recall@5", "mrr", "ndcg@10")


@given(PLACES)
def test_measures_lie_between_0_and_1(places):
    row = ranking(places)
    assert row["n"] == len(places) and all(0 <= row[name] <= 1 for name in MEASURES)
    assert row["recall@1"] <= row["mrr"] + 1e-3 and row["recall@1"] <= row["recall@5"]


@given(st.integers(1, 8))
def test_a_perfect_ranking_is_worth_1(cases):
    assert all(ranking([1] * cases)[name] == 1 for name in MEASURES)


@given(PLACES)
def test_a_miss_never_helps(places):
    worse = ranking([*places, None])
    assert all(worse[name] <= ranking(places)[name] for name in MEASURES)


def test_a_later_hit_is_worth_less():
    values = [ranking([place]) for place in (1, 2, 6)]
    assert [row["mrr"] for row in values] == [1, 0.5, pytest.approx(1 / 6, abs=1e-4)]
    assert [row["recall@5"] for row in values] == [1, 1, 0]
    assert values[0]["ndcg@10"] > values[1]["ndcg@10"] > values[2]["ndcg@10"] > 0


def test_the_first_hit_counts():
    assert first_hit(["a", "b", "c"], {"b", "c"}) == 2
    assert first_hit(["a"], {"b"}) is None


@given(SCORES, SCORES)
def test_auroc_is_symmetric(inside, outside):
    assert auroc(inside, outside) + auroc(outside, inside) == pytest.approx(1)


def test_auroc_of_separate_scores_is_1():
    assert auroc([0.8, 0.9], [0.1, 0.7]) == 1
    assert auroc([0.5], [0.5]) == 0.5
    assert math.isnan(auroc([], [0.5]))


@given(SCORES, st.floats(0, 0.99))
def test_a_floor_refuses_no_more_than_allowed(inside, allowed):
    assert below(inside, floor_at(inside, allowed)) <= allowed


def test_fitted_weights_are_never_negative_and_put_what_answers_first():
    good, bad = Signals(0.8, 0.7, 0.9, 0.2, 0.5), Signals(0.3, 0.4, 0.1, 0.9, 0.1)
    inside = Example(Candidates({"good": good, "bad": bad}), frozenset({"good"}), inside=True)
    outside = Example(Candidates({"bad": bad}, foreign=True, outside=0.6), frozenset(), inside=False)
    strength = fit_strength([inside, outside])
    assurance, bias = fit_assurance([inside, outside])
    assert min(strength.values()) >= 0 and strength["question"] > 0
    assert min(assurance.values()) >= 0
    assert assurance["question"] * 0.8 + assurance["lead"] * 0.7 + bias > assurance["question"] * 0.3 + assurance["lead"] * 0.4 + bias


def test_cases_are_distinct_and_split_in_half():
    searches, outside, dialogues = load_searches(), load_outside(), load_dialogues()
    queries = [case.q for case in searches] + [case.q for case in outside]
    assert len(set(queries)) == len(queries) and all(case.gold for case in [*searches, *dialogues])
    assert 0.4 < sum(half(query) == "tuning" for query in queries) / len(queries) < 0.6
    assert sum(case.how not in ("exact", "alias") for case in searches) >= 200
    assert sum(case.near for case in outside) >= 50 and len(outside) >= 100 and len(dialogues) >= 60
