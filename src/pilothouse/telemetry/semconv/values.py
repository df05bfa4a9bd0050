"""What a sender's values become: counts, numbers, short texts, parsed JSON, and texts of bounded length.

Refuses to know any name. Invariant: nothing here raises, whatever the value is; `None` says that the value is
not what was expected.
"""

import hashlib
import math
from typing import Any

import msgspec

__all__ = [
    "MOST_CHARACTERS",
    "as_clear",
    "as_count",
    "as_label",
    "as_labels",
    "as_number",
    "as_seconds",
    "as_text",
    "bounded",
    "parsed",
]

MOST_CHARACTERS = 1_048_576
"""Of one value; a longer one is cut."""
KEPT_CHARACTERS = 65_536
"""What is kept of a value that is cut."""
MOST_LABEL_CHARACTERS = 256
"""Of a text in clear."""
MOST_LABELS = 64
MOST_COUNT = 2**53
DEEPEST = 64
"""A value nested deeper is kept as text: not every reader could take it."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(enc_hook=str).encode


def as_count(value: Any) -> int | None:
    """Returns a number of tokens or the like: a whole number that is not negative."""
    if type(value) is int:
        return value if 0 <= value < MOST_COUNT else None
    number = as_number(value)
    return int(number) if number is not None and 0 <= number < MOST_COUNT and number == int(number) else None


def as_number(value: Any) -> float | None:
    """Returns a finite number; a text may spell it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > MOST_LABEL_CHARACTERS:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_seconds(value: Any) -> float | None:
    """Returns milliseconds of a number of seconds."""
    number = as_number(value)
    return None if number is None or number < 0 else number * 1000


def as_label(value: Any) -> str | None:
    """Returns a short text for a column in clear: a name or an id."""
    if type(value) is str:
        return value if 0 < len(value) <= MOST_LABEL_CHARACTERS and _is_valid(value) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and len(value) == 1:
        return as_label(value[0])
    return None


def as_labels(value: Any) -> tuple[str, ...] | None:
    """Returns short texts: of a list, of one text, or of a list spelled as JSON."""
    if type(value) is str and value[:1] == "[":
        value = parsed(value)
    if not isinstance(value, list):
        one = as_label(value)
        return None if one is None else (one,)
    found = tuple(label for each in value[:MOST_LABELS] if (label := as_label(each)) is not None)
    return found or None


def as_clear(value: Any) -> Any:
    """Returns a value that may stand in clear under an allowed name, or `None`."""
    kind = type(value)
    if kind is bool or (kind is int and -(2**63) <= value < 2**63):
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is str:
        return value if len(value) <= MOST_LABEL_CHARACTERS and _is_valid(value) else None
    if kind is list and len(value) <= MOST_LABELS and all(as_label(each) == each for each in value):
        return value
    return None


def as_text(value: Any) -> str:
    """Returns a text of any value: itself, or its JSON."""
    return value if isinstance(value, str) else _spelled(value)


def parsed(value: Any) -> Any:
    """Returns what a text spells as JSON (a list or a mapping), else the value as it is."""
    if type(value) is not str or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        found = _decode(value)
    except (ValueError, RecursionError):
        return value
    is_flat = value.count("[") + value.count("{") <= DEEPEST
    return found if is_flat or _is_shallow(found) else value


def bounded(value: Any, cuts: list[dict[str, Any]], name: str) -> Any:
    """Returns the value, cut when it is too long; a cut is noted in `cuts` with what it was."""
    if type(value) is str:
        if len(value) <= MOST_CHARACTERS:
            return value if value.isascii() else _valid(value)
        return _cut(value, cuts, name)
    if isinstance(value, bool | int | float) or value is None:
        return value
    spelled = _spelled(value)
    if len(spelled) > MOST_CHARACTERS:
        return _cut(spelled, cuts, name)
    return value if isinstance(value, dict | list) else spelled


def _cut(text: str, cuts: list[dict[str, Any]], name: str) -> str:
    whole = text.encode("utf-8", "replace")
    digest = hashlib.sha256(whole).hexdigest()
    cuts.append({"name": name, "characters": len(text), "sha256": digest})
    kept = _valid(text[:KEPT_CHARACTERS])
    return f"{kept}… [cut: {len(text)} characters, sha256 {digest}]"


def _valid(text: str) -> str:
    """Returns the text without halves of characters, which no file takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _is_valid(text: str) -> bool:
    return text.isascii() or _valid(text) is text


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        children = (each.values() if isinstance(each, dict) else each for each in level)
        level = [child for each in children for child in each if isinstance(child, dict | list)]
        if not level:
            return True
    return False


def _spelled(value: Any) -> str:
    try:
        return _encode(value).decode()
    except (ValueError, TypeError, RecursionError, OverflowError):
        return f"[a {type(value).__name__} that cannot be written]"
