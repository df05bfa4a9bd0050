"""Answers a call whose answer is one JSON body.

Refuses to know streams. Invariant: the record is written before the answer, and without it none leaves.
"""

import msgspec

from pilothouse.contracts.errors import JournalError
from pilothouse.gateway import edits, record, translate, wire
from pilothouse.gateway.answers import OK, whole
from pilothouse.gateway.attempts import Answering, bad_answer
from pilothouse.gateway.call import Call
from pilothouse.gateway.content import embedding_summary
from pilothouse.gateway.figures import confidence_of, tokens_of
from pilothouse.network.errors import BadResponseError, NetworkError
from pilothouse.network.exchange import ResponseHead

NULL_BYTES = len(b"null")


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
        self.call.first_token_ms = record.since_ms(self.call)

    def on_body(self, data: bytes) -> None:
        """Keeps a piece of the body, up to the limit."""
        self.parts.append(data)
        self.size += len(data)
        if self.size > self.call.state.max_answer_bytes:
            self.release()
            self.failed(BadResponseError("the answer is over the limit"))

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
            self.note_attempt(head.status, "upstream_bad_answer")
            assert self.call.target is not None
            self.give_up(bad_answer(self.call.target))
            return
        self._answer(*answer)

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
        self.note_attempt(OK)
        call.response_bytes = len(body)
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
        self.note_attempt(head.status, error.code[:64])
        call.first_token_ms = None
        self.give_up(error, message=f"the provider answered {head.status}")
