"""`/v1/completions` where llama.cpp's own falls short: echo, OpenAI's legacy `logprobs`, several prompts.

Refuses to know how a prompt is scored. Invariant: `tokens`, `token_logprobs`, `top_logprobs` and
`text_offset` have one length, and offsets count in the `text` beside them.
"""

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.serving.llama_cpp.echo import Echo
from pilothouse.serving.llama_cpp.inner import Inner
from pilothouse.serving.llama_cpp.listener import Connection
from pilothouse.serving.llama_cpp.wire import ABSENT, Choice, Counts, Entry, chunks, decode_json, entry_text

__all__ = ["CompletionPeek", "Completions"]

MAX_LOGPROBS = 20
DEFAULT_MAX_TOKENS = 16
"""OpenAI's own default for this path."""


class CompletionPeek(msgspec.Struct, frozen=True):
    """What of a call decides whether llama.cpp can answer it alone."""

    prompt: msgspec.Raw = ABSENT
    echo: bool | None = None
    logprobs: int | bool | None = None
    max_tokens: int | None = None
    n: int | None = None
    stream: bool | None = None
    best_of: int | None = None
    suffix: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether llama.cpp's own answer is right; without a stream it would outlive its client."""
        prompt = bytes(self.prompt).lstrip()
        return (
            bool(self.stream)
            and prompt.startswith(b'"')
            and not self.echo
            and self.logprobs is None
            and self.max_tokens not in {0, None}
            and self.n in {None, 1}
            and self.best_of in {None, 1}
            and not self.suffix
        )


@dataclass(slots=True)
class _Wanted:
    """A call, read."""

    prompts: list[str | list[int]]
    n: int
    echo: bool
    logprobs: int | None
    max_tokens: int
    is_stream: bool
    include_usage: bool
    rest: dict[str, Any]
    """What is passed on as it came."""


@dataclass(slots=True)
class _Made:
    """A choice as far as it is made."""

    text: list[str] = field(default_factory=list)
    length: int = 0
    finish_reason: str | None = None
    logprobs: dict[str, list[Any]] | None = None


class Completions:
    """Answers `/v1/completions`."""

    def __init__(self, inner: Inner, echo: Echo, alias: str, parallel: int) -> None:
        self._inner = inner
        self._echo = echo
        self._alias = alias
        self._turns = asyncio.Semaphore(parallel)

    async def answer(self, body: bytes, client: Connection) -> None:
        """Answers one call."""
        wanted = _read(decode_json(body))
        writer = _Writer(self._alias, wanted, client)
        async with asyncio.TaskGroup() as group:
            for number, prompt in enumerate(wanted.prompts):
                group.create_task(self._one(number, prompt, wanted, writer))
        await writer.finish()

    async def _one(self, number: int, prompt: str | list[int], wanted: _Wanted, writer: "_Writer") -> None:
        async with self._turns:
            tokens = await self._echo.tokens(prompt) if isinstance(prompt, str) else prompt
            if not tokens:
                raise InvalidRequestError("The prompt is empty.", param="prompt")
            first = number * wanted.n
            if wanted.echo:
                await self._echoed(first, prompt, tokens, wanted, writer)
            if wanted.max_tokens == 0:
                writer.counts.prompt_tokens += len(tokens)
                for index in range(first, first + wanted.n):
                    await writer.add(Choice(index=index, finish_reason="length"))
                return
            await self._generated(first, tokens, wanted, writer)

    async def _echoed(
        self, first: int, prompt: str | list[int], tokens: list[int], wanted: _Wanted, writer: "_Writer"
    ) -> None:
        text = prompt if isinstance(prompt, str) else await self._echo.text(tokens)
        entries: list[Entry] = []
        head: Entry | None = None
        if wanted.logprobs is not None:
            start = await self._echo.text(tokens[:1])
            head = Entry(id=tokens[0], token=start, bytes=list(start.encode()), logprob=0.0)
            entries = await self._echo.scores(tokens, wanted.logprobs)
        for index in range(first, first + wanted.n):
            await writer.add(Choice(index=index, text=text), head, entries)

    async def _generated(self, first: int, tokens: list[int], wanted: _Wanted, writer: "_Writer") -> None:
        asked = {**wanted.rest, "prompt": tokens, "max_tokens": wanted.max_tokens, "n": wanted.n}
        if wanted.logprobs is not None:
            asked["logprobs"] = max(wanted.logprobs, 1)
        is_first = True
        async for chunk in chunks(self._inner, "/v1/completions", asked):
            for choice in chunk.choices:
                entries = choice.logprobs.content if choice.logprobs else None
                moved = msgspec.structs.replace(choice, index=choice.index + first)
                await writer.add(moved, None, _of_text(entries or []))
            if chunk.usage is not None:
                writer.counts.add(chunk.usage, with_prompt=is_first)
                is_first = False


