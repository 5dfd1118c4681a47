"""What the point judge sees without a model: bounds, and the signals that keep salad and negation apart from a claim."""

import math

from hypothesis import given
from hypothesis import strategies as st

from tutor.judge.signals import NAMES, denied, signals, stated

POINT = "点积的方差随维度线性增长到 64"
TEXT = st.text(alphabet="点积方差维度不增长减小。，, abc12", max_size=80)


def signal(reply, name, point=POINT):
    return signals("为什么缩放？", reply, point)[NAMES.index(name)]


@given(TEXT, TEXT, TEXT)
def test_any_text_gives_as_many_finite_numbers_as_there_are_names(question, reply, point):
    found = signals(question, reply, point)
    assert len(found) == len(NAMES) and all(math.isfinite(value) for value in found)
    assert found == signals(question, reply, point)


def test_salad_keeps_the_words_but_not_their_order():
    assert signal("增长 线性 维度 方差 点积", "words") > 0.7
    assert signal("增长 线性 维度 方差 点积", "order") < 0.5 < signal(POINT, "order")


def test_negation_and_opposites_are_seen():
    assert signal("点积的方差不随维度线性增长", "negated") == 1.0
    assert signal(POINT, "negated") == 0.0
    assert signal("点积的方差随维度线性下降", "opposed") == 1.0
    assert signal(POINT, "opposed") == 0.0


def test_a_wrong_number_is_told_from_a_right_one_and_from_none():
    assert (signal("增长到 64", "other_number"), signal("增长到 64", "same_number")) == (0.0, 1.0)
    assert (signal("增长到 32", "other_number"), signal("增长到 32", "same_number")) == (1.0, 0.0)
    assert (signal("会增长", "other_number"), signal("会增长", "same_number")) == (0.0, 0.0)


def test_a_negation_elsewhere_in_the_reply_is_not_held_against_the_point():
    assert signal("别的头不需要它，点积的方差随维度线性增长到 64，最后不做归一化", "negated") == 0.0


def test_what_is_repeated_is_told_from_what_is_repeated_to_be_denied():
    said = f"先说结论。{POINT}。"
    assert stated(said, POINT) == 1.0 and not denied(said, POINT)
    for reply in (f"{POINT}，这个说法是错误的。", f"事实上并非{POINT}。", f"It is wrong to say that {POINT}."):
        assert stated(reply, POINT) == 0.0 and denied(reply, POINT)
    assert not denied(f"{POINT}。有人说它不变，这是错的。", POINT)
