"""Reads a stream of Anthropic's events as a chat's chunks.

Refuses to know sockets and requests. Invariant: each batch gives its translation at once; after an error or
the end nothing more comes.
"""

from typing import Any

import msgspec

from pilothouse.gateway.dialects import anthropic_wire
from pilothouse.gateway.dialects.anthropic_answers import ANSWER_TOOL, FINISH_REASONS, chat_id, chat_usage
from pilothouse.gateway.dialects.anthropic_wire import Answer, Block, Delta, ErrorDetail, Event, Usage
from pilothouse.gateway.dialects.chat_wire import ChunkFrame, error_chunk
from pilothouse.gateway.dialects.text_runs import TextRuns
from pilothouse.gateway.sse import DONE, events_of, payload_of
from pilothouse.gateway.wire import encode

PING = b": ping\n\n"
"""A comment: it keeps connections open, and clients skip it."""
_NO_MESSAGE = Answer(content=[])


class EventReader:
    """One stream's state."""

    __slots__ = (
        "_at_s",
        "_begun",
        "_frame",
        "_has_arguments",
        "_is_over",
        "_runs",
        "_tool",
        "_tools",
        "_usage",
    )

    def __init__(self, at_s: int) -> None:
        self._at_s = at_s
        self._frame: ChunkFrame | None = None
        self._runs = TextRuns("text")
        self._begun = Usage()
        self._usage = Usage()
        self._tools = 0
        self._tool: int | None = None
        """The index of the tool call that is being said; -1 when it is the answer itself."""
        self._has_arguments = False
        self._is_over = False

    def feed(self, batch: bytes) -> bytes:
        """Returns a batch of events as chunks."""
        pieces = self._runs.pieces(batch)
        if pieces is not None and self._frame is not None:
            return self._frame.texts(pieces)
        return b"".join([self._event(event) for event in events_of(batch)])

    def _event(self, raw: bytes) -> bytes:
        if self._is_over:
            return b""
        piece = self._runs.piece(raw)
        if piece is not None and self._frame is not None:
            return self._frame.text(piece)
        payload = payload_of(raw)
        if payload is None:
            return PING
        try:
            event = anthropic_wire.decode_event(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._broken("an event is not one of Anthropic's")
        return self._known(event, raw)

    def _known(self, event: Event, raw: bytes) -> bytes:
        kind = event.type
        if kind == "content_block_delta":
            return self._delta(event.delta or Delta(), raw)
        if kind == "content_block_start":
            return self._block(event.content_block or Block(type=""))
        if kind == "content_block_stop":
            return self._block_end()
        if kind == "message_start":
            return self._start(event.message or _NO_MESSAGE)
        if kind == "message_delta":
            return self._message_delta(event)
        if kind == "ping":
            return PING
        return self._last(event)

    def _last(self, event: Event) -> bytes:
        """Ends the answer, whole or not; kinds of events that we do not know say nothing."""
        if event.type == "message_stop":
            self._is_over = True
            return DONE
        if event.type != "error":
            return b""
        said = event.error or ErrorDetail()
        self._is_over = True
        return error_chunk(said.message or "no reason was given", code=said.type)

    def _started(self) -> ChunkFrame:
        """Returns the frame; a stream that does not begin with its start gets one of ours."""
        if self._frame is None:
            self._start(_NO_MESSAGE)
        assert self._frame is not None
        return self._frame

    def _start(self, message: Answer) -> bytes:
        self._begun = message.usage or self._begun
        self._frame = ChunkFrame(answer_id=chat_id(message.id), model=message.model or "", at_s=self._at_s)
        return self._frame.delta(b'{"role":"assistant","content":""}')

    def _block(self, block: Block) -> bytes:
        frame = self._started()
        self._has_arguments = False
        if block.type == "tool_use":
            if block.name == ANSWER_TOOL:
                self._tool = -1
                return b""
            self._tool = self._tools
            self._tools += 1
            return frame.delta(
                encode(
                    {
                        "tool_calls": [
                            {
                                "index": self._tool,
                                "id": block.id or "",
                                "type": "function",
                                "function": {"name": block.name or "", "arguments": ""},
                            }
                        ]
                    }
                )
            )
        self._tool = None
        if block.type == "text" and block.text:
            return frame.delta(encode({"content": block.text}))
        if block.type == "thinking" and block.thinking:
            return frame.delta(encode({"reasoning_content": block.thinking}))
        return b""

    def _delta(self, delta: Delta, raw: bytes) -> bytes:
        frame = self._started()
        if delta.type == "text_delta":
            self._runs.learn(raw)
            return frame.delta(encode({"content": delta.text or ""}))
        if delta.type == "input_json_delta":
            return self._arguments(delta.partial_json or "")
        if delta.type == "thinking_delta" and delta.thinking:
            return frame.delta(encode({"reasoning_content": delta.thinking}))
        return b""

    def _arguments(self, piece: str) -> bytes:
        if not piece or self._tool is None:
            return b""
        self._has_arguments = True
        if self._tool < 0:
            return self._started().delta(encode({"content": piece}))
        return self._started().delta(self._call(piece))

    def _block_end(self) -> bytes:
        tool, self._tool = self._tool, None
        if tool is None or tool < 0 or self._has_arguments:
            return b""
        self._tool = tool
        said = self._arguments("{}")  # a call without arguments: a chat says an empty object
        self._tool = None
        return said

    def _call(self, piece: str) -> bytes:
        call: dict[str, Any] = {"index": self._tool, "function": {"arguments": piece}}
        return encode({"tool_calls": [call]})

    def _message_delta(self, event: Event) -> bytes:
        frame = self._started()
        reason = event.delta.stop_reason if event.delta is not None else None
        usage = frame.usage(chat_usage(self._begun, event.usage)) if event.usage is not None else b""
        if reason is None:
            return usage
        finish = FINISH_REASONS.get(reason, "stop")
        if finish == "tool_calls" and not self._tools:
            finish = "stop"  # the one tool was the answer itself
        return frame.delta(b"{}", finish) + usage

    def _broken(self, message: str) -> bytes:
        self._is_over = True
        return error_chunk(message, code="upstream_bad_answer")
