"""Splitting references into points: by their own structure, nothing invented, bounded, distinct."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tutor.points import MOST, split_reference

PROSE = st.text(alphabet="数据并行模型。！\n- 1.*ab，：；`", max_size=300)


@given(PROSE)
def test_points_are_bounded_distinct_and_said_by_the_reference(reference):
    points = split_reference(reference)
    assert len(points) <= MOST
    squeezed = re.sub(r"\W", "", reference)
    for point in points:
        assert all(char in squeezed for char in re.sub(r"\W", "", point.text))
    assert bool(points) == bool(re.search(r"\S", reference)) or not re.search(r"\w", reference)


def test_list_items_are_the_points():
    points = split_reference("主要区别：\n- LLaMA 使用 RMSNorm\n- LLaMA 使用 RoPE\n- GPT 闭源")
    assert [point.text for point in points] == ["LLaMA 使用 RMSNorm", "LLaMA 使用 RoPE", "GPT 闭源"]


def test_nested_lines_stay_with_their_item():
    points = split_reference("1. **去重**：\n   - 精确去重\n   - 模糊去重\n2. **过滤**：\n   - 规则过滤")
    assert len(points) == 2
    assert "精确去重" in points[0].text and "模糊去重" in points[0].text


def test_prose_is_cut_at_sentences():
    points = split_reference("点积的方差随维度增长。softmax 会饱和，梯度变小。所以要除以根号。")
    assert len(points) == 3


def test_english_prose_is_cut_at_sentences():
    assert len(split_reference("The queue is first in, first out. The stack is last in, first out.")) == 2


def test_code_is_not_a_point():
    assert all("import" not in p.text for p in split_reference("先看形状。\n```python\nimport torch\n```\n再看类型。"))
