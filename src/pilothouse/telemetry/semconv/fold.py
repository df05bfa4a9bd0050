"""Folds what a sender said, under any of the conventions, into our one model of a span or a log record.

Refuses to know the wire and sealing. Invariant: it never raises for what a sender said; each value that came
is in a field, in the allowed attributes, or in the content, whole or cut with a note of what it was.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from pilothouse.contracts.spans import Evaluation, Span, SpanContent, SpanKind
from pilothouse.telemetry.otlp.raw import RawLog, RawSpan
from pilothouse.telemetry.semconv import (
    clear,
    content,
    early,
    events,
    genai,
    openinference,
    openllmetry,
    values,
)
from pilothouse.telemetry.semconv.absorbing import absorb
from pilothouse.telemetry.semconv.draft import Draft, convention

__all__ = ["Folded", "FoldedLog", "fold_log", "fold_span"]

Pseudonym = Callable[[str], str]
"""Names a data subject by what an application calls its user."""

STATUS = ("unset", "ok", "error")
OPERATIONS = {
    "llm": "chat",
    "embeddings": "embeddings",
    "agent": "invoke_agent",
    "tool": "execute_tool",
    "retrieval": "retrieval",
}
"""What a kind's operation is called where the sender did not say."""
MOST_NAME_CHARACTERS = 256


@dataclass(slots=True)
class Folded:
    """One span, its content, and the scores that were given with it."""

    span: Span
    content: SpanContent | None
    evaluations: list[Evaluation]


@dataclass(slots=True)
class FoldedLog:
    """One log record: whom it concerns, what it says, and the scores that it gives."""

    event_name: str
    service: str | None
    subject: str | None
    content: SpanContent | None
    """Of a conventions' event: a piece of its span's content (`joining.joined`)."""
    evaluations: list[Evaluation]


def fold_span(
    resource: Mapping[str, Any], scope: str, raw: RawSpan, pseudonym: Pseudonym | None = None
) -> Folded:
    """Returns a span in our model.

    Args:
        resource: The attributes of who sends.
        scope: The instrumentation's name.
        raw: The span as it came; its times are taken as they are.
        pseudonym: Names the data subject of a user's id; without it, no subject is named.
    """
    draft = Draft()
    absorb(draft, raw.attributes)
    rest = draft.rest
    if raw.events and (others := events.absorb(draft, raw)):
        rest["events"] = others
    if raw.links:
        rest["links"] = [{"trace_id": link.trace_id, "span_id": link.span_id} for link in raw.links[:128]]
    if raw.message:
        rest["error.message"] = values.bounded(raw.message, draft.cuts, "error.message")
    kind = _kind(draft)
    request, response = content.compose(draft, kind)
    if draft.trees or "evaluation.name" in draft.fields:
        events.scores(draft, raw)
    if draft.held or draft.trees:
        _keep(draft)
    held = None
    if request is not None or response is not None or rest:
        held = SpanContent(request=request, response=response, attributes=rest)
    span = _span(resource, scope, raw, draft, kind=kind, pseudonym=pseudonym)
    if "finish_reasons" not in draft.fields and response is not None:
        span = _with_reasons(span, response)
    return Folded(span, held, draft.evaluations)


def fold_log(
    resource: Mapping[str, Any], scope: str, raw: RawLog, pseudonym: Pseudonym | None = None
) -> FoldedLog | None:
    """Returns a log record in our model; a conventions' event gives a piece of its span's content."""
    name = raw.event_name or values.as_label(raw.attributes.get("event.name")) or ""
    draft = Draft()
    body = raw.body if isinstance(raw.body, dict) else {}
    if name in early.EVENT_ROLES or name == events.CHOICE:
        said = {
            key: values.bounded(each, draft.cuts, key) for key, each in {**raw.attributes, **body}.items()
        }
        if name == events.CHOICE:
            draft.answers.append(early.choice(said, 0))
        else:
            draft.turns.append(early.turn(name, said))
        raw_attributes: Mapping[str, Any] = {}
    else:
        raw_attributes = {**raw.attributes, **body} if name in events.EVENTS else raw.attributes
    if name == events.EVALUATION:
        made = events.evaluation(
            raw_attributes,
            trace_id=raw.trace_id or "",
            span_id=raw.span_id,
            at_ns=raw.at_ns,
            cuts=draft.cuts,
        )
        return FoldedLog(name, _service(resource), None, None, [made])
    absorb(draft, raw_attributes)
    request, response = content.compose(draft, "llm")
    _keep(draft)
    if raw.body is not None and not (body and name in events.EVENTS) and name not in early.EVENT_ROLES:
        draft.rest["body"] = values.bounded(raw.body, draft.cuts, "body")
    if scope:
        draft.rest["scope"] = scope[:MOST_NAME_CHARACTERS]
    held = SpanContent(request=request, response=response, attributes={**draft.clear, **draft.rest})
    return FoldedLog(name, _service(resource), _subject(draft, pseudonym), held, draft.evaluations)


