"""`/v1/chat/completions` where llama.cpp's own falls short: tools, and usage over several choices.

Refuses to know how a call is put to the model (`tools`) and how its text is read (`tool_text`). Invariant: a
plain answer and a stream of the same text say the same.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.serving.llama_cpp.inner import Inner
from pilothouse.serving.llama_cpp.listener import Connection
from pilothouse.serving.llama_cpp.tool_text import (
    Arguments,
    CallBegun,
    Part,
    Text,
    ToolText,
    is_start_of_call,
)
from pilothouse.serving.llama_cpp.tools import ToolPlan, plan_tools, with_tool_messages
from pilothouse.serving.llama_cpp.wire import ABSENT, Choice, Chunk, Counts, chunks, decode_json

__all__ = ["Chat", "ChatPeek"]


class _MessagePeek(msgspec.Struct, frozen=True):
    role: str = ""
    tool_calls: msgspec.Raw = ABSENT


class ChatPeek(msgspec.Struct, frozen=True):
    """What of a call decides whether llama.cpp can answer it alone."""

    messages: list[_MessagePeek]
    tools: list[msgspec.Raw] | None = None
    functions: msgspec.Raw = ABSENT
    n: int | None = None
    stream: bool | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether llama.cpp's own answer is right.

        Of an answer that is no stream, it would go on writing after the client hung up.
        """
        return (
            bool(self.stream)
            and not self.tools
            and self.n in {None, 1}
            and all(message.role != "tool" and _is_empty(message.tool_calls) for message in self.messages)
        )

    def check(self) -> None:
        """Raises `InvalidRequestError` for what no way of answering can mend."""
        if not self.messages:
            raise InvalidRequestError("`messages` is empty.", param="messages")
        if not _is_empty(self.functions):
            raise InvalidRequestError("`functions` is not supported.", param="functions", hint="Use `tools`.")


def _is_empty(field: msgspec.Raw) -> bool:
    return bytes(field) in {b"", b"null", b"[]"}


@dataclass(slots=True)
class _Made:
    """A choice as far as it is made."""

    reader: ToolText | None
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    name: str | None = None
    call_id: str = ""
    arguments: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    logprobs: list[Any] | None = None


class Chat:
    """Answers `/v1/chat/completions`."""

    def __init__(self, inner: Inner) -> None:
        self._inner = inner

    async def answer(self, body: bytes, client: Connection) -> None:
        """Answers one call."""
        given = decode_json(body)
        plan = plan_tools(given)
        asked = _asked(given, plan)
        writer = _Writer(given, plan, client)
        async for chunk in chunks(self._inner, "/v1/chat/completions", asked):
            await writer.add(chunk)
        await writer.finish()


def _asked(given: dict[str, Any], plan: ToolPlan | None) -> dict[str, Any]:
    """Returns the call as llama.cpp is asked it."""
    ours = {"tools", "tool_choice", "parallel_tool_calls", "stream", "stream_options"}
    asked = {name: value for name, value in given.items() if name not in ours}
    asked["messages"] = with_tool_messages(given["messages"], plan)
    if asked.get("logprobs") and "top_logprobs" not in asked:
        asked["top_logprobs"] = 1
    if plan is None:
        return asked
    wanted = asked.pop("response_format", None)
    is_text = wanted is None or (isinstance(wanted, dict) and wanted.get("type") == "text")
    if not plan.is_required and not is_text:
        raise InvalidRequestError(
            "`response_format` together with `tool_choice` auto is not supported.",
            param="response_format",
            hint="Set `tool_choice` to none or required, or leave `response_format` out.",
        )
    if "grammar" in asked:
        raise InvalidRequestError("`grammar` together with `tools` is not supported.", param="grammar")
    asked["grammar"] = plan.grammar()
    return asked


