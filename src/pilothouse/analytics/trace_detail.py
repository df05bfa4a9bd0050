"""One trace: every call and span as steps of a tree, with their words, scores and log records.

Refuses to know who asks. Invariant: content is unsealed for the one trace that is asked for; a step whose
parent is not on record is shown as an orphan, never left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import msgspec

from pilothouse.analytics.filters.fields import CALL_ERROR, CALL_KIND
from pilothouse.analytics.record_contents import Words, read_sealed, words_of_parts
from pilothouse.analytics.trace_matches import LONGEST_TRACE_NS
from pilothouse.analytics.trace_times import times_of
from pilothouse.contracts.errors import NotFoundError
from pilothouse.store.dialects.reader import Question, Readable, Reader
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.semconv.joining import joined

__all__ = ["QUESTIONS", "LogRecord", "Score", "Step", "TraceDetail", "get_trace"]

QUESTIONS = ("trace.steps", "trace.scores", "trace.logs")
MOST_STEPS = 5000
MOST_SCORES = 1000
MOST_LOGS = 1000
MOST_CONTENT_BYTES = 4 * 1024 * 1024
"""Sealed bytes that are opened for one answer; the rest is given step by step."""
NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """A call of the gateway, or a span that an application sent."""

    step_id: str
    source: str
    """`call` or `span`."""
    span_id: str | None
    parent_id: str | None
    at_ms: float
    duration_ms: float
    name: str
    kind: str
    operation: str | None
    is_error: bool
    status: int | None
    outcome: str
    error: str | None
    service: str | None
    scope: str | None
    convention: str | None
    provider: str | None
    deployment: str | None
    model: str | None
    model_answered: str | None
    agent: str | None
    tool: str | None
    key_id: str | None
    team: str | None
    conversation_id: str | None
    request_id: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    first_token_ms: float | None
    finish_reasons: list[str]
    attributes: dict[str, Any]
    is_orphan: bool
    content: Words


@dataclass(frozen=True, slots=True)
class Score:
    """What somebody or something said of a step."""

    score_id: str
    at_ms: int
    source: str
    name: str
    kind: str | None
    value: float | None
    label: str | None
    step_id: str | None
    """The call or span that it is about, where it is in this trace."""
    text: Any
    correction: Any


@dataclass(frozen=True, slots=True)
class LogRecord:
    """An event that an application logged in this trace."""

    log_id: str
    at_ms: float
    severity: str | None
    event_name: str | None
    service: str | None
    span_id: str | None
    content: Words


@dataclass(frozen=True, slots=True)
class TraceDetail:
    """One trace; steps in the order they began."""

    trace_id: str
    at_ms: float
    duration_ms: float
    key_names: dict[str, str]
    spans: list[Step]
    calls: list[str]
    """The ids of the calls among them."""
    scores: list[Score]
    logs: list[LogRecord]
    orphans: int
    """Steps whose parent is not on record."""
    is_cut: bool
    """Whether there are more steps than are shown."""


_COLUMNS = (
    ("step_id", "call_id", "span_id"),
    ("source", "'call'", "'span'"),
    ("span_id", "span_id", "span_id"),
    ("parent_id", "parent_span_id", "parent_span_id"),
    ("at_ns", "at_ns", "at_ns"),
    ("duration_ms", "coalesce(duration_ms, 0)", "duration_ms"),
    ("name", "operation", "name"),
    ("kind", CALL_KIND, "kind"),
    ("operation", "operation", "operation"),
    ("is_error", CALL_ERROR, "(status = 'error')"),
    ("status", "status", "NULL"),
    ("outcome", "outcome", "status"),
    ("error", "coalesce(error_message, error_code, error_type)", "error_type"),
    ("service", "NULL", "service"),
    ("scope", "NULL", "scope"),
    ("convention", "NULL", "convention"),
    ("provider", "provider", "provider"),
    ("deployment", "deployment", "NULL"),
    ("model", "model", "model"),
    ("model_answered", "model_answered", "model_answered"),
    ("agent", "NULL", "agent"),
    ("tool", "NULL", "tool"),
    ("key_id", "key_id", "key_id"),
    ("team", "team", "team"),
    ("conversation_id", "conversation_id", "conversation_id"),
    ("request_id", "request_id", "request_id"),
    ("input_tokens", "input_tokens", "input_tokens"),
    ("output_tokens", "output_tokens", "output_tokens"),
    ("cached_tokens", "cached_tokens", "cached_tokens"),
    ("reasoning_tokens", "reasoning_tokens", "reasoning_tokens"),
    ("cost_usd", "cost_usd", "cost_usd"),
    ("first_token_ms", "first_token_ms", "first_token_ms"),
    ("finish_reasons", "finish_reasons", "finish_reasons"),
    ("attributes", "parameters", "attributes"),
    ("has_content", "has_content", "has_content"),
)
"""Of each column of a step: its expression over calls, and over spans."""
_NAMES = tuple(name for name, _, _ in _COLUMNS)
_CALLS = ", ".join(f"{call} AS {name}" for name, call, _ in _COLUMNS)
_SPANS = ", ".join(f"{span} AS {name}" for name, _, span in _COLUMNS)
_PLAIN = {field.name for field in fields(Step)} & set(_NAMES)


def get_trace(
    record: Readable,
    trace_id: str,
    *,
    keyring: Keyring,
    key_names: Mapping[str, str],
    at_ms: int | None = None,
    only_step: str | None = None,
) -> TraceDetail:
    """Returns a trace with all its steps, words, scores and log records.

    Args:
        record: Where it is.
        trace_id: Its id.
        keyring: What opens the words.
        key_names: The name of each key, by id.
        at_ms: About when it was, where the caller knows: for a trace without a hint.
        only_step: Open the words of this step only, however many there are.

    Raises:
        NotFoundError: there is no such trace on record.
    """
    with record.reader() as reader:
        rows = _steps(reader, trace_id, at_ms)
        if not rows:
            raise NotFoundError(
                f"no trace {trace_id!r} is on record",
                hint="traces get on record within a second, and are kept for the retention time",
            )
        low, high = rows[0]["at_ns"], rows[-1]["at_ns"]
        scores = _scores(reader, trace_id, rows, low)
        logs = _logs(reader, trace_id, low - LONGEST_TRACE_NS, high + LONGEST_TRACE_NS)
        opened = _opened(reader, keyring, _asked(trace_id, rows, scores, logs, only_step))
    return _detail(trace_id, rows, scores, logs, opened, key_names)


def _steps(reader: Reader, trace_id: str, at_ms: int | None) -> list[dict[str, Any]]:
    """Returns the rows of a trace's steps in the order they began."""
    bounds = times_of(reader, [trace_id])
    if bounds is None and at_ms is not None:
        bounds = (at_ms * NS - LONGEST_TRACE_NS, at_ms * NS + LONGEST_TRACE_NS)
    within = "" if bounds is None else "at_ns >= $low AND at_ns < $high AND "
    # Compared by the plain columns: `coalesce` of them would read every row.
    text = (
        f"SELECT * FROM (SELECT {_CALLS} FROM calls "  # noqa: S608 - our own words
        f"WHERE {within}(trace_id = $trace OR (trace_id IS NULL AND call_id = $trace)) "
        f"UNION ALL SELECT {_SPANS} FROM spans WHERE {within}trace_id = $trace) AS steps "
        "ORDER BY at_ns, source, step_id LIMIT $limit"
    )
    low, high = bounds or (0, 0)
    given = {"trace": trace_id, "low": low, "high": high, "limit": MOST_STEPS + 1}
    return [dict(zip(_NAMES, row, strict=True)) for row in reader.rows(Question("trace.steps", text, given))]


