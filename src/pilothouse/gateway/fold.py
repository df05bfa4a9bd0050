"""Folds a stream into the shape that the plain answer would have had, for the record.

Refuses to know how events were framed or forwarded. Invariant: folding piece by piece gives what folding
everything at once gives.
"""

from typing import Any

import msgspec

from pilothouse.gateway import wire
from pilothouse.gateway.run import Run, find_run
from pilothouse.gateway.sse import as_json_array, payloads_of
from pilothouse.gateway.wire import Chunk, ChunkChoice, Delta, Raw, ToolCallDelta, is_there


class _ToolCall:
    __slots__ = ("arguments", "id", "name", "type")

    def __init__(self) -> None:
        self.id: str | None = None
        self.type = "function"
        self.name = ""
        self.arguments: list[str] = []

    def add(self, piece: ToolCallDelta) -> None:
        self.id = piece.id or self.id
        self.type = piece.type or self.type
        if piece.function is not None:
            self.name += piece.function.name or ""
            if piece.function.arguments:
                self.arguments.append(piece.function.arguments)

    def plain(self) -> dict[str, Any]:
        function = {"name": self.name, "arguments": "".join(self.arguments)}
        return {"id": self.id, "type": self.type, "function": function}


class _Choice:
    __slots__ = ("content", "finish_reason", "logprobs", "reasoning", "refusal", "role", "text", "tool_calls")

    def __init__(self) -> None:
        self.role = "assistant"
        self.content: list[str] = []
        self.text: list[str] = []
        self.refusal: list[str] = []
        self.reasoning: list[str] = []
        self.tool_calls: dict[int, _ToolCall] = {}
        self.finish_reason: str | None = None
        self.logprobs: dict[str, list[Raw]] = {}

    def add(self, piece: ChunkChoice) -> None:
        delta = piece.delta
        if delta is not None:
            if delta.content:
                self.content.append(delta.content)
            if delta.role or delta.tool_calls or delta.reasoning_content or delta.reasoning or delta.refusal:
                self._add_rest(delta)
        elif piece.text:
            self.text.append(piece.text)
        if piece.finish_reason is not None:
            self.finish_reason = piece.finish_reason
        if piece.logprobs and is_there(piece.logprobs):
            self._add_logprobs(piece.logprobs)

    def _add_rest(self, delta: Delta) -> None:
        self.role = delta.role or self.role
        if delta.refusal:
            self.refusal.append(delta.refusal)
        reasoning = delta.reasoning_content or delta.reasoning
        if reasoning:
            self.reasoning.append(reasoning)
        for piece in delta.tool_calls or ():
            index = len(self.tool_calls) if piece.index is None else piece.index
            self.tool_calls.setdefault(index, _ToolCall()).add(piece)

    def _add_logprobs(self, raw: Raw) -> None:
        for name, value in wire.decode_members(raw).items():
            if bytes(value).startswith(b"["):
                self.logprobs.setdefault(name, []).extend(wire.decode_items(value))

    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": self.role, "content": "".join(self.content) or None}
        if self.content == [] and not self.tool_calls:
            message["content"] = ""
        if self.refusal:
            message["refusal"] = "".join(self.refusal)
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.tool_calls:
            message["tool_calls"] = [call.plain() for _, call in sorted(self.tool_calls.items())]
        return message


def _only_text(chunk: Chunk) -> ChunkChoice | None:
    """Returns a chunk's choice if all the chunk says is one choice's text."""
    if (chunk.usage and is_there(chunk.usage)) or chunk.choices is None or len(chunk.choices) != 1:
        return None
    piece = chunk.choices[0]
    if piece.finish_reason or piece.text or piece.delta is None or is_there(piece.logprobs):
        return None
    return piece if piece.delta == Delta(content=piece.delta.content) else None


