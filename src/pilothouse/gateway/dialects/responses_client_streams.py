"""Writes a chat's chunks as a stream of a response's events, numbered from 0.

Refuses to know sockets. Invariant: each item is added before it grows and done before another begins, and a
stream that was cut ends in `response.failed`, never in `response.completed`.
"""

from typing import Any

import msgspec

from pilothouse.contracts.errors import ApiError
from pilothouse.gateway import wire
from pilothouse.gateway.dialects import chat_wire
from pilothouse.gateway.dialects.client import Asked
from pilothouse.gateway.dialects.responses_answers import INCOMPLETE, Frame, text_part
from pilothouse.gateway.dialects.text_runs import TextRuns
from pilothouse.gateway.sse import events_of, payload_of
from pilothouse.gateway.wire import Delta, Raw, ToolCallDelta, encode, is_there

TEXT, REFUSAL, THOUGHT, CALL = "output_text", "refusal", "reasoning_text", "function_call_arguments"
KEEP_ALIVE = b": ping\n\n"
ERROR_CODES = {400: "invalid_prompt", 429: "rate_limit_exceeded"}

Object = dict[str, Any]


class _Open:
    """The item that grows."""

    __slots__ = ("at", "call_id", "kind", "name", "pieces")

    def __init__(self, kind: str, at: int, *, call_id: str = "", name: str = "") -> None:
        self.kind = kind
        self.at = at
        self.call_id = call_id
        self.name = name
        self.pieces: list[bytes] = []
        """What it says, each piece the inside of a JSON string."""

    def text(self) -> Raw:
        """Returns all it said as a JSON string."""
        return Raw(b'"' + b"".join(self.pieces) + b'"')


