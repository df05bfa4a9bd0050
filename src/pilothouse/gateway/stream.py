"""Answers a call whose answer is a stream of events.

Whole events are passed on as they come, several together when they came together. The head leaves with the
first token, after the start is on record: until then another deployment may still answer. `[DONE]` leaves
after the end is on record. Refuses to know how a batch is edited. Invariant: a stream that was cut ends in an
error event, never in `[DONE]`.
"""

from time import perf_counter

import msgspec

from pilothouse.contracts.errors import ApiError, JournalError
from pilothouse.contracts.events import Outcome
from pilothouse.gateway import record, translate, wire
from pilothouse.gateway.answers import OK, STATUS_LINES
from pilothouse.gateway.batch import BatchEdits, has_token, split_done, split_error
from pilothouse.gateway.call import Call
from pilothouse.gateway.dialects import openai
from pilothouse.gateway.dialects.client import ClientStream
from pilothouse.gateway.dialects.upstream import UpstreamStream
from pilothouse.gateway.figures import confidence_of, tokens_of
from pilothouse.gateway.filtered import CONTENT_FILTER, filtered, has_end, has_filtered, is_only_opening
from pilothouse.gateway.fold import Fold
from pilothouse.gateway.network_faults import api_error, bad_answer
from pilothouse.gateway.plain import PlainAnswer
from pilothouse.gateway.routing.faults import Blame, Fault, spoken_kind
from pilothouse.gateway.sse import DONE, EventBuffer, payloads_of
from pilothouse.network.errors import BadResponseError, NetworkError, TruncatedError
from pilothouse.network.exchange import ResponseHead

EVENT_STREAM = b"text/event-stream"
HELD_BYTES = 16_384
"""The most that is held back of a stream that has not given a token, in bytes."""
HELD_S = 2.0
"""How long it is held back while events without a token come, in seconds."""
FOLD_BYTES = 65_536
"""How much of a stream is kept before it is folded, in bytes."""
HEAD = STATUS_LINES[200] + (
    b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
)


