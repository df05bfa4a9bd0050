"""What may come next in a filter that is being written: fields, operators, values, joining words.

Refuses to know where values are on record: they are handed in. Invariant: putting a proposal in its place
never breaks what is around it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pilothouse.analytics.filters.fields import FIELDS, SCORE_PREFIX, Field, field_of
from pilothouse.analytics.filters.lexer import MOST_CHARACTERS
from pilothouse.analytics.filters.parser import OPERATORS

__all__ = ["Completion", "Proposal", "complete"]

MOST_PROPOSALS = 20
_NAME = r"([A-Za-z_][\w.]*)"
_PART = r"(\"[^\"]*|'[^']*|[^\s()\"',=<>!~]*)"
_VALUE = re.compile(rf"{_NAME}\s*(!=|!~|<=|>=|=|<|>|~)\s*{_PART}$")
_LISTED = re.compile(rf"{_NAME}\s+(?:not\s+)?in\s*\((?:[^()]*,)?\s*{_PART}$", re.IGNORECASE)
_OPERATOR = re.compile(rf"{_NAME}\s+([=!<>~]*|i|in|n|no|not|not\s+i|not\s+in)$", re.IGNORECASE)
_WORD = re.compile(r"([A-Za-z_][\w.]*)?$")
_BEFORE = re.compile(r"(\"|'|\)|/|\w)\s+$")
_PLAIN = re.compile(r"^[\w.:/@$%+-]+$")
_KEYWORDS = {"and", "or", "not", "in"}


@dataclass(frozen=True, slots=True)
class Proposal:
    """Something that may stand there."""

    text: str
    kind: Literal["field", "operator", "value", "word"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """What may stand between `start` and `end` of the text, counted from 0."""

    start: int
    end: int
    data: list[Proposal]


def complete(text: str, at: int, values: Callable[[str], Sequence[str]]) -> Completion:
    """Returns what may come at the cursor.

    Args:
        text: The filter as it is so far.
        at: Where the cursor is, counted from 0.
        values: Gives known values of a field, the commonest first.
    """
    text = text[:MOST_CHARACTERS]
    at = max(0, min(at, len(text)))
    head = text[:at]
    found = _LISTED.search(head) or _VALUE.search(head)
    if found is not None and (field := field_of(found.group(1))) is not None:
        part = found.group(found.lastindex or 0)
        return _completion(at - len(part), at, _values(field, part, values))
    found = _OPERATOR.search(head)
    if found is not None and (field := field_of(found.group(1))) is not None:
        part = found.group(2)
        fitting = [Proposal(one, "operator") for one in OPERATORS[field.kind] if one.startswith(part.lower())]
        if fitting:
            return _completion(at - len(part), at, fitting)
    word = _WORD.search(head)
    part = (word.group(1) or "") if word else ""
    return _completion(
        at - len(part), at, _names(part, can_join=bool(_BEFORE.search(head[: at - len(part)])))
    )


def _completion(start: int, end: int, data: Iterable[Proposal]) -> Completion:
    return Completion(start, end, list(data)[:MOST_PROPOSALS])


def _values(field: Field, part: str, values: Callable[[str], Sequence[str]]) -> list[Proposal]:
    wanted = part.strip("\"'").lower()
    known: Sequence[str] = field.choices or (("true", "false") if field.kind == "boolean" else ())
    if not known and field.kind in {"text", "key"}:
        known = values(field.name)
    fitting = [one for one in known if one.lower().startswith(wanted)]
    fitting += [one for one in known if wanted in one.lower() and one not in fitting]
    return [Proposal(_quoted(one), "value") for one in fitting]


def _names(part: str, *, can_join: bool) -> list[Proposal]:
    wanted = part.lower()
    found = [Proposal(word, "word") for word in ("and", "or") if can_join and word.startswith(wanted)]
    if "not".startswith(wanted) and wanted:
        found.append(Proposal("not", "word"))
    names = {name: field.description for name, field in FIELDS.items()}
    names[SCORE_PREFIX] = "A score by its name."
    fitting = [name for name in names if name.startswith(wanted)]
    fitting += [name for name in names if wanted and wanted in name and name not in fitting]
    return found + [Proposal(name, "field", names[name]) for name in fitting]


def _quoted(value: str) -> str:
    if (
        _PLAIN.match(value)
        and not value.startswith("/")
        and value.lower() not in _KEYWORDS - {"true", "false"}
    ):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
