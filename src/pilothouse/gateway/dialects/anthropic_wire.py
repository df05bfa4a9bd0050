"""The parts of Anthropic's Messages API that translators read, both ways.

Follows https://docs.anthropic.com/en/api/messages. Refuses to know chats. Invariant: unknown members and
kinds of blocks are skipped here, so that what a newer API adds does not break an older gateway.
"""

from typing import Annotated, Literal

import msgspec

from pilothouse.gateway.wire import NOTHING, Int64, Raw

VERSION = "2023-06-01"
INVALID_JSON = "INVALID_JSON"
"""Anthropic's own name for the member that holds arguments which are no JSON object."""


class Source(msgspec.Struct):
    """Where an image or a document comes from."""

    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: Raw = NOTHING


class Block(msgspec.Struct):
    """A content block of any kind, in a request or an answer."""

    type: str
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = NOTHING
    tool_use_id: str | None = None
    content: Raw = NOTHING
    source: Raw = NOTHING
    title: str | None = None
    thinking: str | None = None
    is_error: bool | None = None


class Message(msgspec.Struct):
    """One message of a request."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class Tool(msgspec.Struct):
    """A tool; one of a `type` other than `custom` is run by Anthropic."""

    name: str | None = None
    type: str | None = None
    description: str | None = None
    input_schema: Raw = NOTHING
    strict: bool | None = None


class ToolChoice(msgspec.Struct):
    """Which tool is to be used."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Metadata(msgspec.Struct):
    """Who asks."""

    user_id: str | None = None


class Thinking(msgspec.Struct):
    """How much is to be thought."""

    type: str
    budget_tokens: Int64 | None = None


class OutputFormat(msgspec.Struct):
    """The shape that an answer must have."""

    type: str
    schema: Raw = NOTHING


class OutputConfig(msgspec.Struct):
    """What the answer should be like."""

    effort: str | None = None
    format: OutputFormat | None = None


class Prompt(msgspec.Struct):
    """What a call of `/v1/messages` and one of `/v1/messages/count_tokens` have in common."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    system: str | list[Block] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None


class Request(Prompt, kw_only=True):
    """`POST /v1/messages`."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Int64 | None = None
    metadata: Metadata | None = None
    container: Raw = NOTHING
    mcp_servers: Raw = NOTHING


class OutputDetails(msgspec.Struct):
    """`usage.output_tokens_details`."""

    thinking_tokens: int | None = None


class Usage(msgspec.Struct):
    """`usage`; `input_tokens` counts neither what was read from nor what was written to the cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


class Answer(msgspec.Struct):
    """A plain answer."""

    content: list[Block]
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Usage | None = None


class Delta(msgspec.Struct):
    """What an event adds to a block, or says of a message's end."""

    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    stop_reason: str | None = None


class ErrorDetail(msgspec.Struct):
    """The inside of an error."""

    type: str | None = None
    message: str | None = None


class Event(msgspec.Struct):
    """An event of a stream, of any kind."""

    type: str
    index: int = 0
    message: Answer | None = None
    content_block: Block | None = None
    delta: Delta | None = None
    usage: Usage | None = None
    error: ErrorDetail | None = None


decode_request = msgspec.json.Decoder(Request).decode
decode_prompt = msgspec.json.Decoder(Prompt).decode
decode_blocks = msgspec.json.Decoder(str | list[Block]).decode
decode_source = msgspec.json.Decoder(Source).decode
decode_answer = msgspec.json.Decoder(Answer).decode
decode_event = msgspec.json.Decoder(Event).decode
