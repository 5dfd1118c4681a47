"""Arithmetic of banks: units, safe evaluation of expressions, and the check of a written calculation.

Expressions see numbers in base units: bytes, seconds, FLOP, tokens, money as it is, percent as a fraction.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from simpleeval import InvalidExpression, SimpleEval

from tutor.records import Calculation, Quantity

_BYTES = {"B": 1.0} | {f"{p}B": 1000.0**n for n, p in enumerate(("k", "M", "G", "T", "P"), 1)}
_BYTES |= {f"{p}iB": 1024.0**n for n, p in enumerate(("K", "M", "G", "T", "P"), 1)} | {"KB": 1000.0}
_FLOP = {"FLOP": 1.0} | {f"{p}FLOP": 1000.0**n for n, p in enumerate(("M", "G", "T", "P", "E", "Z"), 2)}
_TIME = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0, "day": 86400.0}

UNITS: dict[str, float] = {
    "": 1.0, "%": 0.01, "token": 1.0, "token/s": 1.0, "元": 1.0, "USD": 1.0,
    **_BYTES, **_FLOP, **_TIME,
    **{f"{unit}/s": factor for unit, factor in (*_BYTES.items(), *_FLOP.items())},
}  # fmt: skip
"""Factor of every unit to its base unit."""

_MAX_LENGTH = 400
_ALLOWED = re.compile(r"[A-Za-z0-9_ \t.+\-*/(),]*")
_ATTRIBUTE = re.compile(r"\.[ \t]*[A-DF-Za-df-z_]|[A-Za-z_)][ \t]*\.")
_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+(?:_\d+)*)(?:\.\d+)?(?:[eE][+-]?\d+)?|[+-]?\.\d+(?:[eE][+-]?\d+)?", re.ASCII)


class ExpressionError(ValueError):
    """An expression or a number cannot be evaluated; the message says why."""


def to_number(text: str) -> float:
    """Read a plain number; thousands may be set off by commas or underscores.

    :raises ExpressionError: it is not one, or not finite.
    """
    if not _NUMBER.fullmatch(text):
        raise ExpressionError(f"{text!r} is not a number")
    value = float(text.replace(",", "").replace("_", ""))
    if not math.isfinite(value):
        raise ExpressionError(f"{text!r} is too large")
    return value


def evaluate(expression: str, names: Mapping[str, float]) -> float:
    """Evaluate arithmetic over the given names.

    :param expression: `+ - * / ** ( )`, `min max ceil floor sqrt log log2`, names and numbers.
    :raises ExpressionError: it is malformed, too long, uses anything else, or has no finite value.
    """
    if len(expression) > _MAX_LENGTH:
        raise ExpressionError(f"the expression is longer than {_MAX_LENGTH} characters")
    if not _ALLOWED.fullmatch(expression) or _ATTRIBUTE.search(expression):
        raise ExpressionError(f"{expression!r} holds characters other than names, numbers, + - * / ** ( ) and commas")
    evaluator = SimpleEval(operators=_operators(), functions=_FUNCTIONS, names=dict(names))
    try:
        value = evaluator.eval(expression.strip())
    except InvalidExpression as error:
        raise ExpressionError(str(error).rstrip(".")) from error
    except SyntaxError as error:
        raise ExpressionError(f"not an expression: {expression!r}") from error
    except (ArithmeticError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"{expression!r} has no value ({error})") from error
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ExpressionError(f"{expression!r} does not yield a finite number")
    return float(value)


def compute(calculation: Calculation) -> dict[str, float]:
    """Evaluate the steps of a calculation in order; return all names, those given included, in base units.

    :raises ExpressionError: a unit is unknown or a step cannot be evaluated.
    """
    values = {quantity.name: in_base_units(quantity) for quantity in calculation.given}
    for name, expression in calculation.steps:
        values[name] = evaluate(expression, values)
    return values


def in_base_units(quantity: Quantity) -> float:
    """Convert a quantity to the base unit of its kind.

    :raises ExpressionError: the unit is unknown.
    """
    if quantity.unit not in UNITS:
        raise ExpressionError(f"unknown unit {quantity.unit!r}; known are {', '.join(unit for unit in UNITS if unit)}")
    return quantity.value * UNITS[quantity.unit]


def agrees(computed: float, stated: Quantity) -> bool:
    """Whether a stated result lies within its tolerance of the computed one (in base units)."""
    return math.isclose(computed, in_base_units(stated), rel_tol=stated.tolerance, abs_tol=1e-12 * UNITS[stated.unit])


def _operators() -> dict[Any, Callable[..., float]]:
    return {
        ast.Add: lambda a, b: _number(a) + _number(b),
        ast.Sub: lambda a, b: _number(a) - _number(b),
        ast.Mult: lambda a, b: _number(a) * _number(b),
        ast.Div: lambda a, b: _number(a) / _number(b),
        ast.Pow: lambda a, b: _power(_number(a), _number(b)),
        ast.USub: lambda a: -_number(a),
        ast.UAdd: lambda a: +_number(a),
    }


def _number(value: object) -> float:
    """Let only numbers through; as floats, so that no integer can grow without bound."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _power(base: float, exponent: float) -> float:
    value = base**exponent
    if isinstance(value, complex):
        raise ValueError("a root of a negative number")
    return float(value)


_FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": lambda *values: min(_number(v) for v in values),
    "max": lambda *values: max(_number(v) for v in values),
    "ceil": lambda x: float(math.ceil(_number(x))),
    "floor": lambda x: float(math.floor(_number(x))),
    "sqrt": lambda x: math.sqrt(_number(x)),
    "log": lambda x: math.log(_number(x)),
    "log2": lambda x: math.log2(_number(x)),
}
FUNCTION_NAMES = frozenset(_FUNCTIONS)
