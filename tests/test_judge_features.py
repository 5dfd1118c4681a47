"""The judge of few signals: probabilities, determinism, and the signals that keep salad and negation apart from a claim."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import WordEmbeddings
from tutor.judge.features import CLASSES, NAMES, FeatureJudge, features, load_weights, windows

POINT = "点积的方差随维度线性增长"
TEXT = st.text(alphabet="点积方差维度不增长减小。，, abc12", min_size=1, max_size=60)


def signal(reply, name, point=POINT):
    return features(WordEmbeddings(), "为什么缩放？", reply, [point])[0][NAMES.index(name)]


@given(TEXT)
def test_any_reply_gets_probabilities_that_sum_to_one(reply):
    (found,) = FeatureJudge(WordEmbeddings()).verdicts("为什么缩放？", reply, [POINT])
    values = [getattr(found, name) for name in CLASSES]
    assert all(0 <= value <= 1 for value in values) and abs(sum(values) - 1) < 1e-9


def test_the_same_reply_gets_the_same_numbers():
    judge = FeatureJudge(WordEmbeddings())
    assert judge.verdicts("q", "方差会变大", [POINT]) == judge.verdicts("q", "方差会变大", [POINT])
    assert judge.verdicts("q", "方差会变大", []) == []


def test_the_weights_belong_to_the_signals():
    assert load_weights().shape == (len(CLASSES), len(NAMES))
    assert np.isfinite(load_weights()).all()


def test_salad_keeps_the_words_but_not_their_order():
    assert signal("增长 线性 维度 方差 点积", "words") > 0.8
    assert signal("增长 线性 维度 方差 点积", "order") < 0.5 < signal(POINT, "order")


def test_negation_and_opposites_are_seen():
    assert signal("点积的方差不随维度线性增长", "negation") > 0 == signal(POINT, "negation")
    assert signal("点积的方差随维度线性下降", "opposite") > 0 == signal(POINT, "opposite")


def test_a_buried_claim_stands_alone_in_one_window():
    assert "点积的方差随维度增长，" in windows("先说背景，点积的方差随维度增长，最后总结。")
