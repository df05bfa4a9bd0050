"""Numbers and times as people type them: `500ms`, `2s`, `$0.01`, `4k`, `2026-11-22T10:00`, `-15m`.

Refuses to know fields. Invariant: a number printed and read again is the same number.
"""

import math
import re
from datetime import UTC, datetime
from typing import Literal

from pilothouse.analytics.filters.tree import Ago

__all__ = ["Unit", "number_of", "number_text", "time_of", "time_text", "units_hint"]

Unit = Literal["ms", "usd", "tokens", "plain"]

_FACTORS: dict[Unit, dict[str, float]] = {
    "ms": {"": 1, "us": 0.001, "ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000},
    "usd": {"": 1, "usd": 1, "c": 0.01},
    "tokens": {"": 1, "k": 1000, "m": 1_000_000},
    "plain": {"": 1, "%": 0.01, "k": 1000, "m": 1_000_000},
}
_EXAMPLES: dict[Unit, str] = {
    "ms": "500, 500ms, 2s or 1m",
    "usd": "0.01, $0.01 or 2c",
    "tokens": "1000, 4k or 1m",
    "plain": "0.8 or 80%",
}
_NUMBER = re.compile(r"^(\$?)([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)\s*([a-z%]*)$", re.IGNORECASE)
_AGO = re.compile(r"^-(\d+(?:\.\d+)?)(ms|s|m|min|h|d|w)$", re.IGNORECASE)
_AGO_MS = {
    "ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000,
}  # fmt: skip
_EARLIEST_YEAR, _LATEST_YEAR = 1970, 2262
"""What nanoseconds in 64 bits can say."""


def number_of(text: str, unit: Unit) -> float | None:
    """Returns the number that `text` says, in `unit`; `None` if it says none."""
    match = _NUMBER.match(text.strip())
    if match is None:
        return None
    dollar, digits, suffix = match.groups()
    factor = _FACTORS[unit].get(suffix.lower())
    if factor is None or (dollar and unit != "usd"):
        return None
    value = float(digits) * factor
    return value if math.isfinite(value) else None


def number_text(value: float) -> str:
    """Returns a number as it is read again."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)  # noqa: PLR2004 - exact so far


def units_hint(unit: Unit) -> str:
    """Returns how a number of this unit may be written."""
    return f"write {_EXAMPLES[unit]}"


def time_of(text: str) -> float | Ago | None:
    """Returns a time as Unix milliseconds (UTC unless it says another zone), or how long ago it was."""
    ago = _AGO.match(text.strip())
    if ago is not None:
        return Ago(float(ago.group(1)) * _AGO_MS[ago.group(2).lower()])
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if not _EARLIEST_YEAR <= found.year < _LATEST_YEAR:
        return None
    return float(round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000))


def time_text(value: float | Ago) -> str:
    """Returns a time as it is read again."""
    if isinstance(value, Ago):
        digits = number_text(value.ms)
        return f"-{digits}ms" if "e" not in digits else f"-{value.ms:f}ms"
    at = datetime.fromtimestamp(value / 1000, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{round(value) % 1000:03d}Z"
