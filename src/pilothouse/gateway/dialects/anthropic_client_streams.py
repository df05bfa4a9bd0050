"""Writes a chat's chunks as a stream of Anthropic's events.

Refuses to know sockets. Invariant: each block is opened before it grows and closed before another opens, and
a stream that was cut ends in `error`, never in `message_stop`.
"""

from typing import Any

import msgspec

from pilothouse.contracts.errors import ApiError
from pilothouse.gateway import wire
from pilothouse.gateway.dialects import chat_wire
from pilothouse.gateway.dialects.anthropic_answers import (
    error_body,
    message_id,
    message_usage,
    stop_reason,
)
from pilothouse.gateway.dialects.client import Asked
from pilothouse.gateway.dialects.text_runs import TextRuns
from pilothouse.gateway.sse import END, events_of, payload_of
from pilothouse.gateway.wire import Chunk, Delta, ToolCallDelta, encode, is_there

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
TEXT, THINKING, TOOL = "text", "thinking", "tool_use"


class EventWriter:
    """One stream's state."""

    __slots__ = (
        "_after",
        "_asked",
        "_before",
        "_finish",
        "_index",
        "_is_begun",
        "_kind",
        "_runs",
        "_tools",
        "_usage",
    )

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._runs = TextRuns("content")
        self._is_begun = False
        self._index = -1
        self._kind: str | None = None
        """Of the open block."""
        self._tools: dict[int, int] = {}
        """The block of each tool call, by the call's index."""
        self._finish: str | None = None
        self._usage: chat_wire.Usage | None = None
        self._before = b""
        self._after = b'"}}\n\n'

    def feed(self, batch: bytes) -> bytes:
        """Returns a batch of chunks as events."""
        pieces = self._runs.pieces(batch)
        if pieces is not None:
            return self._texts(pieces)
        return b"".join([self._event(event) for event in events_of(batch)])

    def done(self) -> bytes:
        """Returns the end of a whole message."""
        said = self._begin() + self._close()
        reason, sequence = stop_reason(self._finish, has_tools=bool(self._tools))
        end = {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": sequence},
            "usage": message_usage(self._usage),
        }
        return said + _event("message_delta", end) + STOP

    def fail(self, error: ApiError) -> bytes:
        """Returns the end of a message that was cut."""
        return b"event: error\ndata: " + error_body(error, self._asked.request_id) + END

    def _event(self, raw: bytes) -> bytes:
        piece = self._runs.piece(raw)
        if piece is not None:
            return self._texts([piece])
        payload = payload_of(raw)
        if payload is None:
            return self._begin() + PING  # a comment: it says that the upstream lives
        try:
            chunk = wire.decode_chunk(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return b""  # the record counts it; nothing in it can be said
        return self._chunk(chunk, raw)

    def _chunk(self, chunk: Chunk, raw: bytes) -> bytes:
        if is_there(chunk.usage):
            self._read_usage(chunk.usage)
        said = self._begin()
        for choice in chunk.choices or ():
            if choice.index != 0:
                continue
            if choice.delta is not None:
                said += self._delta(choice.delta, raw if _is_alone(chunk) else b"")
            if choice.finish_reason is not None:
                self._finish = choice.finish_reason
                said += self._close()
        return said

    def _delta(self, delta: Delta, raw: bytes) -> bytes:
        said = b""
        thought = delta.reasoning_content or delta.reasoning
        if thought:
            said += self._open(THINKING, {"type": THINKING, "thinking": "", "signature": ""})
            said += self._block_delta({"type": "thinking_delta", "thinking": thought})
        text = delta.content or delta.refusal
        if text:
            if raw and not thought and not delta.tool_calls and not delta.refusal:
                self._runs.learn(raw)
            said += self._texts([encode(text)[1:-1]])
        for call in delta.tool_calls or ():
            said += self._call(call)
        return said

    def _texts(self, pieces: list[bytes]) -> bytes:
        opened = self._begin() + self._open(TEXT, {"type": TEXT, "text": ""})
        before, after = self._before, self._after
        if len(pieces) == 1:
            return opened + before + pieces[0] + after if pieces[0] else opened
        return opened + before + (after + before).join(pieces) + after

    def _call(self, call: ToolCallDelta) -> bytes:
        function = call.function or wire.ToolFunction()
        index = call.index or 0
        said = b""
        if index not in self._tools:
            block = {
                "type": TOOL,
                "id": call.id or f"toolu_{self._asked.call_id[:16]}{index}",
                "name": function.name or "",
                "input": {},
            }
            said = self._close() + self._open(TOOL, block)
            self._tools[index] = self._index
        if function.arguments:
            delta = {"type": "input_json_delta", "partial_json": function.arguments}
            said += _event(
                "content_block_delta",
                {"type": "content_block_delta", "index": self._tools[index], "delta": delta},
            )
        return said

    def _begin(self) -> bytes:
        if self._is_begun:
            return b""
        self._is_begun = True
        message: dict[str, Any] = {
            "id": message_id(self._asked.call_id),
            "type": "message",
            "role": "assistant",
            "model": self._asked.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": message_usage(self._usage),
        }
        return _event("message_start", {"type": "message_start", "message": message})

    def _open(self, kind: str, block: dict[str, Any]) -> bytes:
        if self._kind == kind:
            return b""
        closed = self._close()
        self._kind = kind
        self._index += 1
        if kind == TEXT:
            self._before = (
                b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
                b'"delta":{"type":"text_delta","text":"' % self._index
            )
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        return closed + _event("content_block_start", start)

    def _close(self) -> bytes:
        if self._kind is None:
            return b""
        self._kind = None
        return _event("content_block_stop", {"type": "content_block_stop", "index": self._index})

    def _block_delta(self, delta: dict[str, Any]) -> bytes:
        event = {"type": "content_block_delta", "index": self._index, "delta": delta}
        return _event("content_block_delta", event)

    def _read_usage(self, raw: msgspec.Raw) -> None:
        try:
            self._usage = chat_wire.decode_usage(raw)
        except msgspec.DecodeError:
            self._usage = None


def _event(name: str, body: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encode(body))


def _is_alone(chunk: Chunk) -> bool:
    """Says whether a chunk holds one piece of the first choice and nothing else of note."""
    return (
        chunk.choices is not None
        and len(chunk.choices) == 1
        and chunk.choices[0].finish_reason is None
        and not is_there(chunk.usage)
    )