def _scores(
    reader: Reader, trace_id: str, steps: Sequence[dict[str, Any]], low: int
) -> list[tuple[Any, ...]]:
    calls = [step["step_id"] for step in steps if step["source"] == "call"]
    text = (
        "SELECT score_id, at_ns, source, name, kind, value, label, call_id, span_id, has_content FROM scores "  # noqa: S608 - our own words
        f"WHERE at_ns >= $low AND (trace_id = $trace OR {reader.dialect.is_one_of('call_id', '$calls')}) "
        "ORDER BY at_ns LIMIT $limit"
    )
    given = {"trace": trace_id, "calls": calls, "low": low, "limit": MOST_SCORES}
    return reader.rows(Question("trace.scores", text, given))


def _logs(reader: Reader, trace_id: str, low: int, high: int) -> list[tuple[Any, ...]]:
    text = (
        "SELECT log_id, at_ns, severity, event_name, service, span_id, has_content FROM log_records "
        "WHERE at_ns >= $low AND at_ns < $high AND trace_id = $trace ORDER BY at_ns, log_id LIMIT $limit"
    )
    given = {"trace": trace_id, "low": low, "high": high, "limit": MOST_LOGS}
    return reader.rows(Question("trace.logs", text, given))


def _asked(
    trace_id: str,
    steps: Sequence[dict[str, Any]],
    scores: Sequence[tuple[Any, ...]],
    logs: Sequence[tuple[Any, ...]],
    only_step: str | None,
) -> list[tuple[str, int]]:
    """Returns the ids and times of the contents to open."""
    found = [
        (_content_id(trace_id, step), int(step["at_ns"]))
        for step in steps
        if step["has_content"] and only_step in {None, step["step_id"]}
    ]
    if only_step is None:
        found += [(str(score[0]), int(score[1])) for score in scores if score[-1]]
        found += [(str(log[0]), int(log[1])) for log in logs if log[-1]]
    return found


