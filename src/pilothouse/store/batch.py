"""One batch of journal frames, folded: finished calls, streams that opened and closed, sealed content by day.

Refuses to know files and databases. Invariant: folding reads nothing but its arguments, so folding the same
frames after the same state gives the same batch.
"""

from dataclasses import dataclass, field

import msgspec

from pilothouse.contracts.events import (
    FeedbackGiven,
    RequestCompleted,
    RequestStarted,
    TelemetryReceived,
)
from pilothouse.store.rows import cut_call
from pilothouse.telemetry.frames import Frame, Raw
from pilothouse.telemetry.segments import decode_frame

__all__ = ["Batch", "ContentRow", "OpenCall", "Progress"]

STARTED_PART = 0
COMPLETED_PART = 1


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A stream that has started and not ended."""

    started: RequestStarted
    run: str
    has_content: bool


@dataclass(frozen=True, slots=True)
class ContentRow:
    """Sealed content of one frame, and where the frame stands."""

    segment: str
    offset: int
    call_id: str
    at_ns: int
    subject: str
    part: int
    sealed: bytes


@dataclass(slots=True)
class Progress:
    """How far one segment is folded in."""

    position: int
    events: int = 0
    damages: int = 0
    last_at_ns: int = 0
    is_done: bool = False


@dataclass(slots=True)
class Batch:
    """What one transaction will hold."""

    open_before: dict[str, OpenCall]
    """Streams open before this batch; not changed here."""
    calls: list[RequestCompleted] = field(default_factory=list)
    has_content: list[bool] = field(default_factory=list)
    feedback: list[tuple[FeedbackGiven, bool]] = field(default_factory=list)
    """What was said of calls, and whether there was content."""
    opened: dict[str, OpenCall] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    contents: list[ContentRow] = field(default_factory=list)
    progress: dict[str, Progress] = field(default_factory=dict)
    bytes_read: int = 0
    events: int = 0

    def add(self, segment: str, run: str, raw: Raw) -> int | None:
        """Folds in one frame; returns its event's time, `None` if it is no event known here."""
        self.bytes_read += raw.end - raw.offset
        try:
            frame = decode_frame(raw.payload)
        except msgspec.MsgspecError:
            return None
        if isinstance(frame.event, TelemetryReceived):
            return None  # it has a journal of its own
        self.events += 1
        if isinstance(frame.event, RequestStarted):
            self._start(frame.event, run, has_content=frame.sealed is not None)
            self._keep(segment, raw, frame, STARTED_PART)
        elif isinstance(frame.event, FeedbackGiven):
            self.feedback.append((frame.event, frame.sealed is not None))
            self._keep(segment, raw, frame, COMPLETED_PART)
        else:
            self._complete(frame.event, has_content=frame.sealed is not None)
            self._keep(segment, raw, frame, COMPLETED_PART)
        return frame.event.at_ns

    def cut(self, run: str) -> None:
        """Ends the streams that `run`, which is dead and wholly read, left open."""
        for opened in [*self.open_before.values(), *self.opened.values()]:
            if opened.run == run:
                self._complete(cut_call(opened.started), has_content=False)

    def _start(self, started: RequestStarted, run: str, *, has_content: bool) -> None:
        self.opened[started.call_id] = OpenCall(started, run, has_content)

    def _complete(self, call: RequestCompleted, *, has_content: bool) -> None:
        opened = self.opened.pop(call.call_id, None)
        if opened is None:
            opened = self.open_before.get(call.call_id)
            if opened is not None:
                self.closed.append(call.call_id)
        self.calls.append(call)
        self.has_content.append(has_content or (opened is not None and opened.has_content))

    def _keep(self, segment: str, raw: Raw, frame: Frame, part: int) -> None:
        if frame.sealed is not None:
            event = frame.event
            self.contents.append(
                ContentRow(segment, raw.offset, event.call_id, event.at_ns, frame.subject, part, frame.sealed)
            )
