"""What people and applications said of answers: the list, one item with its words, and all of one call.

Refuses to know how feedback got on record. Invariant: words are unsealed only for the item or the call that
is asked for; erased words are said to be erased.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from pilothouse.analytics.record_contents import read_sealed, unsealed
from pilothouse.contracts.errors import NotFoundError
from pilothouse.store.dialects.reader import Question, Readable, Reader
from pilothouse.telemetry.keyring import Keyring

__all__ = [
    "QUESTIONS",
    "Feedback",
    "FeedbackDetail",
    "FeedbackFilter",
    "FeedbackPage",
    "feedback_of_call",
    "get_feedback",
    "list_feedback",
]

QUESTIONS = ("feedback.list", "feedback.of_call", "feedback.one")
MOST_ITEMS = 1000
MOST_OF_CALL = 100


@dataclass(frozen=True, slots=True)
class Feedback:
    """One item, without its words."""

    feedback_id: str
    at_ms: int
    kind: str
    """`thumbs`, `stars`, `score`, `text`, `correction` or `measure`."""
    name: str
    value: float | None
    """thumbs: 1 up, 0 down; stars: 1 to 5; score and measure: the number."""
    request_id: str
    """As it was given."""
    call_id: str | None
    """`None` while no such call is on record."""
    trace_id: str | None
    model: str | None
    deployment: str | None
    key_id: str | None
    key_name: str | None
    team: str | None
    has_words: bool
    """Whether a text or a corrected answer was given."""


@dataclass(frozen=True, slots=True)
class FeedbackDetail(Feedback):
    """One item with its words."""

    state: Literal["full", "none", "erased"]
    text: str | None
    correction: str | None


@dataclass(frozen=True, slots=True)
class FeedbackPage:
    """Items, newest first."""

    data: list[Feedback]
    next_before: str | None
    """Give it as `before` for the next page; `None` when this was the last."""


@dataclass(frozen=True, slots=True)
class FeedbackFilter:
    """Which items; what is `None` does not matter."""

    model: str | None = None
    deployment: str | None = None
    kind: str | None = None
    name: str | None = None
    key_id: str | None = None
    team: str | None = None
    call_id: str | None = None
    request_id: str | None = None


_COLUMNS = (
    "score_id, at_ns, kind, name, value, request_id, call_id, trace_id, model, deployment, key_id, "
    "NULL, team, has_content"
)
_FIELDS = tuple(field.name for field in fields(Feedback))
_FILTERS = tuple(field.name for field in fields(FeedbackFilter))


def list_feedback(
    record: Readable,
    *,
    limit: int = 50,
    before: str | None = None,
    only: FeedbackFilter | None = None,
    key_names: Mapping[str, str] | None = None,
) -> FeedbackPage:
    """Returns up to `limit` items that are older than the item `before`, newest first."""
    limit = max(1, min(limit, MOST_ITEMS))
    clauses, values = ["source = 'feedback'"], dict[str, Any](limit=limit + 1)
    for name in _FILTERS:
        wanted = getattr(only or FeedbackFilter(), name)
        if wanted is not None:
            clauses.append(f"{name} = ${name}")
            values[name] = wanted
    if before is not None:
        clauses.append("score_id < $before")
        values["before"] = before
    sql = f"SELECT {_COLUMNS} FROM scores WHERE {' AND '.join(clauses)} ORDER BY score_id DESC LIMIT $limit"  # noqa: S608 - our own words
    with record.reader() as reader:
        rows = reader.rows(Question("feedback.list", sql, values))
    items = [_feedback(row, key_names or {}) for row in rows[:limit]]
    return FeedbackPage(items, items[-1].feedback_id if len(rows) > limit else None)


def get_feedback(
    record: Readable, feedback_id: str, *, keyring: Keyring, key_names: Mapping[str, str] | None = None
) -> FeedbackDetail:
    """Returns one item with its words.

    Raises:
        NotFoundError: there is no such item on record.
    """
    sql = f"SELECT {_COLUMNS} FROM scores WHERE source = 'feedback' AND score_id = $id LIMIT 1"  # noqa: S608 - our own words
    with record.reader() as reader:
        rows = reader.rows(Question("feedback.one", sql, {"id": feedback_id}))
        found = _with_words(reader, rows, keyring, key_names or {})
    if not found:
        raise NotFoundError(
            f"no feedback {feedback_id!r} is on record", hint="GET /api/v1/feedback lists what there is"
        )
    return found[0]


def feedback_of_call(
    record: Readable, call_id: str, *, keyring: Keyring, key_names: Mapping[str, str] | None = None
) -> list[FeedbackDetail]:
    """Returns what was said of one call, oldest first, with the words."""
    sql = (
        f"SELECT {_COLUMNS} FROM scores WHERE source = 'feedback' AND call_id = $id "  # noqa: S608 - our own words
        f"ORDER BY score_id LIMIT {MOST_OF_CALL}"
    )
    with record.reader() as reader:
        rows = reader.rows(Question("feedback.of_call", sql, {"id": call_id}))
        return _with_words(reader, rows, keyring, key_names or {})


def _with_words(
    reader: Reader, rows: Sequence[tuple[Any, ...]], keyring: Keyring, key_names: Mapping[str, str]
) -> list[FeedbackDetail]:
    sealed = read_sealed(reader, [(str(row[0]), int(row[1])) for row in rows if row[-1]])
    details = []
    for row in rows:
        plain = _feedback(row, key_names)
        parts = sealed.get(plain.feedback_id, [])
        content = unsealed(keyring, plain.feedback_id, parts[0]) if parts else None
        details.append(
            FeedbackDetail(
                **{name: getattr(plain, name) for name in _FIELDS},
                state="none" if not parts else "erased" if content is None else "full",
                text=_text(content.request if content else None),
                correction=_text(content.response if content else None),
            )
        )
    return details


def _feedback(row: tuple[Any, ...], key_names: Mapping[str, str]) -> Feedback:
    given = dict(zip(_FIELDS, row, strict=True))
    given["at_ms"] //= 1_000_000
    given["key_name"] = key_names.get(given["key_id"] or "")
    given["request_id"] = given["request_id"] or ""
    return Feedback(**given)


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode(errors="replace")