def _content_id(trace_id: str, step: Mapping[str, Any]) -> str:
    return str(step["step_id"]) if step["source"] == "call" else f"{trace_id}{step['step_id']}"


def _opened(reader: Reader, keyring: Keyring, asked: Iterable[tuple[str, int]]) -> dict[str, Words]:
    opened: dict[str, Words] = {}
    size = 0
    for row_id, parts in read_sealed(reader, asked).items():
        size += sum(len(sealed) for _, sealed in parts)
        opened[row_id] = (
            words_of_parts(keyring, row_id, parts)
            if size <= MOST_CONTENT_BYTES or not opened
            else Words("left_out")
        )
    return opened


def _detail(
    trace_id: str,
    rows: list[dict[str, Any]],
    scores: Sequence[tuple[Any, ...]],
    logs: Sequence[tuple[Any, ...]],
    opened: Mapping[str, Words],
    key_names: Mapping[str, str],
) -> TraceDetail:
    shown = rows[:MOST_STEPS]
    known = {row["span_id"] or row["step_id"] for row in shown}
    steps = [_step(row, known, opened.get(_content_id(trace_id, row))) for row in shown]
    ids = {step.step_id for step in steps}
    said = [_log(row, opened.get(str(row[0]))) for row in logs]
    start = min(step.at_ms for step in steps)
    return TraceDetail(
        trace_id=trace_id,
        at_ms=start,
        duration_ms=max(step.at_ms + step.duration_ms for step in steps) - start,
        key_names={one: key_names[one] for step in steps if (one := step.key_id or "") in key_names},
        spans=_with_events(steps, said),
        calls=[step.step_id for step in steps if step.source == "call"],
        scores=[_score(row, ids, opened.get(str(row[0]))) for row in scores],
        logs=said,
        orphans=sum(step.is_orphan for step in steps),
        is_cut=len(rows) > len(shown),
    )


def _with_events(steps: list[Step], logs: Iterable[LogRecord]) -> list[Step]:
    """Gives spans without messages of their own those that their senders logged (conventions up to 1.36)."""
    pieces: dict[str, list[tuple[Any, Any]]] = {}
    for log in logs:
        if log.span_id is not None and log.content.state == "full":
            pieces.setdefault(log.span_id, []).append((log.content.request, log.content.response))
    found = []
    for step in steps:
        words = step.content
        if step.span_id in pieces and words.request is None and words.response is None:
            request, response = joined(pieces[step.span_id])
            joint = Words("full", request=request, response=response, attributes=words.attributes)
            found.append(step if request is None and response is None else replace(step, content=joint))
        else:
            found.append(step)
    return found


def _step(row: dict[str, Any], known: set[str], content: Words | None) -> Step:
    given = {name: row[name] for name in _PLAIN} | {
        "at_ms": row["at_ns"] / NS,
        "is_error": bool(row["is_error"]),
        "finish_reasons": msgspec.json.decode(row["finish_reasons"] or b"[]"),
        "attributes": msgspec.json.decode(row["attributes"] or b"{}"),
    }
    # The parent of a gateway's call may be a client that sends no spans: that is no orphan.
    is_orphan = row["source"] == "span" and row["parent_id"] is not None and row["parent_id"] not in known
    return Step(**given, is_orphan=is_orphan, content=content or Words("none"))


def _score(row: tuple[Any, ...], ids: set[str], content: Words | None) -> Score:
    score_id, at_ns, source, name, kind, value, label, call_id, span_id, _ = row
    return Score(
        score_id=str(score_id),
        at_ms=int(at_ns) // NS,
        source=str(source),
        name=str(name),
        kind=kind,
        value=value,
        label=label,
        step_id=next((one for one in (call_id, span_id) if one in ids), None),
        text=content.request if content is not None else None,
        correction=content.response if content is not None else None,
    )


def _log(row: tuple[Any, ...], content: Words | None) -> LogRecord:
    log_id, at_ns, severity, event_name, service, span_id, _ = row
    return LogRecord(
        str(log_id), at_ns / NS, severity, event_name, service, span_id, content or Words("none")
    )