def _kind(draft: Draft) -> str:
    """Returns what kind of step it is, and completes the operation's name."""
    fields = draft.fields
    operation = fields.get("operation")
    if operation is None and "llm.operation" in fields:
        operation = fields["operation"] = openllmetry.OPERATIONS.get(fields["llm.operation"])
    kind = openinference.KINDS.get(str(fields.get("openinference.kind")).upper())
    if kind is None and operation is not None:
        kind = genai.KINDS.get(operation)
    if kind is None and "traceloop.kind" in fields:
        kind = openllmetry.KINDS.get(fields["traceloop.kind"])
    if kind is None:
        kind = _guessed(draft)
        said = {"openinference.span.kind": "openinference.kind", "llm.request.type": "llm.operation"}
        draft.clear.update((name, fields[field]) for name, field in said.items() if field in fields)
    if operation is None:
        fields["operation"] = OPERATIONS.get(kind)
    return kind


def _guessed(draft: Draft) -> str:
    if draft.clear.get("mcp.method.name") == "tools/call":
        return "tool"
    if "gen_ai.retrieval.documents" in draft.held or "db.vector.query.top_k" in draft.clear:
        return "retrieval"
    if "model" in draft.fields and draft.conventions:
        return "llm"
    return "other"


def _span(
    resource: Mapping[str, Any],
    scope: str,
    raw: RawSpan,
    draft: Draft,
    *,
    kind: str,
    pseudonym: Pseudonym | None,
) -> Span:
    get = draft.fields.get
    status = STATUS[raw.status] if raw.status in (0, 1, 2) else "unset"
    error = get("error_type")
    if draft.cuts:
        draft.clear["pilothouse.cut"] = len(draft.cuts)
    for name in draft.fields.keys() & _CLEAR_FIELDS.keys():
        draft.clear[_CLEAR_FIELDS[name]] = draft.fields[name]
    return Span(
        trace_id=raw.trace_id,
        span_id=raw.span_id,
        at_ns=raw.start_ns,
        name=raw.name[:MOST_NAME_CHARACTERS],
        parent_span_id=raw.parent_span_id or None,
        duration_ms=max(0.0, (raw.end_ns - raw.start_ns) / 1e6),
        kind=cast("SpanKind", kind),
        operation=get("operation"),
        status="error" if status == "error" else "ok" if status == "ok" else "unset",
        error_type=error if error is not None or status != "error" else "_OTHER",
        service=_service(resource),
        scope=scope[:MOST_NAME_CHARACTERS] or None,
        convention=convention(draft.conventions),
        provider=_provider(get("provider")),
        model=get("model"),
        model_answered=get("model_answered"),
        agent=get("agent") or (get("entity") if kind == "agent" else None),
        tool=get("tool") or (get("entity") if kind == "tool" else None),
        conversation_id=get("conversation_id"),
        subject=_subject(draft, pseudonym),
        input_tokens=get("input_tokens"),
        output_tokens=get("output_tokens"),
        cached_tokens=get("cached_tokens"),
        reasoning_tokens=get("reasoning_tokens"),
        cost_usd=get("cost_usd"),
        first_token_ms=get("first_token_ms"),
        finish_reasons=get("finish_reasons") or (),
        request_id=get("request_id"),
        attributes=draft.clear,
    )


_CLEAR_FIELDS = {
    "workflow": "gen_ai.workflow.name",
    "entity": "traceloop.entity.name",
    "traceloop.kind": "traceloop.span.kind",
    "evaluation.name": "gen_ai.evaluation.name",
    "evaluation.value": "gen_ai.evaluation.score.value",
    "evaluation.label": "gen_ai.evaluation.score.label",
    "cache_write_tokens": "gen_ai.usage.cache_write.input_tokens",
    "retrieval.top_k": "gen_ai.retrieval.top_k",
}


def _with_reasons(span: Span, response: Any) -> Span:
    """Returns the span with the finish reasons that its choices give."""
    choices = response.get("choices") if isinstance(response, dict) else None
    said = [each.get("finish_reason") for each in choices or () if isinstance(each, dict)]
    reasons = tuple(each[:64] for each in said[:64] if isinstance(each, str) and each)
    if not reasons:
        return span
    return msgspec.structs.replace(span, finish_reasons=reasons)


def _provider(name: str | None) -> str | None:
    """Returns a vendor's name in small letters, as the conventions spell it."""
    return None if name is None else name.lower()


def _service(resource: Mapping[str, Any]) -> str | None:
    return values.as_label(resource.get("service.name"))


def _subject(draft: Draft, pseudonym: Pseudonym | None) -> str | None:
    user = draft.fields.get("user")
    if user is None:
        return None
    draft.rest["user.id"] = user
    return None if pseudonym is None else pseudonym(user)


def _keep(draft: Draft) -> None:
    """Keeps under its name what was not taken by its meaning."""
    if "llm.invocation_parameters" in draft.held:
        asked = values.parsed(draft.held["llm.invocation_parameters"])
        if isinstance(asked, dict):
            draft.clear.update(clear.settings(asked))
            draft.fields.setdefault("model", values.as_label(asked.get("model")))
    for kept in (draft.held, draft.trees):
        for name, value in kept.items():
            draft.rest.setdefault(name, value)
