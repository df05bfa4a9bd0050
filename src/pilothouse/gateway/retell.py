"""Answers one call with what was answered to another: out of memory, or while the other is under way.

The client cannot tell it from an answer of its own, but for a header: usage it did not ask for is taken out,
a stream is told as a stream, and its dialect is spoken. Refuses to know where the answer comes from.
Invariant: as with every answer, the record is written first, and a stream that was cut does not end well.
"""

from typing import TYPE_CHECKING, Protocol

import msgspec

from pilothouse.contracts.errors import ApiError, JournalError, UpstreamError
from pilothouse.contracts.events import CacheHit, Outcome
from pilothouse.gateway import record, translate, wire
from pilothouse.gateway.answers import OK, whole
from pilothouse.gateway.batch import BatchEdits, has_token
from pilothouse.gateway.caching.replay import events_of
from pilothouse.gateway.call import Call
from pilothouse.gateway.content import embedding_summary
from pilothouse.gateway.figures import tokens_of
from pilothouse.gateway.sse import DONE
from pilothouse.gateway.stream import HEAD

if TYPE_CHECKING:
    from pilothouse.gateway.dialects.client import ClientStream

MARKS: dict[CacheHit, bytes] = {
    "exact": b"x-pilothouse-cache: hit\r\n",
    "semantic": b"x-pilothouse-cache: semantic\r\n",
    "coalesced": b"x-pilothouse-cache: coalesced\r\n",
}
MISS = b"x-pilothouse-cache: miss\r\n"


class Leaver(Protocol):
    """Who must know when a client has gone."""

    def left(self) -> None:
        """Learns that a call waits no longer."""