class Fold:
    """The answer that a stream amounts to so far."""

    __slots__ = ("_choices", "_first", "_is_chat", "garbled", "usage")

    def __init__(self, *, is_chat: bool) -> None:
        self._is_chat = is_chat
        self._choices: dict[int, _Choice] = {}
        self._first: Chunk | None = None
        self.usage: Raw = wire.NOTHING
        self.garbled = 0
        """Payloads that are not chunks."""

    def feed(self, batch: bytes) -> None:
        """Adds whole events, in order."""
        run = find_run(batch)
        if run is None or not self._feed_run(run):
            self._feed_each(batch)

    def _feed_run(self, run: Run) -> bool:
        """Adds a batch around its run, if the run's events say text and nothing else."""
        try:
            chunks = wire.decode_chunks(as_json_array(run.before + run.template + run.after))
            text = wire.decode_text(b'"' + run.text + b'"')
        except msgspec.DecodeError:
            return False
        piece = _only_text(chunks[1]) if len(chunks) > 1 else None
        if piece is None or piece.delta is None:
            return False
        piece.delta.content = text
        self._add(chunks)
        return True

    def _feed_each(self, batch: bytes) -> None:
        if not batch:
            return
        try:
            chunks = wire.decode_chunks(as_json_array(batch))
        except msgspec.DecodeError:
            chunks = self._decode_singly(batch)
        self._add(chunks)

    def _add(self, chunks: list[Chunk]) -> None:
        if self._first is None and chunks:
            self._first = chunks[0]
        choices = self._choices
        for chunk in chunks:
            if chunk.usage and is_there(chunk.usage):
                self.usage = chunk.usage
            for piece in chunk.choices or ():
                choice = choices.get(piece.index)
                if choice is None:
                    choice = choices[piece.index] = _Choice()
                choice.add(piece)

    def _decode_singly(self, batch: bytes) -> list[Chunk]:
        chunks = []
        for payload in payloads_of(batch):
            try:
                chunks.append(wire.decode_chunk(payload))
            except msgspec.DecodeError:
                self.garbled += 1
        return chunks

    @property
    def finish_reasons(self) -> tuple[str, ...]:
        """Why each choice ended, in order of index; choices that did not are left out."""
        ordered = (choice for _, choice in sorted(self._choices.items()))
        return tuple(choice.finish_reason for choice in ordered if choice.finish_reason)

    @property
    def is_whole(self) -> bool:
        """Whether every choice that began has ended."""
        return bool(self._choices) and all(choice.finish_reason for choice in self._choices.values())

    @property
    def model(self) -> str | None:
        """The name of the model that answered."""
        return self._first.model if self._first is not None else None

    def logprobs(self) -> list[Raw]:
        """Returns `choices[].logprobs` as the plain answer would have had them."""
        return [Raw(wire.encode(choice.logprobs)) for choice in self._choices.values() if choice.logprobs]

    def plain(self, *, model: str | None, with_logprobs: bool) -> bytes:
        """Returns the JSON of the plain answer, with the model's public name."""
        first = self._first
        body: dict[str, Any] = {
            "id": first.id if first else None,
            "object": "chat.completion" if self._is_chat else "text_completion",
            "created": first.created if first else None,
            "model": model,
            "choices": [
                self._plain_choice(index, choice, with_logprobs=with_logprobs)
                for index, choice in sorted(self._choices.items())
            ],
        }
        if first is not None and first.system_fingerprint is not None:
            body["system_fingerprint"] = first.system_fingerprint
        if self.usage:
            body["usage"] = self.usage
        return wire.encode(body)

    def _plain_choice(self, index: int, choice: _Choice, *, with_logprobs: bool) -> dict[str, Any]:
        plain: dict[str, Any] = {"index": index}
        if self._is_chat:
            plain["message"] = choice.message()
        else:
            plain["text"] = "".join(choice.text)
        plain["logprobs"] = choice.logprobs if with_logprobs and choice.logprobs else None
        plain["finish_reason"] = choice.finish_reason
        return plain
