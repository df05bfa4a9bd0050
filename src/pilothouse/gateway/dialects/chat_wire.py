"""The pivot: the parts of a chat and of its answer that translators read, and a chunk's bytes around them.

Refuses to know any other dialect. Invariant: unknown members are skipped; what is wrong in type is refused.
"""

from typing import Annotated, Any

import msgspec

from pilothouse.gateway.wire import NOTHING, Int64, Raw, encode


class ImageUrl(msgspec.Struct):
    """An image, as an address or a `data:` URL."""

    url: str


class FilePart(msgspec.Struct):
    """A file, as a `data:` URL."""

    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class Part(msgspec.Struct):
    """One part of a message's content."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | None = None
    file: FilePart | None = None
    cache_control: Raw = NOTHING


class Function(msgspec.Struct):
    """A function call, whole."""

    name: str
    arguments: str = ""


class ToolCall(msgspec.Struct):
    """A tool call, whole."""

    id: str
    function: Function | None = None


class Message(msgspec.Struct):
    """One message of a chat."""

    role: str
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None


class FunctionSpec(msgspec.Struct):
    """A function that may be called."""

    name: str
    description: str | None = None
    parameters: Raw = NOTHING


class Tool(msgspec.Struct):
    """A tool that may be called."""

    type: str = "function"
    function: FunctionSpec | None = None
    cache_control: Raw = NOTHING


class ChoiceName(msgspec.Struct):
    """The name inside of a `tool_choice`."""

    name: str


class ToolChoice(msgspec.Struct):
    """A `tool_choice` that names a tool."""

    type: str = "function"
    function: ChoiceName | None = None


class JsonSchema(msgspec.Struct):
    """`response_format.json_schema`."""

    name: str = "answer"
    schema: Raw = NOTHING
    description: str | None = None


class ResponseFormat(msgspec.Struct):
    """`response_format`."""

    type: str = "text"
    json_schema: JsonSchema | None = None


class Chat(msgspec.Struct):
    """A chat, as far as another dialect can say it."""

    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    max_tokens: Int64 | None = None
    max_completion_tokens: Int64 | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Int64 | None = None
    n: Int64 | None = None
    stop: str | list[str] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: Any = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = None
    user: str | None = None
    safety_identifier: str | None = None


class PromptDetails(msgspec.Struct):
    """`usage.prompt_tokens_details`."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(msgspec.Struct):
    """`usage.completion_tokens_details`."""

    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    """`usage`."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None

    @property
    def input(self) -> int:
        """All input tokens."""
        return self.prompt_tokens or 0

    @property
    def output(self) -> int:
        """All output tokens."""
        return self.completion_tokens or 0

    @property
    def cached(self) -> int:
        """Input tokens read from a cache."""
        details = self.prompt_tokens_details
        found = self.prompt_cache_hit_tokens if details is None else details.cached_tokens
        return min(found or 0, self.input)

    @property
    def cache_write(self) -> int:
        """Input tokens written to a cache."""
        details = self.prompt_tokens_details
        found = 0 if details is None else details.cache_write_tokens or 0
        return min(found, self.input - self.cached)

    @property
    def reasoning(self) -> int:
        """Output tokens of reasoning."""
        details = self.completion_tokens_details
        return 0 if details is None else details.reasoning_tokens or 0


class AnswerMessage(msgspec.Struct):
    """The message of a plain answer."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None


class AnswerChoice(msgspec.Struct):
    """One choice of a plain answer."""

    message: AnswerMessage
    finish_reason: str | None = None
    stop_reason: Any = None
    """vLLM: the stop sequence that was met."""


class Answer(msgspec.Struct):
    """A plain answer."""

    choices: Annotated[list[AnswerChoice], msgspec.Meta(min_length=1)]
    id: str | None = None
    model: str | None = None
    usage: Usage | None = None


decode_chat = msgspec.json.Decoder(Chat).decode
decode_answer = msgspec.json.Decoder(Answer).decode
decode_usage = msgspec.json.Decoder(Usage).decode


def usage_of(*, fresh: int, cached: int, written: int, output: int, reasoning: int | None) -> dict[str, Any]:
    """Returns a chat's `usage`.

    Args:
        fresh: Input tokens neither read from nor written to a cache.
        cached: Input tokens read from a cache.
        written: Input tokens written to a cache.
        output: Output tokens.
        reasoning: Output tokens of reasoning, where known.
    """
    whole = fresh + cached + written
    usage: dict[str, Any] = {
        "prompt_tokens": whole,
        "completion_tokens": output,
        "total_tokens": whole + output,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
    }
    if reasoning is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return usage


class ChunkFrame:
    """The bytes of one stream's chunks around what each adds."""

    __slots__ = ("_head", "after_text", "before_text")

    def __init__(self, *, answer_id: str, model: str, at_s: int) -> None:
        self._head = (
            b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"choices":['
            % (
                encode(answer_id),
                at_s,
                encode(model),
            )
        )
        self.before_text = self._head + b'{"index":0,"delta":{"content":"'
        self.after_text = b'"},"finish_reason":null}]}\n\n'

    def text(self, piece: bytes) -> bytes:
        """Returns a chunk that adds text, given as the inside of a JSON string."""
        return self.before_text + piece + self.after_text

    def texts(self, pieces: list[bytes]) -> bytes:
        """Returns a chunk for each piece of text."""
        if len(pieces) == 1:
            return self.before_text + pieces[0] + self.after_text
        return self.before_text + (self.after_text + self.before_text).join(pieces) + self.after_text

    def delta(self, delta: bytes, finish_reason: str | None = None) -> bytes:
        """Returns a chunk with a delta's JSON."""
        reason = b"null" if finish_reason is None else encode(finish_reason)
        return b'%b{"index":0,"delta":%b,"finish_reason":%b}]}\n\n' % (self._head, delta, reason)

    def usage(self, usage: dict[str, Any]) -> bytes:
        """Returns a chunk with nothing but usage."""
        return b'%b],"usage":%b}\n\n' % (self._head, encode(usage))


def error_chunk(message: str, *, kind: str = "upstream_error", code: str | None = None) -> bytes:
    """Returns the event that ends a stream with an error."""
    return b"data: " + encode({"error": {"message": message, "type": kind, "code": code}}) + b"\n\n"
