"""The list of calls, and one call with what was asked and answered.

Refuses to know who asks. Invariant: content is unsealed only for the one call that is asked for; erased
content is said to be erased, never shown as empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import msgspec

from pilothouse.analytics.classes import STATUS_CLASSES, StatusClass
from pilothouse.analytics.feedback import FeedbackDetail, feedback_of_call
from pilothouse.contracts.errors import NotFoundError
from pilothouse.contracts.events import Content, RequestCompleted
from pilothouse.store.analytics import day_of
from pilothouse.store.dialects.reader import Question, Readable, Reader
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.sealing import is_under, unseal

__all__ = [
    "QUESTIONS",
    "Call",
    "CallContent",
    "CallDetail",
    "CallFilter",
    "CallPage",
    "call_of_event",
    "get_call",
    "list_calls",
]

QUESTIONS = ("calls.list", "calls.newest", "calls.find", "calls.content")
MOST_CALLS = 1000
HOUR_NS = 3_600 * 10**9
SPANS_NS = (HOUR_NS, 24 * HOUR_NS, 30 * 24 * HOUR_NS)
"""How far back the list looks, then looks again if that gave too few: no cost that grows with the record."""
SLACK_NS = 60 * 10**9
"""A call's id was made at most this long before or after the time the call says."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call's metadata."""

    call_id: str
    request_id: str
    at_ms: int
    operation: str
    model: str | None
    model_answered: str | None
    provider: str | None
    deployment: str | None
    key_id: str | None
    key_name: str | None
    team: str | None
    purpose: str
    status: int
    outcome: str
    is_stream: bool
    error_type: str | None
    error_code: str | None
    error_message: str | None
    finish_reasons: tuple[str, ...]
    duration_ms: float | None
    queue_ms: float | None
    first_token_ms: float | None
    last_token_ms: float | None
    tokens_per_second: float | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    price_source: str | None
    logprob_mean: float | None
    logprob_min: float | None
    request_bytes: int
    response_bytes: int
    conversation_id: str | None
    trace_id: str | None
    subject: str | None
    dialect: str
    cache: str | None
    experiment: str | None
    arm: str | None
    shadow_of: str | None
    priority: str
    saved_usd: float | None


@dataclass(frozen=True, slots=True)
class CallPage:
    """Calls, newest first."""

    data: list[Call]
    next_before: str | None
    """Give it as `before` for the next page; `None` when this was the last."""


@dataclass(frozen=True, slots=True)
class CallContent:
    """What was asked and answered, as JSON where it is JSON, else as text."""

    state: Literal["full", "none", "erased", "truncated"]
    request: Any
    response: Any


@dataclass(frozen=True, slots=True)
class CallDetail(Call):
    """One call with its parameters, its attempts and its content."""

    parameters: dict[str, Any]
    attempts: list[dict[str, Any]]
    content: CallContent
    feedback: list[FeedbackDetail]
    """What was said of it, oldest first, with the words."""


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls; what is `None` does not matter."""

    model: str | None = None
    outcome: str | None = None
    status_class: StatusClass | None = None
    key_id: str | None = None
    conversation_id: str | None = None
    team: str | None = None
    deployment: str | None = None
    dialect: str | None = None
    cache: str | None = None
    experiment: str | None = None
    arm: str | None = None
    shadow_of: str | None = None

    def matches(self, call: Call) -> bool:
        """Says whether `call` is one of them, as the question to the record would."""
        plain = all(
            wanted is None or getattr(call, name) == wanted
            for name in PLAIN_FILTERS
            for wanted in (getattr(self, name),)
        )
        return plain and (self.status_class is None or _class_of(call) == self.status_class)


PLAIN_FILTERS = (
    "model", "outcome", "key_id", "conversation_id", "team", "deployment", "dialect", "cache", "experiment",
    "arm", "shadow_of",
)  # fmt: skip
_FIELDS = tuple(field.name for field in fields(Call))
_COLUMNS = ", ".join({"at_ms": "at_ns", "key_name": "NULL"}.get(name, name) for name in _FIELDS)


def list_calls(
    record: Readable,
    *,
    limit: int = 50,
    before: str | None = None,
    only: CallFilter | None = None,
    key_names: Mapping[str, str] | None = None,
) -> CallPage:
    """Returns up to `limit` calls that are older than the call `before`, newest first."""
    limit = max(1, min(limit, MOST_CALLS))
    clauses, values = _clauses(only or CallFilter())
    values["limit"] = limit + 1
    with record.reader() as reader:
        newest_ns = _newest_ns(reader, before)
        if before is not None:
            clauses.append("call_id < $before")
            values["before"] = before
        for span_ns in (*SPANS_NS, None):
            bound = [*clauses, "at_ns >= $since"] if span_ns is not None else clauses
            given = values | {"since": newest_ns - (span_ns or 0)}
            where = f"WHERE {' AND '.join(bound)}" if bound else ""
            text = f"SELECT {_COLUMNS} FROM calls {where} ORDER BY call_id DESC LIMIT $limit"  # noqa: S608 - our own words
            rows = reader.rows(Question("calls.list", text, given))
            if len(rows) > limit:
                break
    calls = [_call(row, key_names or {}) for row in rows[:limit]]
    return CallPage(calls, calls[-1].call_id if len(rows) > limit else None)


