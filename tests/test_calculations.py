"""Arithmetic of banks: what is evaluated, what is refused, and what is computed again."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.estimates import recompute
from tutor.quantities import UNITS, ExpressionError, agrees, compute, evaluate, to_number
from tutor.records import Calculation, Quantity


@pytest.mark.parametrize(
    ("expression", "value"),
    [("2 ** 30", 2**30), ("ceil(7e9 * 2 / 3) + floor(1.5)", 4666666668), ("-min(x, 2) + max(x, 2)", 3.0),
     ("sqrt(log2(65536)) * log(1)", 0.0), ("(x + 1) / 4", 1.5)],
)  # fmt: skip
def test_arithmetic_is_evaluated(expression, value):
    assert evaluate(expression, {"x": 5.0}) == pytest.approx(value)


@pytest.mark.parametrize(
    "expression",
    ["", "1 +", "y", "1 / 0", "9 ** 9 ** 9", "(0 - 8) ** 0.5", "'a' * 9", "__import__('os')", "x.real", "[1]", "1 if x else",
     "x = 1", "min()", "1" * 500, "-" * 390 + "1" * 20, "True", "1; 2", "1\n2", "abs(x)", "1e400"],
)  # fmt: skip
def test_anything_else_is_refused(expression):
    with pytest.raises(ExpressionError):
        evaluate(expression, {"x": 5.0})


@settings(deadline=None)
@given(st.text("0123456789.+-*/() xeyminlogsqrt,_", max_size=60))
def test_no_expression_does_anything_but_yield_a_finite_number(expression):
    try:
        assert math.isfinite(evaluate(expression, {"x": 3.0, "y": 0.0}))
    except ExpressionError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "value"), [("7e9", 7e9), ("1,000", 1000), ("7_000", 7000), ("-.5", -0.5), ("3.50", 3.5)]
)
def test_numbers_are_read(text, value):
    assert to_number(text) == value


@pytest.mark.parametrize("text", ["", "1,00", "0x10", "三", "1e999", "nan", "1 2", "٣"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ExpressionError):
        to_number(text)


@settings(deadline=None)
@given(st.sampled_from(sorted(UNITS)), st.floats(1e-6, 1e6))
def test_a_result_agrees_with_itself_in_every_unit(unit, value):
    stated = Quantity("x", value, unit, tolerance=0.01)
    assert agrees(value * UNITS[unit], stated) and not agrees(value * UNITS[unit] * 1.02, stated)


def test_steps_see_base_units():
    calculation = Calculation((Quantity("size", 14, "GB"), Quantity("use", 50, "%"), Quantity("bw", 2, "TB/s")),
                              (("time", "size / (bw * use)"),), ())  # fmt: skip
    assert compute(calculation)["time"] == pytest.approx(0.014)


INFERENCE = "一个13B参数的FP16模型，batch_size=2，seq_len=1024，估算推理显存需求？"
TRAINING = "使用256张H100训练7B模型，数据量2T tokens，利用率40%，估算训练时间？"


def test_figures_that_follow_bring_no_warning():
    estimate = recompute(
        INFERENCE,
        "- 模型参数：13B × 2字节 = 26GB\n- KV缓存：2 × 2字节 × 40层 × 5120维度 × 1024 × 2 = 1.68GB\n- 总计：约28GB",
    )
    assert estimate.warnings == ()
    results = {quantity.name: quantity.value for quantity in estimate.calculation.results}
    assert results == {"weights": 26.0, "kv": 1.68, "total": 27.7}


def test_a_forgotten_factor_in_the_cache_is_found():
    reference = "- KV缓存：40层 × 5120维度 × 1024 × 2 × 2 = 0.84GB\n- 激活值：约1GB\n- **总计**：约20GB"
    (_, cache), (_, total) = recompute(INFERENCE, reference).warnings
    assert "应约为 1.68 GB（1.56 GiB）" in cache and "合计应约为 28.7 GB" in total


def test_binary_and_decimal_gigabytes_are_both_accepted():
    assert recompute(INFERENCE, "- 模型参数：约24.2GB").warnings == ()
    assert recompute(INFERENCE, "- 模型参数：约26GB").warnings == ()
    assert "26 GB" in recompute(INFERENCE, "- 模型参数：约52GB").warnings[0][1]


def test_the_time_of_training_is_computed_again():
    assert recompute(TRAINING, "- 训练时间：约10天").warnings == ()
    estimate = recompute(TRAINING, "- 计算量：6 × 7B × 2T = 8.4×10²² FLOPs\n- **训练时间**：约2-3个月")
    ((line, warning),) = estimate.warnings
    assert "训练时间" in line and "约 10 天" in warning
    assert estimate.calculation.results[1].unit == "day"
    assert agrees(compute(estimate.calculation)["seconds"], estimate.calculation.results[1])


@pytest.mark.parametrize(
    ("line", "warns"),
    [
        ("计算量：6 × 7B × 2T = 9.9×10²² FLOPs", True), ("计算量：6 × 7B × 2T = 8.4×10^22 FLOPs", False),
        ("3 × 4 = 12", False), ("3 × 4 = 13GB", True), ("1,000 + 24 = 1024", False), ("a × 4 = 13", False),
        ("显存 = 2 × n_bytes × n_layers", False), ("x = ", False), ("2 × 50% = 1", False), ("4 / 0 = 3", False),
    ],
)  # fmt: skip
def test_equations_of_numbers_are_checked(line, warns):
    assert bool(recompute("估算", line).warnings) is warns


@settings(deadline=None)
@given(st.text("0123456789BGTKMe.×*/+-=%()（）约 层维字节天个月\n：x²^{}张A100"), st.text(max_size=30))
def test_no_text_crashes_the_recomputation(reference, question):
    recompute(INFERENCE + question, reference)
    recompute(TRAINING + question, reference)
