"""One row a trace: what is shown of it in the list, put together from its calls and spans.

Refuses to know which traces are asked for. Invariant: a model's call that both the application and the
gateway tell of counts once in tokens and cost: the gateway's word goes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.analytics.filters.fields import CALL_ERROR, CALL_KIND
from pilothouse.analytics.trace_matches import LONGEST_TRACE_NS, TRACE_OF, Hit
from pilothouse.analytics.trace_times import MOST_SECONDS, seconds_of
from pilothouse.store.dialects.reader import Question, Reader

__all__ = ["QUESTIONS", "Feedback", "TraceRow", "rows_of"]

QUESTIONS = ("traces.rows", "traces.feedback")
MOST_ROWS = 20_000
MOST_MODELS = 5
S_NS = 10**9
NARROW_NS = 60 * S_NS


@dataclass(frozen=True, slots=True)
class Feedback:
    """How many people said so."""

    up: int = 0
    down: int = 0


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A trace in the list."""

    trace_id: str
    at_ms: int
    """When its first row began."""
    sorted_at_ms: int
    """Its place in the list: when the newest row that passes the filter began."""
    duration_ms: float
    name: str
    """Of the root: a span's name, or a call's operation."""
    kind: str
    services: list[str]
    models: list[str]
    spans: int
    """Spans that applications sent."""
    calls: int
    """Calls of the gateway."""
    errors: int
    status: int | None
    """The HTTP status of the root, when it is a call of the gateway."""
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    first_token_ms: float | None
    key_id: str | None
    key_name: str | None
    conversation_id: str | None
    call_id: str | None
    """When there is nothing but one call of the gateway: its id."""
    feedback: Feedback


@dataclass(frozen=True, slots=True)
class _Step:
    trace: str
    source: str
    step_id: str
    span_id: str | None
    parent_id: str | None
    at_ns: int
    duration_ms: float
    name: str
    kind: str
    service: str | None
    model: str | None
    status: int | None
    is_error: bool
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    first_token_ms: float | None
    key_id: str | None
    conversation_id: str | None


_CALLS = f"""{TRACE_OF["calls"]} AS trace, 'call' AS source, call_id AS step_id, span_id,
    parent_span_id AS parent_id, at_ns, coalesce(duration_ms, 0) AS duration_ms, operation AS name,
    {CALL_KIND} AS kind, NULL AS service, model, status, {CALL_ERROR} AS is_error, input_tokens,
    output_tokens, cost_usd, first_token_ms, key_id, conversation_id"""
_SPANS = """trace_id AS trace, 'span' AS source, span_id AS step_id, span_id, parent_span_id AS parent_id,
    at_ns, duration_ms, name, kind, service, model, NULL AS status, (status = 'error') AS is_error,
    input_tokens, output_tokens, cost_usd, first_token_ms, key_id, conversation_id"""


