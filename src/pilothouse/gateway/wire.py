"""The parts of OpenAI's wire format that the gateway reads: types that hold nothing else.

Unknown fields are skipped, not refused: they are the upstream's business. Refuses to know what a value is
for. Invariant: decoding never changes or keeps a body; what is forwarded are the bytes themselves.
"""

from typing import Annotated, Any

import msgspec

Raw = msgspec.Raw
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What fits the record."""
NOTHING = Raw(b"")
"""Stands for a member that was not there."""


class StreamOptions(msgspec.Struct, gc=False):
    """`stream_options`."""

    include_usage: bool | None = None


class ResponseFormat(msgspec.Struct, gc=False):
    """`response_format`."""

    type: str = "text"


class Metadata(msgspec.Struct, gc=False):
    """`metadata`."""

    conversation_id: str | None = None


class CallRequest(msgspec.Struct):
    """What all three operations have in common."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: Metadata | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: Int64 | None = None
    max_completion_tokens: Int64 | None = None
    n: Int64 | None = None
    seed: Int64 | None = None
    stop: str | list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | Int64 | None = None
    top_logprobs: Int64 | None = None
    echo: bool | None = None
    response_format: ResponseFormat | None = None
    tools: list[Raw] | None = None
    tool_choice: str | dict[str, Any] | None = None
    encoding_format: str | None = None
    dimensions: Int64 | None = None


class ChatRequest(CallRequest, kw_only=True):
    """`POST /v1/chat/completions`."""

    messages: list[Raw]


class CompletionRequest(CallRequest, kw_only=True):
    """`POST /v1/completions`."""

    prompt: Raw = NOTHING


class EmbeddingRequest(CallRequest, kw_only=True):
    """`POST /v1/embeddings`."""

    input: Raw


class MessageRole(msgspec.Struct, gc=False):
    """The one member of a message that the gateway looks at."""

    role: str | None = None


class PromptDetails(msgspec.Struct, gc=False):
    """`usage.prompt_tokens_details`."""

    cached_tokens: int | None = None


class CompletionDetails(msgspec.Struct, gc=False):
    """`usage.completion_tokens_details`."""

    reasoning_tokens: int | None = None


class Usage(msgspec.Struct, gc=False):
    """`usage`."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    """DeepSeek's word for cached tokens."""


class AnswerChoice(msgspec.Struct, gc=False):
    """One choice of a plain answer."""

    finish_reason: str | None = None
    logprobs: Raw = NOTHING


class Answer(msgspec.Struct):
    """A plain answer to a chat or text completion."""

    choices: list[AnswerChoice]
    model: str | None = None
    usage: Usage | None = None


class Named(msgspec.Struct, gc=False):
    """Of anything with a model, its name."""

    model: str | None = None


class EmbeddingItem(msgspec.Struct, gc=False):
    """One vector."""

    embedding: Raw = NOTHING


class EmbeddingAnswer(msgspec.Struct):
    """A plain answer to an embeddings call."""

    data: list[EmbeddingItem]
    model: str | None = None
    usage: Usage | None = None


class ToolFunction(msgspec.Struct, gc=False):
    """A piece of a function call."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(msgspec.Struct, gc=False):
    """A piece of a tool call."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: ToolFunction | None = None


class Delta(msgspec.Struct):
    """What a chunk adds to a message."""

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCallDelta] | None = None


class ChunkChoice(msgspec.Struct):
    """What a chunk adds to one choice."""

    index: int = 0
    delta: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Raw = NOTHING


class Chunk(msgspec.Struct):
    """One event of a stream."""

    choices: list[ChunkChoice] | None = None
    id: str | None = None
    created: int | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    usage: Raw = NOTHING
    error: Raw = NOTHING


class UpstreamErrorDetail(msgspec.Struct, gc=False):
    """The inside of an upstream's error body."""

    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | int | None = None


class UpstreamErrorBody(msgspec.Struct, gc=False):
    """An upstream's error body, in OpenAI's shape or near it."""

    error: UpstreamErrorDetail | str | None = None
    message: str | None = None
    detail: Any = None


class TopLogprob(msgspec.Struct, gc=False):
    """One of the likeliest tokens at a step of a chat answer."""

    logprob: float | None = None


class TokenLogprob(msgspec.Struct):
    """One token's log-probability in a chat answer."""

    logprob: float | None = None
    top_logprobs: list[TopLogprob] | None = None


class Logprobs(msgspec.Struct):
    """`choices[].logprobs`: `content` in chats, `token_logprobs` in text completions."""

    content: list[TokenLogprob] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


decode_chat = msgspec.json.Decoder(ChatRequest).decode
decode_completion = msgspec.json.Decoder(CompletionRequest).decode
decode_embedding = msgspec.json.Decoder(EmbeddingRequest).decode
decode_role = msgspec.json.Decoder(MessageRole).decode
decode_answer = msgspec.json.Decoder(Answer).decode
decode_named = msgspec.json.Decoder(Named).decode
decode_embedding_answer = msgspec.json.Decoder(EmbeddingAnswer).decode
decode_chunk = msgspec.json.Decoder(Chunk).decode
decode_chunks = msgspec.json.Decoder(list[Chunk]).decode
decode_text = msgspec.json.Decoder(str).decode
decode_usage = msgspec.json.Decoder(Usage).decode
decode_error = msgspec.json.Decoder(UpstreamErrorBody).decode
decode_logprobs = msgspec.json.Decoder(Logprobs).decode
decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
decode_items = msgspec.json.Decoder(list[Raw]).decode
encode = msgspec.json.Encoder().encode


def is_there(raw: Raw) -> bool:
    """Says whether a member was there and not null."""
    return bool(raw) and bytes(raw) != b"null"