class _Writer:
    """Writes the answer: each piece at once of a stream, else all at the end."""

    def __init__(self, alias: str, wanted: _Wanted, client: Connection) -> None:
        self._wanted = wanted
        self._client = client
        self._made: dict[int, _Made] = {}
        self.counts = Counts()
        self._envelope = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": alias,
        }

    async def add(
        self, choice: Choice, head: Entry | None = None, entries: list[Entry] | None = None
    ) -> None:
        made = self._made.setdefault(choice.index, _Made())
        piece = _Made([choice.text], finish_reason=choice.finish_reason)
        if self._wanted.logprobs is not None and (head or entries or not self._wanted.is_stream):
            piece.logprobs = _legacy(head, entries or [], made.length, self._wanted.logprobs)
        made.length += len(choice.text)
        if not self._wanted.is_stream:
            _merge(made, piece)
            return
        if not self._client.has_begun:
            self._client.begin_stream()
        shown = {**self._envelope, "choices": [_shown(choice.index, piece)]}
        await self._client.send_event(msgspec.json.encode(shown))

    async def finish(self) -> None:
        usage = self.counts.usage()
        if not self._wanted.is_stream:
            choices = [_shown(index, made) for index, made in sorted(self._made.items())]
            whole = {**self._envelope, "choices": choices, "usage": usage}
            self._client.answer(200, msgspec.json.encode(whole))
            return
        if self._wanted.include_usage:
            last = {**self._envelope, "choices": [], "usage": usage}
            await self._client.send_event(msgspec.json.encode(last))
        await self._client.send_event(b"[DONE]")
        self._client.end_stream()


def _read(body: dict[str, Any]) -> _Wanted:
    n = _whole(body, "n", 1, 1, 128)
    if _whole(body, "best_of", n, 1, 128) != n:
        raise InvalidRequestError("`best_of` other than `n` is not supported.", param="best_of")
    if body.get("suffix"):
        raise InvalidRequestError("`suffix` is not supported by this model.", param="suffix")
    logprobs = body.get("logprobs")
    if isinstance(logprobs, bool):
        logprobs = 1 if logprobs else None
    elif logprobs is not None:
        logprobs = _whole(body, "logprobs", 0, 0, MAX_LOGPROBS)
    is_stream = bool(body.get("stream"))
    ours = {"prompt", "n", "best_of", "echo", "logprobs", "max_tokens", "stream", "stream_options", "suffix"}
    options = body.get("stream_options")
    return _Wanted(
        prompts=_prompts(body.get("prompt")),
        n=n,
        echo=bool(body.get("echo")),
        logprobs=logprobs,
        max_tokens=_whole(body, "max_tokens", DEFAULT_MAX_TOKENS, -1, 2**31 - 1),
        is_stream=is_stream,
        include_usage=isinstance(options, dict) and bool(options.get("include_usage")),
        rest={name: value for name, value in body.items() if name not in ours},
    )


def _whole(body: dict[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidRequestError(
            f"`{name}` must be a whole number from {least} to {most}, not {value!r}.", param=name
        )
    return value


def _prompts(given: object) -> list[str | list[int]]:
    """Reads OpenAI's four forms: a text, texts, tokens, lists of tokens."""
    try:
        many = msgspec.convert(given, str | list[str | int | list[int]])
    except msgspec.ValidationError as fault:
        raise InvalidRequestError(
            "`prompt` must be a text, a list of texts, a list of token numbers, or a list of such lists.",
            param="prompt",
        ) from fault
    if isinstance(many, str):
        return [many]
    if many and all(isinstance(one, int) for one in many):
        return [[one for one in many if isinstance(one, int)]]
    prompts = [one for one in many if not isinstance(one, int)]
    if not prompts or len(prompts) != len(many):
        raise InvalidRequestError("`prompt` is empty, or mixes tokens with texts.", param="prompt")
    return prompts


def _of_text(entries: list[Entry]) -> list[Entry]:
    """Leaves out the end-of-text token, which is no part of the text."""
    return [entry for entry in entries if entry.bytes]


def _legacy(head: Entry | None, entries: list[Entry], offset: int, top: int) -> dict[str, list[Any]]:
    """Returns OpenAI's legacy `logprobs` of a piece of text that begins at `offset`."""
    made: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    before = b""
    for entry in ([head] if head else []) + entries:
        made["tokens"].append(entry_text(entry))
        made["token_logprobs"].append(None if entry is head else entry.logprob)
        made["top_logprobs"].append(None if entry is head else _top(entry, top))
        made["text_offset"].append(offset + len(before.decode(errors="ignore")))
        before += bytes(entry.bytes)
    return made


def _top(entry: Entry, top: int) -> dict[str, float]:
    """Returns the likeliest tokens, and the one that stands there, as OpenAI does."""
    likeliest = {entry_text(other): other.logprob for other in entry.top_logprobs[:top]}
    return {**likeliest, entry_text(entry): entry.logprob}


def _merge(made: _Made, piece: _Made) -> None:
    made.text += piece.text
    made.finish_reason = piece.finish_reason or made.finish_reason
    if piece.logprobs is None:
        return
    if made.logprobs is None:
        made.logprobs = piece.logprobs
        return
    for name, values in piece.logprobs.items():
        made.logprobs[name] += values


def _shown(index: int, made: _Made) -> dict[str, Any]:
    return {
        "text": "".join(made.text),
        "index": index,
        "logprobs": made.logprobs,
        "finish_reason": made.finish_reason,
    }
