"""Providers that answer Responses themselves: what they say, as a chat, for the record alone.

Their requests go to them as they came. Refuses to know clients. Invariant: after an error or the end nothing
more comes.
"""

import msgspec

from pilothouse.contracts.errors import ApiError
from pilothouse.contracts.events import ClientDialect as Name
from pilothouse.contracts.snapshot import Provider
from pilothouse.gateway.dialects import openai, responses_wire
from pilothouse.gateway.dialects.chat_wire import ChunkFrame, error_chunk
from pilothouse.gateway.dialects.responses_answers import (
    chat_from_response,
    chat_usage,
    finish_reason,
    tool_call,
)
from pilothouse.gateway.dialects.responses_wire import Answer, ErrorDetail, Event
from pilothouse.gateway.sse import DONE, events_of, payload_of
from pilothouse.gateway.wire import encode

DELTAS = {
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning_content",
    "response.reasoning_summary_text.delta": "reasoning_content",
}
ENDS = frozenset(("response.completed", "response.incomplete"))
ERRORS = frozenset(("response.failed", "error"))


class ResponsesUpstream:
    """The dialect."""

    name: Name = "responses"

    def request_heads(
        self, provider: Provider, authority: str, base_path: str, upstream_model: str, secret: str | None
    ) -> dict[str, bytes]:
        """Returns the heads of an OpenAI-compatible provider."""
        return openai.request_heads(provider, authority, base_path, upstream_model, secret)

    def request(self, chat: bytes, upstream_model: str) -> bytes:
        """Never asked: a provider that answers Responses answers chats too."""
        raise NotImplementedError

    def own(self, body: bytes) -> bytes:
        """Returns a request as it came."""
        return body

    def answer(self, body: bytes, at_s: int) -> bytes:
        """Returns a response as a chat's answer."""
        return chat_from_response(body, at_s)

    def stream(self, at_s: int) -> "ResponseReader":
        """Returns what reads one stream."""
        return ResponseReader(at_s)

    def error_of(
        self, status: int, body: bytes, *, provider: str, secrets: frozenset[str], retry_after: bytes | None
    ) -> ApiError:
        """Returns our error for an answer that is not 200."""
        return openai.error_of(status, body, provider=provider, secrets=secrets, retry_after=retry_after)


class ResponseReader:
    """One stream's state."""

    def __init__(self, at_s: int) -> None:
        self._at_s = at_s
        self._frame: ChunkFrame | None = None
        self._calls: dict[int, int] = {}
        """The index of each function call, by its place in the output."""
        self._is_over = False

    def feed(self, batch: bytes) -> bytes:
        """Returns a batch of events as chunks."""
        return b"".join([self._event(event) for event in events_of(batch)])

    def _event(self, raw: bytes) -> bytes:
        payload = payload_of(raw)
        if self._is_over or payload is None:
            return b""
        try:
            event = responses_wire.decode_event(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._failed(ErrorDetail("an event is not one of a response's", "upstream_bad_answer"))
        return self._known(event)

    def _known(self, event: Event) -> bytes:
        kind = event.type
        if kind == "response.output_text.delta":
            return self._started(event).delta(encode({"content": _text(event)}))
        if kind in DELTAS:
            return self._started(event).delta(encode({DELTAS[kind]: _text(event)}))
        if kind == "response.output_item.added" and event.item is not None:
            return self._item(event)
        if kind == "response.function_call_arguments.delta" and event.output_index in self._calls:
            call = {"index": self._calls[event.output_index], "function": {"arguments": _text(event)}}
            return self._started(event).delta(encode({"tool_calls": [call]}))
        if kind == "response.created":
            return self._started(event).delta(b'{"role":"assistant","content":""}')
        if kind in ENDS and event.response is not None:
            return self._end(event, event.response)
        if kind in ERRORS:
            said = event.response.error if event.response is not None else None
            return self._failed(said or ErrorDetail(event.message, event.code))
        return b""

    def _item(self, event: Event) -> bytes:
        item = event.item
        if item is None or item.type != "function_call":
            return b""
        index = self._calls[event.output_index] = len(self._calls)
        return self._started(event).delta(encode({"tool_calls": [{"index": index, **tool_call(item)}]}))

    def _end(self, event: Event, response: Answer) -> bytes:
        self._is_over = True
        frame = self._started(event)
        said = frame.delta(b"{}", finish_reason(response, has_calls=bool(self._calls)))
        if response.usage is not None:
            said += frame.usage(chat_usage(response.usage))
        return said + DONE

    def _failed(self, said: ErrorDetail) -> bytes:
        self._is_over = True
        return error_chunk(said.message or "no reason was given", code=said.code)

    def _started(self, event: Event) -> ChunkFrame:
        if self._frame is None:
            first = event.response or Answer(output=[])
            self._frame = ChunkFrame(answer_id=first.id or "", model=first.model or "", at_s=self._at_s)
        return self._frame


def _text(event: Event) -> str:
    return event.delta if isinstance(event.delta, str) else ""