class ResponseWriter:
    """One stream's state."""

    __slots__ = (
        "_before",
        "_finish",
        "_frame",
        "_is_begun",
        "_number",
        "_open",
        "_output",
        "_runs",
        "_tools",
        "_usage",
    )

    def __init__(self, asked: Asked) -> None:
        self._frame = Frame(asked)
        self._runs = TextRuns("content")
        self._number = 0
        self._is_begun = False
        self._open: _Open | None = None
        self._output: list[Object] = []
        self._tools: set[int] = set()
        self._finish: str | None = None
        self._usage: chat_wire.Usage | None = None
        self._before = b""
        """The event of a piece of text between its number and the text."""

    def feed(self, batch: bytes) -> bytes:
        """Returns a batch of chunks as events."""
        pieces = self._runs.pieces(batch)
        if pieces is not None:
            return self._texts(pieces)
        return b"".join([self._event(event) for event in events_of(batch)])

    def done(self) -> bytes:
        """Returns the end of a whole response."""
        reason = INCOMPLETE.get(self._finish or "stop")
        said = self._begin() + self._close("completed" if reason is None else "incomplete")
        status = "completed" if reason is None else "incomplete"
        whole = self._frame.response(status, self._output, usage=self._usage, reason=reason)
        return said + self._say(f"response.{status}", {"response": whole})

    def fail(self, error: ApiError) -> bytes:
        """Returns the end of a response that was cut."""
        said = self._begin() + self._close("incomplete")
        detail = {
            "code": ERROR_CODES.get(error.status, "server_error"),
            "message": error.message,
            "type": error.type,
            "param": error.param,
            "hint": error.hint,
        }
        whole = self._frame.response("failed", self._output, usage=self._usage, error=detail)
        return said + self._say("response.failed", {"response": whole})

    def _event(self, raw: bytes) -> bytes:
        piece = self._runs.piece(raw)
        if piece is not None:
            return self._texts([piece])
        payload = payload_of(raw)
        if payload is None:
            return self._begin() + KEEP_ALIVE
        try:
            chunk = wire.decode_chunk(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return b""  # the record counts it; nothing in it can be said
        if is_there(chunk.usage):
            self._read_usage(chunk.usage)
        said = self._begin()
        choices = chunk.choices or ()
        for choice in choices:
            if choice.index != 0:
                continue
            is_alone = len(choices) == 1 and choice.finish_reason is None and not is_there(chunk.usage)
            if choice.delta is not None:
                said += self._delta(choice.delta, raw if is_alone else b"")
            if choice.finish_reason is not None:
                self._finish = choice.finish_reason
        return said

    def _delta(self, delta: Delta, raw: bytes) -> bytes:
        said = b""
        thought = delta.reasoning_content or delta.reasoning
        if thought:
            said += self._grow(THOUGHT, thought)
        if delta.content:
            if raw and not thought and not delta.tool_calls and not delta.refusal:
                self._runs.learn(raw)
            said += self._texts([encode(delta.content)[1:-1]])
        if delta.refusal:
            said += self._grow(REFUSAL, delta.refusal)
        for call in delta.tool_calls or ():
            said += self._call(call)
        return said

    def _texts(self, pieces: list[bytes]) -> bytes:
        said = [self._begin() + self._ensure(TEXT)]
        assert self._open is not None
        self._open.pieces += pieces
        number, before = self._number, self._before
        for piece in pieces:
            if piece:
                said.append(
                    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",'
                    b'"sequence_number":%d%b%b"}\n\n' % (number, before, piece)
                )
                number += 1
        self._number = number
        return b"".join(said)

    def _grow(self, kind: str, text: str) -> bytes:
        said = self._ensure(kind)
        assert self._open is not None
        self._open.pieces.append(encode(text)[1:-1])
        return said + self._say(f"response.{kind}.delta", {**self._place(), "delta": text})

    def _call(self, call: ToolCallDelta) -> bytes:
        function = call.function or wire.ToolFunction()
        index = call.index or 0
        said = b""
        if index not in self._tools:
            self._tools.add(index)
            said = self._close("completed")
            at = len(self._output)
            call_id = call.id or f"call_{self._frame.call_id[:16]}{index}"
            self._open = _Open(CALL, at, call_id=call_id, name=function.name or "")
            item = self._frame.call(at, call_id, function.name or "", "", "in_progress")
            said += self._say("response.output_item.added", {"output_index": at, "item": item})
        if function.arguments and self._open is not None and self._open.kind == CALL:
            self._open.pieces.append(encode(function.arguments)[1:-1])
            said += self._say(
                f"response.{CALL}.delta",
                {"item_id": self._item_id(), "output_index": self._open.at, "delta": function.arguments},
            )
        return said

    def _begin(self) -> bytes:
        if self._is_begun:
            return b""
        self._is_begun = True
        fresh = {"response": self._frame.response("in_progress", [])}
        return self._say("response.created", fresh) + self._say("response.in_progress", fresh)

    def _ensure(self, kind: str) -> bytes:
        """Opens an item and its part, unless it is the open one."""
        if self._open is not None and self._open.kind == kind:
            return b""
        said = self._close("completed")
        at = len(self._output)
        self._open = _Open(kind, at)
        if kind == THOUGHT:
            item = self._frame.reasoning(at, None, "in_progress")
        else:
            item = self._frame.message(at, [], "in_progress")
        said += self._say("response.output_item.added", {"output_index": at, "item": item})
        said += self._say("response.content_part.added", {**self._place(), "part": _part(kind, "")})
        if kind == TEXT:
            place = encode({**self._place(), "logprobs": [], "delta": ""})
            self._before = b"," + place[1:-2]
        return said

    def _close(self, status: str) -> bytes:
        done = self._open
        if done is None:
            return b""
        text = done.text()
        if done.kind == CALL:
            item = self._frame.call(done.at, done.call_id, done.name, "", status)
            item["arguments"] = text
            said = self._say(
                f"response.{CALL}.done",
                {"item_id": item["id"], "output_index": done.at, "name": done.name, "arguments": text},
            )
        else:
            part = _part(done.kind, text)
            name = "refusal" if done.kind == REFUSAL else "text"
            ended: Object = {**self._place(), name: text}
            if done.kind == TEXT:
                ended["logprobs"] = []
                item = self._frame.message(done.at, [part], status)
            elif done.kind == REFUSAL:
                item = self._frame.message(done.at, [part], status)
            else:
                item = self._frame.reasoning(done.at, None, status)
                item["content"] = [part]
            said = self._say(f"response.{done.kind}.done", ended)
            said += self._say("response.content_part.done", {**self._place(), "part": part})
        said += self._say("response.output_item.done", {"output_index": done.at, "item": item})
        self._output.append(item)
        self._open = None
        return said

    def _place(self) -> Object:
        assert self._open is not None
        return {"item_id": self._item_id(), "output_index": self._open.at, "content_index": 0}

    def _item_id(self) -> str:
        assert self._open is not None
        prefix = {CALL: "fc", THOUGHT: "rs"}.get(self._open.kind, "msg")
        return f"{prefix}_{self._frame.call_id}{self._open.at}"

    def _say(self, name: str, body: Object) -> bytes:
        number, self._number = self._number, self._number + 1
        event = {"type": name, "sequence_number": number, **body}
        return b"event: %b\ndata: %b\n\n" % (name.encode(), encode(event))

    def _read_usage(self, raw: msgspec.Raw) -> None:
        try:
            self._usage = chat_wire.decode_usage(raw)
        except msgspec.DecodeError:
            self._usage = None


def _part(kind: str, text: str | Raw) -> Object:
    if kind == TEXT:
        return text_part(text)
    if kind == REFUSAL:
        return {"type": "refusal", "refusal": text}
    return {"type": "reasoning_text", "text": text}
