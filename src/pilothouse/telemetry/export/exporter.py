"""The jobs that send calls and histograms on: tick by tick, again where that may help, counted in any case.

Refuses to know the wire and the journal: `sender.py` and `spool.py` do. Invariant: a tick that fails changes
nothing but counts; the request path knows nothing of any of it.
"""

import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse.contracts.errors import JournalError
from pilothouse.contracts.events import Content, RequestCompleted, RequestStarted
from pilothouse.telemetry.export.histograms import Book
from pilothouse.telemetry.export.sender import Answer, Sender
from pilothouse.telemetry.export.spool import Spool, Taken
from pilothouse.telemetry.frames import Frame
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.prometheus import Family, Sample
from pilothouse.telemetry.sealing import is_under, unseal
from pilothouse.telemetry.settings import ExportSettings

__all__ = ["MetricsExporter", "SpansExporter", "Tally", "export_families"]

log = logging.getLogger(__name__)

MOST_OPEN_STREAMS = 2000
"""Requests of streams that are kept until their answers come, where content is sent."""
MOST_CUT = 1000
CUT_BY_US = "process_ended"


@dataclass(slots=True)
class Tally:
    """What has become of what was to be sent."""

    requests: Counter[tuple[str, str]]
    """By signal and outcome: sent, later, refused, too_large."""
    items: Counter[tuple[str, str]]
    """Spans and data points likewise: sent, refused, rejected (by a receiver that took the others)."""

    @classmethod
    def empty(cls) -> "Tally":
        """Returns one without counts."""
        return cls(Counter(), Counter())

    def note(self, signal: str, answer: Answer, items: int, rejected: int) -> None:
        """Counts a request's end, and logs what went wrong."""
        self.requests[signal, answer.outcome] += 1
        if answer.outcome == "sent":
            self.items[signal, "sent"] += max(0, items - rejected)
            if rejected:
                self.items[signal, "rejected"] += min(rejected, items)
        elif answer.outcome == "refused":
            self.items[signal, "refused"] += items
        if answer.outcome != "sent":
            log.warning("telemetry was not sent", extra={"signal": signal, "why": answer.said})


