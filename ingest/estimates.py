"""Worked estimates of banks: find the quantities, compute again, and say where the bank's own figure does not follow.

Known are the memory of inference (weights and KV cache), the time of training, and any line `a × b × c = value unit`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tutor.quantities import UNITS, ExpressionError, compute, evaluate
from tutor.records import Calculation, Quantity

_SCALE = {"K": 1e3, "k": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12, "万": 1e4, "亿": 1e8, "千亿": 1e11, "万亿": 1e12}
_SPAN = {
    "秒": 1.0,
    "分钟": 60.0,
    "小时": 3600.0,
    "天": 86400.0,
    "周": 604800.0,
    "个月": 2592000.0,
    "月": 2592000.0,
    "年": 31536000.0,
}
_WIDTHS = (("FP32|单精度", 4.0), ("FP16|BF16|半精度", 2.0), ("INT8|FP8", 1.0), ("INT4", 0.5))
_PEAKS = {"A100": 312e12, "A800": 312e12, "H100": 989e12, "H800": 989e12, "V100": 125e12, "A10": 125e12}
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_FACTOR = re.compile(
    r"(\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+)?)(?:\s*[×xX*·]\s*10\s*(?:([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)|(?:\^|\*\*)\s*\{?(-?\d+)\}?))?"
    r"[ \t]*([KMGT]i?B(?![A-Za-z])|[GTP]?FLOP[sS]?|万亿|千亿|[KkMBGT万亿%](?![A-Za-z]))?[ \t]*([\u4e00-\u9fff]{0,4})"
)
_OPERATORS = {
    "×": "*",
    "x": "*",
    "X": "*",
    "*": "*",
    "·": "*",
    "/": "/",
    "÷": "/",
    "+": "+",
    "(": "(",
    ")": ")",
    "（": "(",
    "）": ")",
}
_STATED = re.compile(
    r"(\d[\d,]*(?:\.\d+)?)(?:\s*[-–~～至到]\s*(\d[\d,]*(?:\.\d+)?))?\s*(GiB|MiB|TiB|GB|MB|TB|个月|月|天|周|年|小时|分钟|秒)"
)
_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was recomputed: the calculation, and warnings `(text in the bank that they concern, warning)`."""

    calculation: Calculation | None
    warnings: tuple[tuple[str, str], ...] = ()


def recompute(question: str, reference: str) -> Estimate:
    """Recompute a worked estimate from the quantities that question and reference name."""
    known = _quantities(f"{question}\n{reference}")
    lines = reference.splitlines()
    warnings = list(_check_equations(lines))
    calculation: Calculation | None = None
    if re.search(r"训练时间|训练多久|training time|多长时间", question) and {
        "params",
        "data",
        "gpus",
        "peak",
        "use",
    } <= set(known):
        calculation, more = _training_time(known, lines)
        warnings += more
    elif re.search(r"推理|inference|KV", question, re.IGNORECASE) and {"params", "width"} <= set(known):
        calculation, more = _inference_memory(known, lines)
        warnings += more
    return Estimate(calculation, tuple(warnings))


def _quantities(text: str) -> dict[str, float]:
    """Return the quantities that a text names, in base units; the first mention counts."""
    number = r"(\d+(?:\.\d+)?)"
    patterns = {
        "params": rf"{number}\s*(万亿|千亿|[BMT亿])\s*(?:的)?(?:参数|模型|大模型|\s*model|\s*param)",
        "data": rf"{number}\s*(万亿|千亿|[BMT亿])\s*(?:个)?\s*(?:tokens?|词元)",
        "batch": rf"(?:batch[_ ]?size|批量?大小|批次大小)\s*[=＝为是:：]?\s*{number}()",
        "tokens": rf"(?:seq(?:uence)?[_ ]?len(?:gth)?|(?:序列|上下文)长度)\s*[=＝为是:：]?\s*{number}\s*([kK]?)",
        "layers": rf"{number}\s*()层",
        "hidden": rf"{number}\s*()维",
        "gpus": rf"{number}\s*()(?:张|块|卡|个)\s*(?:[A-Z]\d{{2,4}}|GPU|显卡)",
        "peak": rf"{number}\s*()TFLOP",
        "use": rf"{number}\s*()%[^，。\n]{{0,4}}(?:利用率|MFU)",
    }  # fmt: skip
    found = {
        name: float(match[1]) * _SCALE.get(match[2], 1.0)
        for name, pattern in patterns.items()
        if (match := re.search(pattern, text, re.IGNORECASE if name != "params" else 0))
    }
    named = re.search(r"(?:利用率|MFU)\D{0,6}(\d+(?:\.\d+)?)\s*%", text, re.IGNORECASE)
    if named:
        found.setdefault("use", float(named[1]))
    for pattern, width in _WIDTHS:
        if re.search(pattern, text, re.IGNORECASE):
            found.setdefault("width", width)
    if "peak" in found:
        found["peak"] *= 1e12
    else:
        peaks = [peak for name, peak in _PEAKS.items() if re.search(rf"{name}(?!\d)", text)]
        found |= {"peak": peaks[0]} if peaks else {}
    return found