class _Writer:
    """Writes the answer: each piece at once of a stream, else all at the end."""

    def __init__(self, given: dict[str, Any], plan: ToolPlan | None, client: Connection) -> None:
        options = given.get("stream_options")
        self._is_stream = bool(given.get("stream"))
        self._include_usage = isinstance(options, dict) and bool(options.get("include_usage"))
        self._plan = plan
        self._client = client
        self._made: dict[int, _Made] = {}
        self._counts = Counts()
        self._last = Chunk()
        self._has_usage = False

    async def add(self, chunk: Chunk) -> None:
        self._last = chunk
        if chunk.usage is not None:
            self._counts.add(chunk.usage, with_prompt=not self._has_usage)
            self._has_usage = True
        for choice in chunk.choices:
            made = self._made.get(choice.index)
            if made is None:
                made = self._made[choice.index] = _Made(ToolText() if self._plan else None)
                await self._send(choice.index, {"role": "assistant", "content": None})
            await self._choice(choice, made)

    async def finish(self) -> None:
        usage = self._counts.usage()
        if self._is_stream:
            if self._include_usage:
                last = {**self._envelope(), "choices": [], "usage": usage}
                await self._client.send_event(msgspec.json.encode(last))
            await self._client.send_event(b"[DONE]")
            self._client.end_stream()
            return
        choices = [_whole(index, made) for index, made in sorted(self._made.items())]
        self._client.answer(
            200, msgspec.json.encode({**self._envelope(), "choices": choices, "usage": usage})
        )

    async def _choice(self, choice: Choice, made: _Made) -> None:
        logprobs = choice.logprobs.content if choice.logprobs else None
        if logprobs:
            made.logprobs = (made.logprobs or []) + logprobs
        if choice.delta.reasoning_content:
            made.reasoning.append(choice.delta.reasoning_content)
            await self._send(choice.index, {"reasoning_content": choice.delta.reasoning_content})
        text = choice.delta.content or ""
        parts: list[Part] = [Text(text)] if text else []
        if made.reader is not None:
            parts = made.reader.feed(text)
            if choice.finish_reason is not None:
                parts += made.reader.end()
            parts = self._required(parts)
        for part in parts:
            await self._part(choice.index, part, made, logprobs)
            logprobs = None
        if choice.finish_reason is not None:
            is_call = made.reader is not None and made.reader.is_whole
            made.finish_reason = "tool_calls" if is_call else choice.finish_reason
            await self._send(choice.index, {}, finish_reason=made.finish_reason)

    def _required(self, parts: list[Part]) -> list[Part]:
        """Sees to it that a required call is one: llama.cpp goes on without a grammar it cannot read."""
        assert self._plan is not None
        if not self._plan.is_required:
            return parts
        for part in parts:
            if isinstance(part, Text) and not is_start_of_call(part.text):
                raise InvalidRequestError(
                    "The JSON schema of these tools cannot be enforced.",
                    param="tools",
                    hint="Use types, properties, required, enum and items; leave out what is rarely used.",
                )
        return [part for part in parts if not isinstance(part, Text)]

    async def _part(self, index: int, part: Part, made: _Made, logprobs: list[Any] | None) -> None:
        if isinstance(part, Text):
            made.text.append(part.text)
            await self._send(index, {"content": part.text}, logprobs=logprobs)
        elif isinstance(part, CallBegun):
            made.name = part.name
            made.call_id = f"call_{secrets.token_hex(12)}"
            call = {"index": 0, **_call(made.call_id, part.name, "")}
            await self._send(index, {"tool_calls": [call]}, logprobs=logprobs)
        elif isinstance(part, Arguments):
            made.arguments.append(part.text)
            call = {"index": 0, "function": {"arguments": part.text}}
            await self._send(index, {"tool_calls": [call]}, logprobs=logprobs)

    async def _send(
        self,
        index: int,
        delta: dict[str, Any],
        *,
        finish_reason: str | None = None,
        logprobs: list[Any] | None = None,
    ) -> None:
        if not self._is_stream:
            return
        if not self._client.has_begun:
            self._client.begin_stream()
        choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": finish_reason}
        if logprobs:
            choice["logprobs"] = {"content": logprobs}
        await self._client.send_event(msgspec.json.encode({**self._envelope(), "choices": [choice]}))

    def _envelope(self) -> dict[str, Any]:
        last = self._last
        return {
            "id": last.id,
            "object": "chat.completion.chunk" if self._is_stream else "chat.completion",
            "created": last.created,
            "model": last.model,
            "system_fingerprint": last.system_fingerprint,
        }


def _whole(index: int, made: _Made) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(made.text)}
    if made.reasoning:
        message["reasoning_content"] = "".join(made.reasoning)
    if made.name is not None:
        message["content"] = "".join(made.text) or None
        message["tool_calls"] = [_call(made.call_id, made.name, "".join(made.arguments))]
    choice: dict[str, Any] = {"index": index, "message": message, "finish_reason": made.finish_reason}
    choice["logprobs"] = None if made.logprobs is None else {"content": made.logprobs}
    return choice


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
