"""Answers a call whose answer is one JSON body.

Refuses to know streams. Invariant: the record is written before the answer, and without it none leaves.
"""

import msgspec

from pilothouse.contracts.errors import JournalError
from pilothouse.gateway import edits, record, translate, wire
from pilothouse.gateway.answers import OK, whole
from pilothouse.gateway.attempts import Answering
from pilothouse.gateway.call import Call
from pilothouse.gateway.content import embedding_summary
from pilothouse.gateway.figures import UNKNOWN, confidence_of, tokens_of
from pilothouse.gateway.filtered import CONTENT_FILTER, filtered, is_empty
from pilothouse.gateway.network_faults import bad_answer
from pilothouse.gateway.routing.faults import Fault, refusal
from pilothouse.network.errors import BadResponseError, NetworkError
from pilothouse.network.exchange import ResponseHead

NULL_BYTES = len(b"null")
SAID_BYTES = 4_096
"""How much of a refusal is read for what it means."""


class PlainAnswer(Answering):
    """Gathers the body, reads its figures, records, and sends it on."""

    head: ResponseHead | None = None
    size: int = 0

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.parts: list[bytes] = []

    def on_head(self, head: ResponseHead) -> None:
        """Keeps the head."""
        self.head = head
        now_s = self.heard(is_answer=head.status == OK)
        self.call.first_token_ms = (now_s - self.call.request.started_s) * 1000

    def on_body(self, data: bytes) -> None:
        """Keeps a piece of the body, up to the limit."""
        self.parts.append(data)
        self.size += len(data)
        self.call.client.hold(len(data))
        if self.size > self.call.state.max_answer_bytes:
            assert self.call.target is not None
            self.fail(Fault(bad_answer(self.call.target), kind=None, blame="unknown", is_retryable=False))

    def on_end(self, error: NetworkError | None) -> None:
        """Answers."""
        self.exchange = None
        head = self.head
        if error is not None or head is None:
            self.call.first_token_ms = None
            self.failed(error or BadResponseError("no head came"))
            return
        body = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
        self.parts = []
        if head.status != OK:
            self._refused(head, body)
            return
        try:
            answer = self._read(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            assert self.call.target is not None
            self.fail(Fault(bad_answer(self.call.target), status=head.status))
            return
        if CONTENT_FILTER in self.call.finish_reasons and self._goes_elsewhere(body):
            return
        self._answer(*answer)

    def renew(self) -> None:
        """Forgets what came of an attempt that failed."""
        call = self.call
        self.head = None
        self.parts = []
        self.size = 0
        call.tokens = UNKNOWN
        call.finish_reasons = ()
        call.confidence = call.first_token_ms = call.model_answered = None

    def _read(self, body: bytes) -> tuple[bytes, bytes]:
        """Takes the figures out of a body. Returns it as the client and as the record is to have it."""
        call = self.call
        if call.operation == "embeddings":
            vectors = wire.decode_embedding_answer(body)
            call.tokens = tokens_of(vectors.usage)
            call.model_answered = vectors.model
            return self._public(body), embedding_summary(vectors)
        native, body = body, translate.chat_of(call, body)
        answer = wire.decode_answer(body)
        call.tokens = tokens_of(answer.usage)
        call.model_answered = answer.model
        call.finish_reasons = tuple([c.finish_reason for c in answer.choices if c.finish_reason is not None])
        logprobs = [choice.logprobs for choice in answer.choices if len(choice.logprobs) > NULL_BYTES]
        if logprobs:
            call.confidence = confidence_of(logprobs)
            if call.wants_confidence:
                body = edits.without_logprobs(body)
        body = self._public(body)
        return translate.own_of(call, body, native), body

    def _public(self, body: bytes) -> bytes:
        """Returns the body with the model's public name."""
        answered, route = self.call.model_answered, self.call.route
        assert route is not None
        if answered is None or answered == route.name:
            return body
        return edits.replace_model(body, edits.name_as_json(answered), route.model_json)

    def _answer(self, body: bytes, kept: bytes) -> None:
        call = self.call
        self.note_attempt(OK, None, "ok")
        call.response_bytes = len(body)
        if call.capture is not None:
            call.capture.whole(body if call.operation == "embeddings" else kept)
        try:
            record.end(call, status=OK, outcome="completed", response=kept)
        except JournalError as error:
            self.give_up(record.unrecorded(error))
            return
        call.client.complete(whole(OK, body, extra=call.headers(), will_close=call.client.will_close))

    def _refused(self, head: ResponseHead, body: bytes) -> None:
        """Answers an upstream's refusal in our shape."""
        call, target = self.call, self.call.target
        assert target is not None
        error = translate.refusal_of(call, target, head, body)
        call.first_token_ms = None
        self.fail(refusal(head.status, error, body[:SAID_BYTES].decode(errors="replace")))

    def _goes_elsewhere(self, body: bytes) -> bool:
        """Goes on to a fallback if a filter left nothing of the answer. Returns whether there is one."""
        call = self.call
        assert call.route is not None
        if CONTENT_FILTER not in call.route.fallbacks or not is_empty(translate.chat_of(call, body)):
            return False
        step = self.next_step(filtered())
        if step is not None:
            self.go(step)
        return step is not None