def _inference_memory(known: dict[str, float], lines: Sequence[str]) -> tuple[Calculation, list[tuple[str, str]]]:
    """Compute the memory of inference: weights, and the KV cache where layers, width, length and batch are known."""
    given = [
        Quantity("params", known["params"], note="参数量"),
        Quantity("width", known["width"], "B", "每个数的字节数"),
    ]
    steps = [("weights", "params * width")]
    warnings: list[tuple[str, str]] = []
    if {"layers", "hidden", "tokens", "batch"} <= set(known):
        notes = {"layers": "层数", "hidden": "隐藏维度", "tokens": "序列长度", "batch": "批大小"}
        given += [Quantity(name, known[name], note=note) for name, note in notes.items()]
        steps.append(("kv", "2 * width * layers * hidden * tokens * batch"))
    values = compute(Calculation(tuple(given), tuple(steps), ()))
    activations = _stated_on(lines, "激活")
    stated_weights, stated_kv = _stated_on(lines, "参数|权重"), _stated_on(lines, "KV|kv")
    total = sum(values[name] for name, _ in steps)
    if stated_weights and not _fits(values["weights"], stated_weights):
        right = _gigabytes(values["weights"])
        text = f"题库写的模型参数显存 {stated_weights.text} 与题设不符：参数量 × 字节数应约为 {right}。"
        warnings.append((stated_weights.line, text))
    if "kv" in values and stated_kv and not _fits(values["kv"], stated_kv):
        factors = " × ".join(f"{known[n]:g}{unit}" for n, unit in
                             (("layers", " 层"), ("hidden", " 维"), ("tokens", "（长度）"), ("batch", "（批大小）")))  # fmt: skip
        warnings.append((stated_kv.line, (
            f"题库写的 KV 缓存 {stated_kv.text} 与题设不符：2（K 和 V）× {known['width']:g} 字节 × {factors}"
            f"应约为 {_gigabytes(values['kv'])}。"
        )))  # fmt: skip
    stated_total = _stated_on(lines, "总计|合计|总共|总显存")
    if activations:
        middle = (activations.low + activations.high) / 2
        remark = f"题库给出 {activations.text}，取中间值"
        given.append(Quantity("activations", middle / 1e9, "GB", remark))
        total += middle
    steps.append(("total", " + ".join([name for name, _ in steps] + (["activations"] if activations else []))))
    # a wrong part spoils the total: then only rounding is forgiven
    spoilt = bool(warnings)
    if stated_total and "kv" in values and not _fits(total, stated_total, 0.03 if spoilt else _TOLERANCE, spoilt):
        warnings.append((stated_total.line, (
            f"题库的总计 {stated_total.text}{'因此也' if spoilt else ''}不成立：各项合计应约为 {total / 1e9:.3g} GB。"
        )))  # fmt: skip
    results = [
        Quantity(name, _rounded(values[name] / 1e9), "GB", tolerance=0.08)
        for name in values
        if name in ("weights", "kv")
    ]
    results.append(Quantity("total", _rounded(total / 1e9), "GB", tolerance=0.1))
    return Calculation(tuple(given), tuple(steps), tuple(results)), warnings


