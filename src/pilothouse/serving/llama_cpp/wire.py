"""The parts of llama.cpp's answers that we read, and of OpenAI's that we write.

Refuses to know sockets. Invariant: what is not read here is not needed.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from pilothouse.contracts.errors import ApiError, InvalidRequestError, UpstreamError
from pilothouse.serving.llama_cpp.inner import Answer, Inner
from pilothouse.serving.llama_cpp.refusals import refusal

__all__ = [
    "Choice",
    "Chunk",
    "Counts",
    "Delta",
    "Entry",
    "Logprobs",
    "RefusedError",
    "Usage",
    "chunks",
    "decode_json",
    "entry_text",
    "raise_for",
]

OK = 200
DONE = b"[DONE]"
ABSENT = msgspec.Raw(b"")
"""Stands for a field that is not there."""


class Usage(msgspec.Struct, frozen=True):
    """OpenAI's `usage`."""

    completion_tokens: int = 0
    prompt_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: dict[str, int] = {}


class Entry(msgspec.Struct, frozen=True):
    """One token and its log-probability, as llama.cpp writes it."""

    id: int
    token: str
    bytes: list[int]
    logprob: float
    top_logprobs: "list[Entry]" = []


class Logprobs(msgspec.Struct, frozen=True):
    """The `logprobs` of a choice."""

    content: list[Entry] | None = None


class Delta(msgspec.Struct, frozen=True):
    """What is new in a chunk of a chat."""

    content: str | None = None
    reasoning_content: str | None = None
    role: str | None = None


class Choice(msgspec.Struct, frozen=True):
    """One choice of a chunk: of a chat it has `delta`, of a completion `text`."""

    index: int = 0
    delta: Delta = Delta()
    text: str = ""
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Chunk(msgspec.Struct, frozen=True):
    """One event of a stream."""

    choices: list[Choice] = []
    id: str = ""
    created: int = 0
    model: str = ""
    system_fingerprint: str | None = None
    usage: Usage | None = None
    error: msgspec.Raw = ABSENT


class RefusedError(ApiError):
    """llama.cpp refused a call; carries the answer as it is to be passed on."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__("llama.cpp refused the call")
        self.passed_status = status
        self.passed_body = body


class Counts:
    """Sums the usage of the choices and prompts that one answer is made of."""

    def __init__(self) -> None:
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cached_tokens = 0

    def add(self, usage: Usage, *, with_prompt: bool) -> None:
        """Adds one choice; its prompt counts once, however many choices share it."""
        self.completion_tokens += usage.completion_tokens
        if with_prompt:
            self.prompt_tokens += usage.prompt_tokens
            self.cached_tokens += usage.prompt_tokens_details.get("cached_tokens", 0)

    def usage(self) -> Usage:
        """Returns the sum in OpenAI's form."""
        return Usage(
            completion_tokens=self.completion_tokens,
            prompt_tokens=self.prompt_tokens,
            total_tokens=self.prompt_tokens + self.completion_tokens,
            prompt_tokens_details={"cached_tokens": self.cached_tokens},
        )


_decoder = msgspec.json.Decoder(Chunk)


async def chunks(inner: Inner, path: str, body: dict[str, Any]) -> AsyncIterator[Chunk]:
    """Sends a streamed call and yields its chunks.

    Raises:
        RefusedError: llama.cpp refused the call.
        UpstreamError: It failed or hung up in the middle.
    """
    asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
    async with inner.stream(path, msgspec.json.encode(asked)) as (answer, events):
        raise_for(answer)
        async for data in events:
            if data == DONE:
                return
            chunk = _decoder.decode(data)
            if bytes(chunk.error):
                raise RefusedError(*refusal(500, data))
            yield chunk
    raise UpstreamError("llama.cpp ended a stream without its last event", code="upstream_cut")


def raise_for(answer: Answer) -> None:
    """Raises `RefusedError` for an answer that is not a good one."""
    if answer.status != OK:
        raise RefusedError(*refusal(answer.status, answer.body))


def decode_json(body: bytes) -> dict[str, Any]:
    """Returns the body as a dictionary.

    Raises:
        InvalidRequestError: It is not a JSON object.
    """
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as fault:
        raise InvalidRequestError(f"The body cannot be read: {fault}.") from fault


def entry_text(entry: Entry) -> str:
    """Returns a token as text; of one that is no text by itself, `bytes:` and its bytes, as OpenAI does."""
    raw = bytes(entry.bytes)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)