class StreamAnswer(PlainAnswer):
    """Passes events on, folds them for the record, and ends the stream; answers plainly what is none."""

    edits: BatchEdits | None = None
    kept_bytes: int = 0
    folded: Fold | None = None
    reader: UpstreamStream | None = None
    writer: ClientStream | None = None
    is_begun: bool = False
    """The head and something behind it have left."""
    is_passing: bool = False
    """It has begun, and what must be edited is known."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.buffer = EventBuffer()
        self.held = b""
        """Events that came before the first token."""
        self.kept: list[bytes] = []

    def on_head(self, head: ResponseHead) -> None:
        """Keeps the head of an answer that is no stream."""
        if head.status == OK and (head.get(b"content-type") or b"").startswith(EVENT_STREAM):
            self.reader, self.writer = translate.streams_of(self.call)
            return
        if head.status == OK:
            self.call.is_stream = False
        super().on_head(head)

    def on_body(self, data: bytes) -> None:
        """Passes on the events that are whole."""
        if self.head is not None:
            super().on_body(data)
            return
        if self.call.is_ended:
            return
        if not self.is_heard:
            self.heard(is_answer=True)
        batch = self.buffer.feed(data)
        if batch and self.reader is not None:
            batch = self.reader.feed(batch)
        if batch:
            self._take(batch)
        elif self.buffer.held_bytes > self.call.state.max_event_bytes:
            self._upstream_ended(BadResponseError("an event is over the limit"))

    def on_end(self, error: NetworkError | None) -> None:
        """Ends a stream that did not end itself with `[DONE]`."""
        if self.head is not None:
            super().on_end(error)
            return
        self.exchange = None
        if not self.call.is_ended:
            self._upstream_ended(error)

    def renew(self) -> None:
        """Forgets what came of an attempt that failed."""
        super().renew()
        self.call.is_stream = True
        self.buffer = EventBuffer()
        self.held = b""
        self.kept = []
        self.kept_bytes = 0
        self.edits = self.folded = self.reader = self.writer = None

    def cancelled(self, outcome: Outcome) -> None:
        """Records what had come when the client hung up."""
        self._close_books()
        try:
            self._record(outcome)
        except JournalError as fault:
            record.log_unrecorded(self.call, fault)

    # -- inside -------------------------------------------------------------------------------------

    def _take(self, batch: bytes) -> None:
        call = self.call
        batch, is_done = split_done(batch)
        if self.held:
            batch, self.held = self.held + batch, b""
        if batch:
            if b'"error"' in batch and (broken := split_error(batch)) is not None:
                self._error_said(*broken)
                return
            has_first = call.first_token_ms is None and has_token(batch)
            if not self.is_passing and not self._may_pass(batch, has_first=has_first, is_done=is_done):
                return
            self._keep(batch)
            now_ms = record.since_ms(call)
            call.last_token_ms = now_ms
            if has_first:
                call.first_token_ms = now_ms
            if self.edits is not None:
                batch = self.edits.apply(batch)
            if self.writer is not None:
                batch = self.writer.feed(batch)
            call.response_bytes += len(batch)
        if is_done:
            self._finish(batch)
        elif batch:
            call.client.write(batch)

    def _may_pass(self, batch: bytes, *, has_first: bool, is_done: bool) -> bool:
        """Says whether a batch may leave now; the first that may begins the stream."""
        if not (has_first or self.is_begun) and self._waits_for_token(batch, is_done=is_done):
            return False
        if self.edits is None and not self._learn(batch):
            return False
        if not self.is_begun and not self._begin(is_whole=is_done):
            return False
        self.is_passing = self.edits is not None
        return True

    def _waits_for_token(self, batch: bytes, *, is_done: bool) -> bool:
        """Holds back events without a token, or goes elsewhere when a filter let none through."""
        call = self.call
        assert call.route is not None
        if CONTENT_FILTER in call.route.fallbacks and has_filtered(batch):
            step = self.next_step(filtered())
            if step is not None:
                self.go(step)
                return True
        held_s = perf_counter() - self.begun_s - self.taken_ms / 1000
        if is_done or len(batch) > HELD_BYTES or held_s > HELD_S or not is_only_opening(batch):
            return False
        self.held = batch
        return True

    def _learn(self, batch: bytes) -> bool:
        """Reads the first event: who answers, and what must be edited. Returns whether it is a chunk."""
        call = self.call
        payload = next(payloads_of(batch), None)
        if payload is None:
            return True  # comments only
        assert call.route is not None
        try:
            first = wire.decode_chunk(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._upstream_ended(BadResponseError("an event is not a chunk"))
            return False
        call.model_answered = first.model
        self.edits = BatchEdits(
            answered=first.model,
            route=call.route,
            takes_usage=call.wants_usage,
            takes_logprobs=call.wants_confidence,
        )
        return True

    def _begin(self, *, is_whole: bool) -> bool:
        """Records the start, and sends the head. Returns whether the stream may go on."""
        call = self.call
        try:
            record.started(call, is_whole=is_whole)
        except JournalError as error:
            call.is_start_recorded = False
            self.give_up(record.unrecorded(error))
            return False
        self.is_begun = True
        call.state.streams += 1
        call.client.begin(HEAD + call.headers(), is_held=True)
        return True

    def _keep(self, batch: bytes) -> None:
        if self.call.capture is not None:
            self.call.capture.events(batch)
        self.kept.append(batch)
        self.kept_bytes += len(batch)
        if self.kept_bytes > FOLD_BYTES:
            self.call.client.hold(self.kept_bytes)
            self._fold_kept()

    def _fold_kept(self) -> None:
        kept, self.kept, self.kept_bytes = self.kept, [], 0
        if kept:
            self._fold().feed(kept[0] if len(kept) == 1 else b"".join(kept))

    def _fold(self) -> Fold:
        """Returns the fold, made at its first use."""
        if self.folded is None:
            self.folded = Fold(is_chat=self.call.operation == "chat")
        return self.folded

    def _error_said(self, before: bytes, raw: msgspec.Raw) -> None:
        """Ends the stream because the upstream says in an event that it cannot go on."""
        call = self.call
        if before:
            self._take(before)
            if call.is_ended:
                return
        assert call.target is not None
        error = openai.event_error(raw, provider=call.target.provider, secrets=call.state.secrets)
        message = "the provider sent an error in its stream"
        if self.is_begun:
            self._broken(error, message=message)
            return
        kind = spoken_kind(None, error.message)
        blame: Blame = "failed" if kind is None else "unknown"
        is_ours = kind is not None
        self.fail(
            Fault(
                error,
                kind=kind or "outage",
                blame=blame,
                status=OK,
                message=message,
                is_retryable=not is_ours,
            )
        )

    def _upstream_ended(self, error: NetworkError | None) -> None:
        """Ends a stream whose upstream said nothing more, cleanly or not."""
        call = self.call
        assert call.target is not None
        if not self.is_begun:
            if self.held and error is None and has_end(self.held):
                self._take(DONE)
            else:
                self.failed(error or BadResponseError("the stream was empty"))
            return
        if error is None and not self.buffer.held_bytes:
            self._fold_kept()
            if self._fold().is_whole:
                self._finish(b"")
                return
        error = error or TruncatedError("the stream ended before its end")
        answer = (
            bad_answer(call.target) if isinstance(error, BadResponseError) else api_error(error, call.target)
        )
        self._broken(answer)

    def _broken(self, error: ApiError, *, message: str | None = None) -> None:
        """Ends a stream that has begun with an error as its last event."""
        self.release()
        self.note_attempt(OK, error.code, "failed")
        self._close_books()
        try:
            self._record("cut", error=error, message=message)
        except JournalError as fault:
            record.log_unrecorded(self.call, fault)
        self.call.client.end(translate.failure(self.writer, error))

    def _finish(self, batch: bytes) -> None:
        """Records the end and sends the last of the stream. The upstream may still close its side."""
        call = self.call
        if not self.is_begun:
            self._upstream_ended(BadResponseError("the stream was empty"))
            return
        self.exchange = None
        self.note_attempt(OK, None, "ok")
        self._close_books()
        try:
            self._record("completed")
        except JournalError as error:
            unseen = call.held_start is not None  # nothing of it has left, so nothing does
            fault = translate.failure(self.writer, record.unrecorded(error))
            call.client.end((b"" if unseen else batch) + fault)
            return
        call.client.end(batch + (DONE if self.writer is None else self.writer.done()))

    def _close_books(self) -> None:
        """Takes the figures out of the fold."""
        call, fold = self.call, self._fold()
        self._fold_kept()
        if self.is_begun:
            call.state.streams -= 1
        call.finish_reasons = fold.finish_reasons
        if wire.is_there(fold.usage):
            try:
                call.tokens = tokens_of(wire.decode_usage(fold.usage))
            except msgspec.DecodeError:
                fold.usage = wire.NOTHING
        logprobs = fold.logprobs()
        if logprobs:
            call.confidence = confidence_of(logprobs)

    def _record(self, outcome: Outcome, *, error: ApiError | None = None, message: str | None = None) -> None:
        call = self.call
        kept = None
        if (call.policy.content != "none" or call.capture is not None) and self.is_begun:
            model = call.route.name if call.route is not None else None
            kept = self._fold().plain(model=model, with_logprobs=not call.wants_confidence)
            if call.capture is not None and outcome == "completed" and not self._fold().garbled:
                call.capture.whole(kept)
        record.end(
            call,
            status=record.status_of(call),
            outcome=outcome,
            response=kept,
            error=error,
            error_message=message,
        )