def _training_time(known: dict[str, float], lines: Sequence[str]) -> tuple[Calculation, list[tuple[str, str]]]:
    """Compute the time of training: 6 × parameters × tokens over what the GPUs really do."""
    calculation = Calculation(
        given=(
            Quantity("params", known["params"], note="参数量"),
            Quantity("tokens", known["data"], note="训练 token 数"),
            Quantity("gpus", known["gpus"], note="GPU 数"),
            Quantity("peak", known["peak"] / 1e12, "TFLOP/s", "单卡峰值算力"),
            Quantity("utilisation", known["use"], "%", "算力利用率"),
        ),
        steps=(("flops", "6 * params * tokens"), ("seconds", "flops / (gpus * peak * utilisation)")),
        results=(),
    )  # fmt: skip
    values = compute(calculation)
    seconds, flops = values["seconds"], values["flops"]
    results = (Quantity("flops", float(f"{flops:.4g}"), "FLOP", tolerance=0.05),
               Quantity("seconds", float(f"{seconds / 86400:.3g}"), "day", tolerance=0.1))  # fmt: skip
    warnings = []
    stated = _stated_on(lines, "训练时间|时间|耗时")
    if stated and not _fits(seconds, stated):
        warnings.append((stated.line, (
            f"题库写的训练时间 {stated.text} 与它自己给的数不符：{flops:.3g} FLOP ÷（{known['gpus']:g} × "
            f"{known['peak'] / 1e12:g} TFLOPS × {known['use']:g}%）≈ {seconds:.3g} 秒，约 {seconds / 86400:.0f} 天。"
        )))  # fmt: skip
    return Calculation(calculation.given, calculation.steps, results), warnings


@dataclass(frozen=True, slots=True)
class _Stated:
    """A figure of the bank: its line, its text, and its range in base units (decimal units)."""

    line: str
    text: str
    low: float
    high: float
    binary: float


def _stated_on(lines: Sequence[str], label: str) -> _Stated | None:
    """Return the last figure with a unit on the line that starts with a label."""
    for line in lines:
        name, colon, rest = re.sub(r"[*`]", "", line).lstrip("-+• \t").replace("：", ":").partition(":")
        if not colon or not re.search(label, name):
            continue
        found = list(_STATED.finditer(rest))
        if found:
            last = found[-1]
            unit = _SPAN.get(last[3]) or UNITS[last[3]]
            low, high = (float(part.replace(",", "")) * unit for part in (last[1], last[2] or last[1]))
            binary = {"GB": 2**30 / 1e9, "MB": 2**20 / 1e6, "TB": 2**40 / 1e12}.get(last[3], 1.0)
            return _Stated(line, last[0], low, high, binary)
    return None


def _fits(value: float, stated: _Stated, tolerance: float = _TOLERANCE, decimal_only: bool = False) -> bool:
    return any(
        stated.low * factor * (1 - tolerance) <= value <= stated.high * factor * (1 + tolerance)
        for factor in (1.0, 1.0 if decimal_only else stated.binary)
    )


def _gigabytes(value: float) -> str:
    return f"{value / 1e9:.3g} GB（{value / 2**30:.3g} GiB）"


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _check_equations(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Compare the two sides of every line `numbers = number`."""
    for line in lines:
        text = re.sub(r"[*`]{2,}", "", line)
        left, sign, right = re.sub(r"^[^:：]*[:：]", "", text).partition("=")
        if not sign:
            continue
        computed = _value_of(left)
        found = _FACTOR.match(right.lstrip(" 约≈=").strip())
        if computed is None or not found:
            continue
        stated = _factor(found)
        factors = [1.0] if not (found[4] or "").endswith("B") or found[4] == "B" else [1.0, 1.024, 1.024**2, 1.024**3]
        if stated and not any(abs(computed - stated * f) <= _TOLERANCE * computed for f in factors):
            yield line, f"题库的算式“{text.strip(' -')}”不成立：等号左边约为 {computed:.4g}。"


def _value_of(expression: str) -> float | None:
    """Evaluate a product or sum of plain numbers with magnitudes and Chinese measure words; None when it is none."""
    out, at, numbers = [], 0, 0
    expression = expression.strip()
    while at < len(expression):
        found = _FACTOR.match(expression, at)
        if found:
            out.append(repr(_factor(found)))
            at, numbers = found.end(), numbers + 1
        elif expression[at] in _OPERATORS or expression[at].isspace():
            out.append(_OPERATORS.get(expression[at], " "))
            at += 1
        else:
            return None
    if numbers < 2:
        return None
    try:
        return evaluate("".join(out), {})
    except ExpressionError:
        return None


def _factor(found: re.Match[str]) -> float:
    power = found[2].translate(_SUPERSCRIPT) if found[2] else found[3] or "0"
    value = float(found[1].replace(",", "")) * 10.0 ** min(int(power), 99) if re.fullmatch(r"-?\d+", power) else 0.0
    unit = (
        (found[4] or "").rstrip("sS")
        if (found[4] or "").upper().startswith(("F", "GF", "TF", "PF"))
        else found[4] or ""
    )
    if unit == "%":
        return value / 100
    return value * (_SCALE.get(unit) or UNITS.get(unit, 1.0))
