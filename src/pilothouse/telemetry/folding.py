"""Folds what applications sent into rows: spans, scores, log records, metric points, and sealed content.

Refuses to know files and databases. Invariant: what a person may have written is in the sealed contents only;
each row is one tuple in the order of its table's columns (`store/staging.py`).
"""

import hashlib
import logging
from collections.abc import Callable
from operator import attrgetter
from types import ModuleType
from typing import Any

import msgspec

from pilothouse.contracts.events import Content, TelemetryReceived
from pilothouse.contracts.spans import Evaluation, Span, SpanContent
from pilothouse.telemetry.otlp.raw import RawLog, RawPoint, RawSpan, Resource
from pilothouse.telemetry.sealing import Sealer
from pilothouse.telemetry.semconv.fold import Folded, fold_log, fold_span

__all__ = ["ContentRow", "Folding"]

ContentRow = tuple[str, int, str, bytes]
"""Id, Unix nanoseconds, subject, sealed bytes."""

MOST_AHEAD_NS = 600 * 10**9
"""A clock may be ten minutes ahead; what is further is set to when it was received."""
MOST_LABELS = 64
MOST_LABEL_CHARACTERS = 500
MOST_NAME_CHARACTERS = 500
SUMS = frozenset({"gauge", "sum"})

logger = logging.getLogger(__name__)
_json = msgspec.json.Encoder(enc_hook=str).encode
_first_fields = attrgetter(
    "trace_id",
    "span_id",
    "at_ns",
    "name",
    "parent_span_id",
    "duration_ms",
    "kind",
    "operation",
    "status",
    "error_type",
    "service",
    "scope",
    "convention",
    "provider",
    "model",
    "model_answered",
    "agent",
    "tool",
    "conversation_id",
)
_numbers = attrgetter(
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost_usd",
    "first_token_ms",
)


