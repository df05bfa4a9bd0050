"""The parts of OpenAI's Responses API that translators read.

Follows https://platform.openai.com/docs/api-reference/responses. Refuses to know chats. Invariant: unknown
members and kinds of items are skipped here.
"""

from typing import Any

import msgspec

from pilothouse.gateway.wire import NOTHING, Int64, Raw


class Part(msgspec.Struct):
    """One part of an item's content."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: Raw = NOTHING


class Item(msgspec.Struct):
    """One item of an input or output, of any kind."""

    type: str | None = None
    role: str | None = None
    content: str | list[Part] | None = None
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: Any = None
    """Text, of a function's call."""
    output: Raw = NOTHING
    summary: list[Part] | None = None


class Tool(msgspec.Struct):
    """A tool; one of a type other than `function` is run by the provider."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: Raw = NOTHING
    strict: bool | None = None


class ToolChoice(msgspec.Struct):
    """A tool choice that names tools."""

    type: str
    name: str | None = None
    mode: str | None = None
    tools: list[Tool] | None = None


class Format(msgspec.Struct):
    """`text.format`."""

    type: str = "text"
    name: str | None = None
    schema: Raw = NOTHING
    description: str | None = None
    strict: bool | None = None


class Text(msgspec.Struct):
    """`text`."""

    format: Format | None = None


class Reasoning(msgspec.Struct):
    """`reasoning`."""

    effort: str | None = None


class Request(msgspec.Struct):
    """`POST /v1/responses`."""

    model: str
    input: str | list[Item]
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: Int64 | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[Tool] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    reasoning: Reasoning | None = None
    metadata: dict[str, Any] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    top_logprobs: Int64 | None = None
    include: list[str] | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None


class Echoed(msgspec.Struct):
    """What of a request its answer says again, as it came."""

    instructions: Raw = NOTHING
    max_output_tokens: Raw = NOTHING
    metadata: Raw = NOTHING
    parallel_tool_calls: Raw = NOTHING
    reasoning: Raw = NOTHING
    safety_identifier: Raw = NOTHING
    temperature: Raw = NOTHING
    text: Raw = NOTHING
    tool_choice: Raw = NOTHING
    tools: Raw = NOTHING
    top_p: Raw = NOTHING
    user: Raw = NOTHING


class InputDetails(msgspec.Struct):
    """`usage.input_tokens_details`."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    """`usage.output_tokens_details`."""

    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    """`usage`."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class Incomplete(msgspec.Struct):
    """`incomplete_details`."""

    reason: str | None = None


class ErrorDetail(msgspec.Struct):
    """`error`."""

    message: str | None = None
    code: str | None = None


class Answer(msgspec.Struct):
    """A response."""

    output: list[Item]
    id: str | None = None
    model: str | None = None
    status: str | None = None
    usage: Usage | None = None
    incomplete_details: Incomplete | None = None
    error: ErrorDetail | None = None


class Event(msgspec.Struct):
    """An event of a stream, of any kind."""

    type: str
    delta: Any = None
    output_index: int = 0
    item: Item | None = None
    response: Answer | None = None
    message: str | None = None
    code: str | None = None


decode_request = msgspec.json.Decoder(Request).decode
decode_echoed = msgspec.json.Decoder(Echoed).decode
decode_output = msgspec.json.Decoder(str | list[Part]).decode
decode_answer = msgspec.json.Decoder(Answer).decode
decode_event = msgspec.json.Decoder(Event).decode