def get_call(
    record: Readable, call_id: str, *, keyring: Keyring, key_names: Mapping[str, str] | None = None
) -> CallDetail:
    """Returns the call with this id, or the newest with this request id, and its content.

    Raises:
        NotFoundError: there is no such call on record.
    """
    with record.reader() as reader:
        row = _find(reader, call_id)
        if row is None:
            raise NotFoundError(
                f"no call {call_id!r} is on record",
                hint="calls get on record within a second of their end, and are kept for the retention time",
            )
        plain = _call(row, key_names or {})
        at_ns, parameters, attempts, has_content = row[_FIELDS.index("at_ms")], *row[len(_FIELDS) :]
        parts = _parts(reader, plain.call_id, at_ns) if has_content else []
    return CallDetail(
        **{name: getattr(plain, name) for name in _FIELDS},
        parameters=msgspec.json.decode(parameters or b"{}"),
        attempts=[{"reason": "first"} | attempt for attempt in msgspec.json.decode(attempts or b"[]")],
        content=_content(parts, plain.call_id, keyring),
        feedback=feedback_of_call(record, plain.call_id, keyring=keyring, key_names=key_names),
    )


def call_of_event(event: RequestCompleted, key_names: Mapping[str, str] | None = None) -> Call:
    """Returns a call as the record will show it, from its event (for the live tail)."""
    given = {name: getattr(event, name) for name in _FIELDS if name not in {"at_ms", "key_name"}}
    return Call(at_ms=event.at_ns // 1_000_000, key_name=(key_names or {}).get(event.key_id or ""), **given)


def _clauses(only: CallFilter) -> tuple[list[str], dict[str, Any]]:
    wanted = {name: getattr(only, name) for name in PLAIN_FILTERS}
    given = {name: value for name, value in wanted.items() if value is not None}
    clauses = [f"{name} = ${name}" for name in given]
    if only.status_class is not None:
        clauses.append(STATUS_CLASSES[only.status_class])
    return clauses, given


def _newest_ns(reader: Reader, before: str | None) -> int:
    """Returns a time that no call on the page is after."""
    if before is not None and (made_ns := _made_ns(before)) is not None:
        return made_ns + SLACK_NS
    ((newest_ns,),) = reader.rows(Question("calls.newest", "SELECT max(at_ns) FROM calls", {}))
    return int(newest_ns or 0)


def _made_ns(call_id: str) -> int | None:
    """Returns when a UUIDv7 in hex was made (RFC 9562, section 5.7), `None` if it is not one."""
    if len(call_id) != 32 or call_id[12] != "7":  # noqa: PLR2004 - as the RFC has it
        return None
    try:
        return int(call_id[:12], 16) * 1_000_000
    except ValueError:
        return None


def _find(reader: Reader, call_id: str) -> tuple[Any, ...] | None:
    question = f"SELECT {_COLUMNS}, parameters, attempts, has_content FROM calls WHERE "  # noqa: S608 - our own words
    if (made_ns := _made_ns(call_id)) is not None:
        near = reader.rows(
            Question(
                "calls.find",
                f"{question} call_id = $id AND at_ns BETWEEN $start AND $end LIMIT 1",
                {"id": call_id, "start": made_ns - SLACK_NS, "end": made_ns + SLACK_NS},
            )
        )
        if near:
            return near[0]
    named = f"{question} call_id = $id OR request_id = $id ORDER BY call_id = $id DESC, call_id DESC LIMIT 1"
    rows = reader.rows(Question("calls.find", named, {"id": call_id}))
    return rows[0] if rows else None


def _call(row: tuple[Any, ...], key_names: Mapping[str, str]) -> Call:
    given = dict(zip(_FIELDS, row, strict=False))
    given["at_ms"] //= 1_000_000
    given["key_name"] = key_names.get(given["key_id"] or "")
    given["finish_reasons"] = tuple(msgspec.json.decode(given["finish_reasons"] or b"[]"))
    return Call(**given)


def _class_of(call: Call) -> StatusClass:
    if call.status >= 500 or call.outcome in {"failed", "cut"}:  # noqa: PLR2004 - as `classes` has it
        return "server_error"
    return "client_error" if call.status >= 400 else "ok"  # noqa: PLR2004 - as above


def _parts(reader: Reader, call_id: str, at_ns: int) -> list[tuple[str, bytes]]:
    with reader.content(day_of(at_ns)) as schema:
        if schema is None:
            return []
        text = (
            f"SELECT subject, sealed FROM {schema}.content"  # noqa: S608 - our own name
            " WHERE at_ns = $at_ns AND call_id = $id ORDER BY part"
        )
        rows = reader.rows(Question("calls.content", text, {"at_ns": at_ns, "id": call_id}))
    return [(str(subject), bytes(sealed)) for subject, sealed in rows]


def _content(parts: list[tuple[str, bytes]], call_id: str, keyring: Keyring) -> CallContent:
    """Puts together what a stream's start and a call's end had; the end's word is the later one."""
    if not parts:
        return CallContent("none", None, None)
    request: bytes | None = None
    response: bytes | None = None
    is_truncated = False
    for subject, sealed in parts:
        content = _unsealed(keyring, subject, call_id, sealed)
        if content is None:
            return CallContent("erased", None, None)
        request = content.request if content.request is not None else request
        response = content.response if content.response is not None else response
        is_truncated |= (content.request_truncated_from or content.response_truncated_from) is not None
    return CallContent("truncated" if is_truncated else "full", _shown(request), _shown(response))


def _unsealed(keyring: Keyring, subject: str, call_id: str, sealed: bytes) -> Content | None:
    key = keyring.find(subject)
    if key is None or not is_under(key, sealed):
        return None
    return unseal(key, call_id, sealed)


def _shown(body: bytes | None) -> Any:
    if body is None:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")