class SpansExporter:
    """Sends calls as spans. Ticked by one thread; told from another."""

    def __init__(
        self, settings: ExportSettings, spool: Spool, sender: Sender, keyring: Keyring, tally: Tally
    ) -> None:
        """Takes where calls come from and go to."""
        self._settings = settings
        self._spool = spool
        self._sender = sender
        self._keyring = keyring
        self._tally = tally
        self._most = settings.batch_spans
        self._asked: OrderedDict[str, Frame] = OrderedDict()
        self._cut: deque[RequestCompleted] = deque(maxlen=MOST_CUT)

    def tell(self, calls: Iterable[RequestCompleted]) -> None:
        """Takes the calls that are in no journal: streams whose process died, ended by the projector."""
        self._cut.extend(call for call in calls if call.error_code == CUT_BY_US)

    def tick(self, now_ms: int) -> bool:
        """Sends what is next; returns whether there is more already."""
        if not self._sender.may_send(now_ms):
            return False
        taken = self._spool.take(self._most)
        cut = list(self._cut)
        if self._settings.content:
            self._remember(taken.frames)
        spans = [span for frame in taken.frames for span in self._spans(frame)]
        spans += [span for call in cut for span in _spans_of(call, None, self._settings)]
        if not spans:
            self._settle(taken, cut)
            return taken.has_more
        answer = self._sender.send(_traces_request(self._settings, spans), now_ms)
        self._tally.note("traces", answer, len(spans), _rejected("traces", answer))
        if answer.outcome == "too_large" and self._most > 1:
            self._most = max(1, min(self._most, len(taken.frames)) // 2)
            return True
        if answer.outcome == "later":
            return False
        if answer.outcome == "too_large":
            self._tally.items["traces", "refused"] += len(spans)
        self._most = self._settings.batch_spans
        self._settle(taken, cut)
        return taken.has_more

    def _settle(self, taken: Taken, cut: list[RequestCompleted]) -> None:
        self._spool.settle(taken)
        for _ in cut:
            if self._cut:
                self._cut.popleft()
        for frame in taken.frames:
            if isinstance(frame.event, RequestCompleted):
                self._asked.pop(frame.event.call_id, None)

    def _remember(self, frames: Iterable[Frame]) -> None:
        """Keeps what streams that have begun were asked: their end tells the answer alone."""
        for frame in frames:
            if isinstance(frame.event, RequestStarted) and frame.sealed is not None:
                self._asked[frame.event.call_id] = frame
        while len(self._asked) > MOST_OPEN_STREAMS:
            self._asked.popitem(last=False)

    def _spans(self, frame: Frame) -> list[Any]:
        if not isinstance(frame.event, RequestCompleted):
            return []
        content = self._content(frame) if self._settings.content else None
        return _spans_of(frame.event, content, self._settings)

    def _content(self, frame: Frame) -> Content | None:
        """Returns what was asked and answered, as far as its subject's key still exists."""
        answered = self._unsealed(frame)
        started = self._asked.get(frame.event.call_id)
        asked = self._unsealed(started) if started is not None else None
        if answered is None or asked is None or answered.request is not None:
            return answered or asked
        return msgspec.structs.replace(answered, request=asked.request)

    def _unsealed(self, frame: Frame) -> Content | None:
        if frame.sealed is None:
            return None
        key = self._keyring.find(frame.subject)
        if key is None or not is_under(key, frame.sealed):
            return None
        try:
            return unseal(key, frame.event.call_id, frame.sealed)
        except JournalError:
            return None


class MetricsExporter:
    """Sends the histograms, cumulative since this process started: what fails is in the next one too."""

    def __init__(
        self,
        settings: ExportSettings,
        book: Book,
        lock: AbstractContextManager[Any],
        sender: Sender,
        *,
        tally: Tally,
        now_ms: int,
    ) -> None:
        """Takes the book, and the lock under which it is read."""
        self._settings = settings
        self._book = book
        self._lock = lock
        self._sender = sender
        self._tally = tally
        self._since_ns = now_ms * 1_000_000

    def tick(self, now_ms: int) -> bool:
        """Sends all histograms; there is never more to do at once."""
        from pilothouse.telemetry.export import messages

        with self._lock:
            points = self._book.size
            if points == 0 or not self._sender.may_send(now_ms):
                return False
            body = messages.metrics_request(
                messages.resource_of(self._settings.resource),
                self._book,
                self._settings.conventions,
                since_ns=self._since_ns,
                now_ns=now_ms * 1_000_000,
            )
        answer = self._sender.send(body, now_ms)
        self._tally.note("metrics", answer, points, _rejected("metrics", answer))
        return False


def export_families(tally: Tally, spool: Spool | None) -> list[Family]:
    """Returns what became of what was to be sent, for Prometheus."""
    families = [
        Family(
            "pilothouse_export_requests_total",
            "counter",
            "Requests to the receiver of our telemetry: sent, later (tried again), refused, too_large.",
            [Sample(n, {"signal": s, "outcome": o}) for (s, o), n in dict(tally.requests).items()],
        ),
        Family(
            "pilothouse_export_items_total",
            "counter",
            "Spans and data points: sent, rejected (by a receiver that took the others), refused.",
            [Sample(n, {"signal": s, "outcome": o}) for (s, o), n in dict(tally.items).items()],
        ),
    ]
    if spool is None:
        return families
    return [
        *families,
        Family(
            "pilothouse_export_backlog_bytes",
            "gauge",
            "Of the journal: on record, and not yet sent.",
            [Sample(spool.backlog_bytes)],
        ),
        Family(
            "pilothouse_export_lost_bytes_total",
            "counter",
            "Of the journal: deleted before it was sent.",
            [Sample(spool.lost_bytes)],
        ),
    ]


# protobuf takes 8 MB of memory and 60 ms to import: only where something is sent.


def _spans_of(call: RequestCompleted, content: Content | None, settings: ExportSettings) -> list[Any]:
    from pilothouse.telemetry.export import messages

    return list(messages.spans_of(call, content, settings.conventions))


def _traces_request(settings: ExportSettings, spans: list[Any]) -> bytes:
    from pilothouse.telemetry.export import messages

    return messages.traces_request(messages.resource_of(settings.resource), spans, settings.conventions)


def _rejected(signal: str, answer: Answer) -> int:
    """Returns how many items the receiver says it did not take; a body we cannot read says none."""
    if answer.outcome != "sent" or not answer.body:
        return 0
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        if signal == "traces":
            traces = ExportTraceServiceResponse.FromString(answer.body)
            return int(traces.partial_success.rejected_spans)
        metrics = ExportMetricsServiceResponse.FromString(answer.body)
        return int(metrics.partial_success.rejected_data_points)
    except DecodeError:
        return 0