class Retelling:
    """One call's answer, told again; `kind` is `None` where it is the call's own after all."""

    __slots__ = ("_edits", "_has_token", "_is_begun", "_leaver", "_writer", "call")

    def __init__(self, call: Call, kind: CacheHit | None, leaver: Leaver | None = None) -> None:
        self.call = call
        self._leaver = leaver
        self._writer: ClientStream | None = None
        self._edits: BatchEdits | None = None
        self._is_begun = False
        self._has_token = False
        if kind is not None:
            call.cache = kind
            call.limit_lines = call.limit_lines.replace(MISS, b"") + MARKS[kind]
        call.client.occupant = self

    # -- the client's side --------------------------------------------------------------------------

    def on_client_gone(self) -> None:
        """Records the call as cancelled."""
        call = self.call
        if call.is_ended:
            return
        self._close()
        outcome: Outcome = "cut" if call.state.is_stopping else "cancelled"
        record.end_quietly(call, status=record.status_of(call), outcome=outcome)
        if self._leaver is not None:
            self._leaver.left()

    def on_client_paused(self) -> None:
        """Does nothing: what is still to come is no more than one answer, and the server cuts who stalls."""

    def on_client_resumed(self) -> None:
        """Does nothing."""

    # -- the answer ---------------------------------------------------------------------------------

    def whole(self, body: bytes, *, age_s: float = 0.0, events: bytes = b"") -> None:
        """Answers with a whole answer: as it is, or told as a stream, whose events may be known already."""
        call = self.call
        if call.cache is not None:
            call.limit_lines += b"age: %d\r\n" % age_s
        elif call.capture is not None:
            call.capture.whole(body)
        try:
            kept = self._read(body)
            if call.is_stream:
                self._tell(body, events or events_of(body))
            else:
                self._answer(body, kept)
        except msgspec.DecodeError:  # it was read before, so this is a fault of ours
            self.fail(UpstreamError("The answer cannot be told again.", hint="Try again.", code="bad_copy"))

    def events(self, batch: bytes, source: Call) -> None:
        """Passes on events of the call `source`, which is under way.

        Raises:
            JournalError: The start cannot be recorded; nothing was sent.
        """
        call = self.call
        if not self._is_begun:
            self._begin(
                answered=source.model_answered, is_whole=False, takes_logprobs=source.wants_confidence
            )
        call.client.write(self._edited(batch))

    def finish(self, source: Call, kept: bytes | None) -> None:
        """Ends a stream whose events were all passed on."""
        call = self.call
        call.model_answered, call.tokens = source.model_answered, source.tokens
        call.finish_reasons = source.finish_reasons
        call.price = source.price
        self._close()
        try:
            record.end(call, status=OK, outcome="completed", response=kept)
        except JournalError as error:
            call.client.end(translate.failure(self._writer, record.unrecorded(error)))
            return
        call.client.end(DONE if self._writer is None else self._writer.done())

    def fail(self, error: ApiError) -> None:
        """Ends the call with an error: as its whole answer, or as its last event."""
        call = self.call
        if call.is_ended:
            return
        if not self._is_begun:
            record.refuse(call, error, outcome="failed")
            return
        self._close()
        record.end_quietly(call, status=OK, outcome="cut", error=error)
        call.client.end(translate.failure(self._writer, error))

    @property
    def is_begun(self) -> bool:
        """Whether a stream's events have gone out."""
        return self._is_begun

    # -- inside -------------------------------------------------------------------------------------

    def _read(self, body: bytes) -> bytes:
        """Takes the figures out of an answer. Returns it as it is recorded."""
        call = self.call
        if call.operation == "embeddings":
            vectors = wire.decode_embedding_answer(body)
            call.tokens, call.model_answered = tokens_of(vectors.usage), vectors.model
            return embedding_summary(vectors)
        answer = wire.decode_answer(body)
        call.tokens, call.model_answered = tokens_of(answer.usage), answer.model
        call.finish_reasons = tuple([c.finish_reason for c in answer.choices if c.finish_reason is not None])
        return body

    def _answer(self, body: bytes, kept: bytes) -> None:
        call = self.call
        if call.speaks is not None:
            body = call.speaks.answer(body, translate.asked_of(call))
        call.first_token_ms = record.since_ms(call)
        call.response_bytes = len(body)
        try:
            record.end(call, status=OK, outcome="completed", response=kept)
        except JournalError as error:
            record.refuse(call, record.unrecorded(error), outcome="failed")
            return
        call.client.complete(whole(OK, body, extra=call.headers(), will_close=call.client.will_close))

    def _tell(self, body: bytes, batch: bytes) -> None:
        """Tells a whole answer as a stream, in one write."""
        call = self.call
        try:
            self._begin(answered=None, is_whole=True, takes_logprobs=False)
            batch = self._edited(batch)
            self._close()
            record.end(call, status=OK, outcome="completed", response=body)
        except JournalError as error:
            call.is_start_recorded = False
            record.refuse(call, record.unrecorded(error), outcome="failed")
            return
        call.client.begin(HEAD + call.headers(), is_held=True)
        call.client.end(batch + (DONE if self._writer is None else self._writer.done()))

    def _begin(self, *, answered: str | None, is_whole: bool, takes_logprobs: bool) -> None:
        call = self.call
        assert call.route is not None
        record.started(call, is_whole=is_whole)
        self._is_begun = True
        call.state.streams += 1
        self._writer = translate.writer_of(call)
        self._edits = BatchEdits(
            answered=answered, route=call.route, takes_usage=call.wants_usage, takes_logprobs=takes_logprobs
        )
        if not is_whole:
            call.client.begin(HEAD + call.headers(), is_held=True)

    def _edited(self, batch: bytes) -> bytes:
        call = self.call
        assert self._edits is not None
        call.last_token_ms = record.since_ms(call)
        if call.first_token_ms is None and has_token(batch):
            call.first_token_ms = call.last_token_ms
        batch = self._edits.apply(batch)
        if self._writer is not None:
            batch = self._writer.feed(batch)
        call.response_bytes += len(batch)
        return batch

    def _close(self) -> None:
        if self._is_begun:
            self.call.state.streams -= 1
