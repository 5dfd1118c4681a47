"""Grade a calculation by its numbers: read quantities out of a reply and compare them with what must come out."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tutor.quantities import UNITS, compute
from tutor.records import Calculation, PointVerdict, Quantity

_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_POWER = r"(?:\s*[×x*]\s*10\s*(?:\^|\*\*)?\s*\{?(?P<exp>-?\d+)\}?)"
_SPOKEN = {
    "天": "day", "日": "day", "days": "day", "d": "day", "小时": "h", "hours": "h", "hour": "h", "hr": "h", "分钟": "min", "分": "min",
    "minutes": "min", "秒": "s", "seconds": "s", "sec": "s", "毫秒": "ms", "微秒": "us", "μs": "us", "字节": "B", "bytes": "B", "byte": "B",
    "美元": "USD", "dollars": "USD", "$": "USD", "块": "元", "rmb": "元", "tokens": "token", "个token": "token", "flops": "FLOP", "flop": "FLOP",
    "tokens/s": "token/s", "token/秒": "token/s", "gflops": "GFLOP/s", "tflops": "TFLOP/s", "pflops": "PFLOP/s", "g": "GB", "m": "MB", "t": "TB",
    "％": "%",
}  # fmt: skip
_SCALE = {
    "万亿": 1e12,
    "亿": 1e8,
    "万": 1e4,
    "千": 1e3,
    "百万": 1e6,
    "十亿": 1e9,
    "billion": 1e9,
    "million": 1e6,
    "trillion": 1e12,
    "thousand": 1e3,
}
_UNIT_NAMES = sorted([unit for unit in UNITS if unit] + list(_SPOKEN), key=len, reverse=True)
_QUANTITY = re.compile(
    r"(?<![\w.])(?P<number>-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)" + _POWER + r"?\s*"
    rf"(?P<scale>{'|'.join(sorted(_SCALE, key=len, reverse=True))})?\s*"
    rf"(?P<unit>{'|'.join(re.escape(name) for name in _UNIT_NAMES)})?(?![a-z])",
    re.IGNORECASE,
)
_SLIPS = (
    (2.0, "差 2 倍：多半是 K 和 V 只算了一个，或乘加只算了一次"),
    (8.0, "差 8 倍：多半是把比特当成了字节"),
    (1024**3 / 1e9, "数值对，但混用了 GB（10⁹）与 GiB（2³⁰）"),
    (1024**2 / 1e6, "数值对，但混用了 MB 与 MiB"),
    (1000.0, "差 1000 倍：单位前缀错了一级"),
    (1024.0, "差 1024 倍：单位前缀错了一级"),
    (24.0, "差 24 倍：小时与天换算错了"),
    (60.0, "差 60 倍：分与秒（或小时与分）换算错了"),
    (3600.0, "差 3600 倍：秒与小时换算错了"),
)
_STEP_SHARE = 0.5
"""The most that right intermediate values earn when the result is not right."""


@dataclass(frozen=True, slots=True)
class Found:
    """A number in a reply, in base units. `bare`: written without a unit. `text`: verbatim."""

    value: float
    dimension: str
    text: str

    @property
    def bare(self) -> bool:
        """Whether no unit was written."""
        return not self.dimension


def read_quantities(text: str) -> list[Found]:
    """All numbers of a reply with their units."""
    found = []
    for match in _QUANTITY.finditer(text.translate(_SUPERSCRIPT).replace("＝", "=")):
        value = float(match["number"].replace(",", ""))
        if match["exp"]:
            value *= 10.0 ** min(max(int(match["exp"]), -40), 40)
        value *= _SCALE.get((match["scale"] or "").lower(), 1.0)
        unit = _canonical(match["unit"] or "")
        if math.isfinite(value):
            found.append(Found(value * UNITS[unit], dimension(unit), match.group().strip()))
    return found


def grade_numbers(calculation: Calculation, reply: str) -> list[PointVerdict]:
    """One point a result. A wrong result earns up to half for right intermediate values, and is told its likely slip."""
    values = compute(calculation)
    found = read_quantities(reply)
    verdicts = []
    for result in calculation.results:
        wanted = values[result.name]
        text = f"{result.name} = {result.value:g} {result.unit}".strip()
        hit = _match(wanted, result.unit, result.tolerance, found)
        if hit is not None:
            verdicts.append(PointVerdict(text, 1.0, "covered", 1.0, _verbatim(hit, reply), 1.0))
            continue
        verdicts.append(_wrong(text, wanted, result, calculation, values, found, reply))
    return verdicts


def dimension(unit: str) -> str:
    """What kind of thing a unit measures: bytes, time, operations, money...; "" for a bare number."""
    base, _, per = unit.partition("/")
    for kind, members in (("bytes", "B"), ("operations", "FLOP")):
        if base.endswith(members):
            return f"{kind}/{per}" if per else kind
    if base in ("s", "ms", "us", "ns", "min", "h", "day"):
        return "time"
    return unit


def _canonical(unit: str) -> str:
    if unit in UNITS:
        return unit
    lowered = unit.lower()
    if lowered in _SPOKEN:
        return _SPOKEN[lowered]
    return next(known for known in UNITS if known.lower() == lowered)


def _match(wanted: float, unit: str, tolerance: float, found: Sequence[Found]) -> Found | None:
    kind = dimension(unit)
    scaled = wanted / UNITS[unit]
    for one in found:
        if one.bare or kind in ("", "%"):
            candidates = [wanted, scaled]  # a bare number is read in the unit asked for
        elif one.dimension == kind:
            candidates = [wanted]
        else:
            continue
        if any(math.isclose(one.value, value, rel_tol=max(tolerance, 0.005), abs_tol=1e-12) for value in candidates):
            return one
    return None


def _wrong(
    text: str,
    wanted: float,
    result: Quantity,
    calculation: Calculation,
    values: dict[str, float],
    found: Sequence[Found],
    reply: str,
) -> PointVerdict:
    for factor, note in _SLIPS:
        for target in (wanted * factor, wanted / factor):
            near = _match(target, result.unit, min(result.tolerance, 0.02), found)
            if near is not None and not near.bare:
                verdict = "partial" if factor < 1.1 else "contradicted"
                return PointVerdict(text, 1.0, verdict, 1.0, _verbatim(near, reply), 0.5 if factor < 1.1 else 0.0, note)  # type: ignore[arg-type]
    steps = [name for name, _ in calculation.steps if name != result.name]
    right = [name for name in steps if _match(values[name], "", 0.02, found) or _near_any(values[name], found)]
    if not found or (not right and not _same_kind(result, found)):
        return PointVerdict(text, 1.0, "missing", 1.0, note="作答里没有找到这个量的数值")
    credit = round(_STEP_SHARE * len(right) / len(steps), 2) if steps else 0.0
    wrong = next((name for name in steps if name not in right), result.name)
    note = f"{'、'.join(right)} 对，从 {wrong} 起不对" if right else f"从 {wrong} 起不对"
    given = next((one for one in reversed(found) if one.dimension == dimension(result.unit)), found[-1])
    return PointVerdict(text, 1.0, "partial" if credit else "contradicted", 1.0, _verbatim(given, reply), credit, note)


def _near_any(value: float, found: Sequence[Found]) -> bool:
    return any(math.isclose(one.value, value, rel_tol=0.02) for one in found)


def _same_kind(result: Quantity, found: Sequence[Found]) -> bool:
    return any(one.bare or one.dimension == dimension(result.unit) for one in found)


def _verbatim(one: Found, reply: str) -> str:
    return one.text if one.text in reply else ""