def rows_of(reader: Reader, hits: Sequence[Hit], key_names: Mapping[str, str]) -> list[TraceRow]:
    """Returns what the list shows of each of `hits`, in their order."""
    if not hits:
        return []
    times = [hit.at_ns for hit in hits]
    low, high = min(times) - LONGEST_TRACE_NS, max(times) + LONGEST_TRACE_NS
    traces = [hit.trace for hit in hits]
    seconds = seconds_of(reader, traces, low_ns=low, high_ns=high)
    if seconds:
        seconds = sorted({*seconds, *(at_ns // S_NS for at_ns in times)})
        low, high = seconds[0] * S_NS, (seconds[-1] + 1) * S_NS
    gathered: dict[str, list[_Step]] = {}
    for step in _steps(reader, traces, low, high, seconds):
        gathered.setdefault(step.trace, []).append(step)
    said = _feedback(reader, [step for steps in gathered.values() for step in steps], low)
    return [
        _row(hit, gathered[hit.trace], key_names, said.get(hit.trace, Feedback()))
        for hit in hits
        if hit.trace in gathered
    ]


def _steps(
    reader: Reader, traces: Sequence[str], low: int, high: int, seconds: Sequence[int]
) -> Iterable[_Step]:
    near = ""
    is_embedded = reader.dialect.name == "duckdb"
    if is_embedded and high - low > NARROW_NS and 0 < len(seconds) < MOST_SECONDS:
        # First by the second, which is a number: comparing every trace id between would take ten times that.
        second = reader.dialect.is_one_of(reader.dialect.divide_whole("at_ns", str(S_NS)), "$seconds")
        near = f"at_ns IN (SELECT at_ns FROM {{table}} WHERE at_ns >= $low AND at_ns < $high AND {second})"  # noqa: S608 - our own words
    asked = [
        f"SELECT {columns} FROM {table} WHERE at_ns >= $low AND at_ns < $high"  # noqa: S608 - our own words
        + (f" AND {near.format(table=table)}" if near else "")
        for table, columns in (("calls", _CALLS), ("spans", _SPANS))
    ]
    # Kept apart on purpose: put together, the database compares ids first.
    kept = "MATERIALIZED " if near else ""
    text = (
        f"WITH near AS {kept}({' UNION ALL '.join(asked)}) SELECT * FROM near "  # noqa: S608 - our own words
        f"WHERE {reader.dialect.is_one_of('trace', '$traces')} ORDER BY at_ns LIMIT $limit"
    )
    given = {"low": low, "high": high, "traces": list(traces), "seconds": list(seconds), "limit": MOST_ROWS}
    for row in reader.rows(Question("traces.rows", text, given)):
        yield _Step(*row)


def _feedback(reader: Reader, steps: Sequence[_Step], low: int) -> dict[str, Feedback]:
    of_call = {step.step_id: step.trace for step in steps if step.source == "call"}
    of_trace = {step.trace for step in steps}
    text = (
        "SELECT call_id, trace_id, "  # noqa: S608 - our own words
        "(kind = 'thumbs' AND value >= 1) OR (kind = 'stars' AND value >= 4) AS is_up FROM scores "
        "WHERE at_ns >= $low AND source = 'feedback' AND kind IN ('thumbs', 'stars') "
        f"AND ({reader.dialect.is_one_of('call_id', '$calls')} "
        f"OR {reader.dialect.is_one_of('trace_id', '$traces')}) LIMIT $limit"
    )
    given = {"low": low, "calls": list(of_call), "traces": list(of_trace), "limit": MOST_ROWS}
    found: dict[str, Feedback] = {}
    for call_id, trace_id, is_up in reader.rows(Question("traces.feedback", text, given)):
        trace = trace_id if trace_id in of_trace else of_call.get(str(call_id))
        if trace is not None:
            old = found.get(str(trace), Feedback())
            found[str(trace)] = Feedback(old.up + bool(is_up), old.down + (not is_up))
    return found


def _row(hit: Hit, steps: list[_Step], key_names: Mapping[str, str], said: Feedback) -> TraceRow:
    root = _root(steps)
    start_ns = min(step.at_ns for step in steps)
    end_ns = max(step.at_ns + int(step.duration_ms * 1e6) for step in steps)
    told = {step.parent_id for step in steps if step.source == "call"}
    counted = [
        step
        for step in steps
        if step.source == "call" or (step.kind in {"llm", "embeddings"} and step.step_id not in told)
    ]
    calls = [step for step in steps if step.source == "call"]
    return TraceRow(
        trace_id=hit.trace,
        at_ms=start_ns // 1_000_000,
        sorted_at_ms=hit.at_ns // 1_000_000,
        duration_ms=(end_ns - start_ns) / 1e6,
        name=root.name,
        kind=root.kind,
        services=_distinct(step.service for step in steps),
        models=_distinct(step.model for step in steps),
        spans=len(steps) - len(calls),
        calls=len(calls),
        errors=sum(step.is_error for step in steps),
        status=root.status,
        input_tokens=_sum(step.input_tokens for step in counted),
        output_tokens=_sum(step.output_tokens for step in counted),
        cost_usd=_sum(step.cost_usd for step in counted),
        first_token_ms=root.first_token_ms,
        key_id=root.key_id,
        key_name=key_names.get(root.key_id or ""),
        conversation_id=next((one.conversation_id for one in steps if one.conversation_id), None),
        call_id=calls[0].step_id if len(steps) == len(calls) == 1 else None,
        feedback=said,
    )


def _root(steps: list[_Step]) -> _Step:
    """Returns the step that has no parent, else the first whose parent is not here."""
    known = {step.span_id or step.step_id for step in steps}
    return min(steps, key=lambda step: (step.parent_id is not None, step.parent_id in known, step.at_ns))


def _distinct(values: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))[:MOST_MODELS]


def _sum(values: Iterable[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
