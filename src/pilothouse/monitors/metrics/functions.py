"""The functions of the expression language: a fixed list, each typed.

Refuses to know syntax. Invariant: a function given `None` gives `None`, but for `coalesce` and `has`; none
reads or changes anything but its arguments.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pilothouse.monitors.metrics.fields import Kind
from pilothouse.monitors.metrics.jsonpath import parse_path, text_at
from pilothouse.monitors.metrics.patterns import compile_pattern

__all__ = ["FUNCTIONS", "Function"]

MOST = 20
"""Arguments of a function that takes any number."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function."""

    gives: Kind
    takes: tuple[Kind, ...]
    run: Callable[..., Any]
    most: int | None = None
    """How many arguments, the last kind repeated; `None`: as many as `takes`."""
    prepare: Callable[[str], Any] | None = None
    """Makes of the last argument, a constant, what `run` is given in its place; raises `ValueError`."""
    takes_nothing: bool = False
    """Whether it is run for `None` too."""


def _number(value: str) -> float | None:
    try:
        found = float(value.strip().replace("_", "x"))
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _round(value: float, places: float = 0) -> float:
    return round(value, max(-15, min(15, int(places))))


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "matches": Function(
            "boolean", ("text", "text"), lambda text, at: at.is_in(text), prepare=compile_pattern
        ),
        "count": Function(
            "number", ("text", "text"), lambda text, at: at.count(text), prepare=compile_pattern
        ),
        "extract": Function(
            "text", ("text", "text"), lambda text, at: at.first(text), prepare=compile_pattern
        ),
        "json": Function("text", ("text", "text"), text_at, prepare=parse_path),
        "number": Function("number", ("text",), _number),
        "length": Function("number", ("text",), len),
        "words": Function("number", ("text",), lambda text: len(text.split())),
        "lower": Function("text", ("text",), str.lower),
        "abs": Function("number", ("number",), abs),
        "round": Function("number", ("number", "number"), _round, most=2),
        "floor": Function("number", ("number",), math.floor),
        "ceil": Function("number", ("number",), math.ceil),
        "sqrt": Function("number", ("number",), math.sqrt),
        "log": Function("number", ("number",), math.log),
        "exp": Function("number", ("number",), math.exp),
        "min": Function("number", ("number",), min, most=MOST),
        "max": Function("number", ("number",), max, most=MOST),
    }
)
"""By name. `has(x)`, `coalesce(a, b, …)` and `one(condition)` take any type and stand in `expression.py`."""
