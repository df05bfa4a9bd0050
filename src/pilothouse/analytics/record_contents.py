"""Sealed contents of single rows, found and opened.

Refuses to know whose rows they are. Invariant: nothing is opened but what was asked for by its id, and what
is erased is said to be erased.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from pilothouse.contracts.errors import JournalError
from pilothouse.contracts.events import Content
from pilothouse.store.analytics import day_of
from pilothouse.store.dialects.reader import Question, Reader
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.sealing import is_under, unseal

__all__ = [
    "QUESTIONS",
    "Sealed",
    "Words",
    "opened_with",
    "read_sealed",
    "shown_body",
    "unsealed",
    "words_of_parts",
]

QUESTIONS = ("contents.of_rows",)
MOST_ASKED = 500

State = Literal["full", "none", "erased", "truncated", "left_out"]
Sealed = tuple[str, bytes]
"""Whose key it is under, and the sealed bytes."""


@dataclass(frozen=True, slots=True)
class Words:
    """What was written in one step, as JSON where it is JSON, else as text."""

    state: State
    request: Any = None
    response: Any = None
    attributes: Any = None


def read_sealed(reader: Reader, rows: Iterable[tuple[str, int]]) -> dict[str, list[Sealed]]:
    """Returns the sealed parts of rows, given by id and Unix nanoseconds, in the order they were written."""
    days: dict[str, list[tuple[str, int]]] = {}
    for row in rows:
        days.setdefault(day_of(row[1]), []).append(row)
    found: dict[str, list[Sealed]] = {}
    for day, asked in days.items():
        with reader.content(day) as schema:
            if schema is None:
                continue
            for at in range(0, len(asked), MOST_ASKED):
                _read(reader, schema, asked[at : at + MOST_ASKED], found)
    return found


def _read(reader: Reader, schema: str, asked: list[tuple[str, int]], found: dict[str, list[Sealed]]) -> None:
    times = [at_ns for _, at_ns in asked]
    chosen = reader.dialect.is_one_of("call_id", "$ids")
    text = (
        f"SELECT call_id, subject, sealed FROM {schema}.content "  # noqa: S608 - our own name
        f"WHERE at_ns >= $first AND at_ns <= $last AND {chosen} ORDER BY call_id, part"
    )
    given = {"first": min(times), "last": max(times), "ids": [row_id for row_id, _ in asked]}
    for row_id, subject, sealed in reader.rows(Question("contents.of_rows", text, given)):
        found.setdefault(str(row_id), []).append((str(subject), bytes(sealed)))


def unsealed(keyring: Keyring, row_id: str, part: Sealed) -> Content | None:
    """Returns what is in a sealed part; `None` when its key was destroyed or it is not authentic."""
    return opened_with(keyring.find(part[0]), row_id, part[1])


def opened_with(key: bytes | None, row_id: str, sealed: bytes) -> Content | None:
    """Returns what is sealed under `key`; `None` when there is no key, it is another, or it was changed."""
    if key is None or not is_under(key, sealed):
        return None
    try:
        return unseal(key, row_id, sealed)
    except JournalError:
        return None


def words_of_parts(keyring: Keyring, row_id: str, parts: Iterable[Sealed]) -> Words:
    """Puts together what a row's parts hold; the later part's word counts."""
    request = response = attributes = None
    is_truncated = has_any = False
    for part in parts:
        content = unsealed(keyring, row_id, part)
        if content is None:
            return Words("erased")
        has_any = True
        request = content.request if content.request is not None else request
        response = content.response if content.response is not None else response
        attributes = content.attributes if content.attributes is not None else attributes
        is_truncated |= (content.request_truncated_from or content.response_truncated_from) is not None
    if not has_any:
        return Words("none")
    return Words(
        "truncated" if is_truncated else "full",
        shown_body(request),
        shown_body(response),
        shown_body(attributes),
    )


def shown_body(body: bytes | None) -> Any:
    """Returns a body as JSON, or as text where it is none."""
    if body is None:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode(errors="replace")