class Folding:
    """Gathers rows until they are taken."""

    def __init__(self, sealer: Sealer, *, pseudonym: Callable[[str], str]) -> None:
        """Takes its parts.

        Args:
            sealer: Seals contents.
            pseudonym: Names a data subject by what an application calls its user.
        """
        self._sealer = sealer
        self._pseudonym = pseudonym
        self._tables: dict[str, list[tuple[Any, ...]]] = {}
        self._contents: list[ContentRow] = []
        self.take()

    def forget(self) -> None:
        """Drops derived keys, because one may have been destroyed."""
        self._sealer.forget()

    def take(self) -> tuple[dict[str, list[tuple[Any, ...]]], list[ContentRow]]:
        """Returns the rows by table, and the contents, and begins anew."""
        taken = self._tables, self._contents
        self._tables = {"spans": [], "scores": [], "log_records": [], "metric_points": []}
        self._contents = []
        return taken

    def add(self, event: TelemetryReceived, reader: ModuleType, message: Any) -> int:
        """Folds in one request; returns how many items it had."""
        count = 0
        if event.signal == "traces":
            for resource, span in reader.read_spans(message):
                self._span(event, resource, span)
                count += 1
        elif event.signal == "logs":
            for resource, log in reader.read_logs(message):
                self._log(event, resource, log, count)
                count += 1
        else:
            for resource, point in reader.read_points(message):
                self._point(event, resource, point)
                count += 1
        return count

    def _span(self, event: TelemetryReceived, resource: Resource, raw: RawSpan) -> None:
        raw.start_ns = start_ns = _time(raw.start_ns, event)
        if raw.end_ns < start_ns or raw.end_ns > event.at_ns + MOST_AHEAD_NS:
            raw.end_ns = start_ns
        try:
            folded = fold_span(resource.attributes, resource.scope, raw, self._pseudonym)
        except Exception:  # a border: one strange span must not take the others with it
            logger.exception("a span is kept without its meaning")
            folded = _plain(raw)
        span = folded.span
        subject = span.subject or event.subject or event.key_id or "none"
        content = folded.content
        if content is not None:
            self._seal(span.trace_id + span.span_id, span.at_ns, subject, _content(content))
        self._tables["spans"].append(
            (
                *_first_fields(span),
                subject,
                event.key_id,
                event.team,
                *_numbers(span),
                _json(span.finish_reasons).decode() if span.finish_reasons else None,
                span.request_id,
                _json(span.attributes).decode() if span.attributes else None,
                content is not None,
            )
        )
        for evaluation in folded.evaluations:
            self._score(event, evaluation, subject, span)

    def _log(self, event: TelemetryReceived, resource: Resource, raw: RawLog, number: int) -> None:
        raw.at_ns = _time(raw.at_ns, event)
        folded = fold_log(resource.attributes, resource.scope, raw, self._pseudonym)
        if folded is None:
            return
        subject = folded.subject or event.subject or event.key_id or "none"
        log_id = f"{event.batch_id}{number:08x}"
        if folded.content is not None:
            self._seal(log_id, raw.at_ns, subject, _content(folded.content))
        self._tables["log_records"].append(
            (
                raw.at_ns,
                log_id,
                raw.severity[:MOST_NAME_CHARACTERS],
                folded.event_name[:MOST_NAME_CHARACTERS] or None,
                folded.service,
                event.key_id,
                raw.trace_id,
                raw.span_id,
                subject,
                folded.content is not None,
            )
        )
        for evaluation in folded.evaluations:
            self._score(event, evaluation, subject, None)

    def _point(self, event: TelemetryReceived, resource: Resource, raw: RawPoint) -> None:
        labels = {
            name[:MOST_LABEL_CHARACTERS]: str(value)[:MOST_LABEL_CHARACTERS]
            for name, value in list(raw.attributes.items())[:MOST_LABELS]
        }
        is_histogram = raw.kind not in SUMS
        service = resource.attributes.get("service.name")
        self._tables["metric_points"].append(
            (
                _time(raw.at_ns, event),
                raw.name[:MOST_NAME_CHARACTERS],
                raw.kind,
                raw.unit[:MOST_NAME_CHARACTERS] or None,
                None if service is None else str(service)[:MOST_NAME_CHARACTERS],
                event.key_id,
                _json(labels).decode(),
                raw.value,
                raw.count if is_histogram else None,
                raw.total if is_histogram else None,
                _json(raw.bounds).decode() if raw.bounds else None,
                _json(raw.counts).decode() if raw.counts else None,
            )
        )

    def _score(
        self, event: TelemetryReceived, evaluation: Evaluation, subject: str, span: Span | None
    ) -> None:
        said = (
            evaluation.trace_id,
            evaluation.span_id,
            evaluation.name,
            evaluation.at_ns,
            evaluation.request_id,
        )
        score_id = hashlib.blake2b(repr(said).encode(), digest_size=16).hexdigest()
        if evaluation.explanation is not None:
            self._seal(score_id, evaluation.at_ns, subject, Content(request=_json(evaluation.explanation)))
        self._tables["scores"].append(
            (
                score_id,
                evaluation.at_ns,
                "evaluation",
                evaluation.name[:MOST_NAME_CHARACTERS],
                1,
                None,
                evaluation.value,
                evaluation.label,
                None,
                evaluation.request_id,
                evaluation.trace_id,
                evaluation.span_id,
                span.model if span is not None else None,
                None,
                event.key_id,
                event.team,
                subject,
                evaluation.explanation is not None,
            )
        )

    def _seal(self, identity: str, at_ns: int, subject: str, content: Content) -> None:
        sealed = self._sealer.seal(content, subject=subject, call_id=identity)
        self._contents.append((identity, at_ns, subject, sealed))


def _plain(raw: RawSpan) -> Folded:
    """Returns a span that could not be understood, with all that was said in its content."""
    span = Span(raw.trace_id, raw.span_id, raw.start_ns, raw.name[:MOST_NAME_CHARACTERS], raw.parent_span_id)
    return Folded(span, SpanContent(attributes=dict(raw.attributes)), [])


def _content(content: SpanContent) -> Content:
    return Content(
        request=None if content.request is None else _json(content.request),
        response=None if content.response is None else _json(content.response),
        attributes=_json(content.attributes) if content.attributes else None,
    )


def _time(at_ns: int, event: TelemetryReceived) -> int:
    """Returns a sender's time, or when it was received, where its clock is not to be believed."""
    if 0 < at_ns <= event.at_ns + MOST_AHEAD_NS:
        return at_ns
    return event.at_ns
