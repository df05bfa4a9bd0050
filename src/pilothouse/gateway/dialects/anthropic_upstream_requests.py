"""Puts a chat as a request to Anthropic's Messages API.

What the API has no word for and an answer would be wrong without (several choices, log-probabilities,
audio) is refused; what only steers sampling (seed, penalties, logit bias) is left out, as Anthropic's own
endpoint for OpenAI's clients does. Refuses to know answers. Invariant: messages alternate, and each tool
result stands in the message after its call.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from typing import Any

import msgspec

from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.gateway.dialects import chat_wire
from pilothouse.gateway.dialects.anthropic_answers import ANSWER_TOOL, arguments_as_input
from pilothouse.gateway.dialects.chat_wire import Chat, FilePart, Message, Part, ResponseFormat, Tool
from pilothouse.gateway.wire import Raw, encode, is_there

DEFAULT_MAX_TOKENS = 4096
"""Anthropic requires a limit; a chat without one gets this."""
HOTTEST = 1.0
"""Anthropic's highest temperature; OpenAI's is 2."""
LONGEST_USER = 256
_ANY_OBJECT = Raw(b'{"type":"object"}')
_NO_ARGUMENTS = Raw(b'{"type":"object","properties":{}}')
_INSTRUCTIONS = frozenset(("system", "developer"))
_EFFORTS = {"minimal": "low"}


def messages_from_chat(body: bytes, upstream_model: str) -> bytes:
    """Returns the request.

    Raises:
        InvalidRequestError: Anthropic has nothing that does what is asked.
    """
    chat = chat_wire.decode_chat(body)
    _refuse_the_impossible(chat)
    asked: dict[str, Any] = {
        "model": upstream_model,
        "max_tokens": chat.max_completion_tokens or chat.max_tokens or DEFAULT_MAX_TOKENS,
    }
    system = _system(chat.messages)
    if system:
        asked["system"] = system
    asked["messages"] = _messages(chat.messages)
    _set_sampling(asked, chat)
    _set_tools(asked, chat)
    _set_thinking(asked, chat)
    _set_format(asked, chat)
    if chat.stream:
        asked["stream"] = True
    user = chat.safety_identifier or chat.user
    if user:
        asked["metadata"] = {"user_id": user[:LONGEST_USER]}
    return encode(asked)


def without_unsigned(body: bytes) -> bytes:
    """Returns a request for a message without the thoughts that carry no signature.

    They are another model's, told by this gateway as Anthropic's clients expect; Anthropic refuses them.
    """
    try:
        asked = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body  # the provider says what is wrong with it
    for message in asked.get("messages") or ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            message["content"] = [block for block in content if not _is_unsigned(block)]
    return encode(asked)


def _is_unsigned(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "thinking" and not block.get("signature")


def _refuse_the_impossible(chat: Chat) -> None:
    if chat.n is not None and chat.n > 1:
        raise _impossible("gives one answer a call", "n")
    if chat.logprobs:
        raise _impossible("gives no log-probabilities", "logprobs")
    if chat.functions:
        raise _impossible("is asked with `tools`, not `functions`", "functions")
    if chat.modalities and set(chat.modalities) != {"text"}:
        raise _impossible("answers in text only", "modalities")


def _impossible(what: str, param: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"A provider of this model that speaks Anthropic's API {what}.",
        param=param,
        code="not_translatable",
        hint=f"Leave `{param}` out, or ask a model of another provider.",
    )


def _set_sampling(asked: dict[str, Any], chat: Chat) -> None:
    if chat.temperature is not None:
        asked["temperature"] = min(chat.temperature, HOTTEST)
    if chat.top_p is not None:
        asked["top_p"] = chat.top_p
    if chat.top_k is not None:
        asked["top_k"] = chat.top_k
    if chat.stop:
        asked["stop_sequences"] = [chat.stop] if isinstance(chat.stop, str) else chat.stop


def _set_tools(asked: dict[str, Any], chat: Chat) -> None:
    if not chat.tools:
        return
    asked["tools"] = [_tool(tool, at) for at, tool in enumerate(chat.tools)]
    choice = chat.tool_choice
    said: dict[str, Any] = {"type": "auto"}
    if isinstance(choice, chat_wire.ToolChoice):
        if choice.function is None:
            raise _impossible(f"has no `tool_choice` of the type {choice.type!r}", "tool_choice")
        said = {"type": "tool", "name": choice.function.name}
    elif choice == "required":
        said = {"type": "any"}
    elif choice == "none":
        said = {"type": "none"}
    if chat.parallel_tool_calls is False and choice != "none":
        said["disable_parallel_tool_use"] = True
    if choice is not None or chat.parallel_tool_calls is False:
        asked["tool_choice"] = said


def _tool(tool: Tool, at: int) -> dict[str, Any]:
    function = tool.function
    if function is None:
        raise _impossible(f"has no tool of the type {tool.type!r}", f"tools[{at}]")
    said: dict[str, Any] = {"name": function.name}
    if function.description:
        said["description"] = function.description
    said["input_schema"] = function.parameters if is_there(function.parameters) else _NO_ARGUMENTS
    if is_there(tool.cache_control):
        said["cache_control"] = tool.cache_control
    return said


def _set_thinking(asked: dict[str, Any], chat: Chat) -> None:
    effort = chat.reasoning_effort
    if effort and effort != "none":
        asked["thinking"] = {"type": "adaptive"}
        asked["output_config"] = {"effort": _EFFORTS.get(effort, effort)}


def _set_format(asked: dict[str, Any], chat: Chat) -> None:
    """Asks for JSON: with a tool that must be used, or, beside tools or thinking, by the API's own means."""
    wanted = chat.response_format
    if wanted is None or wanted.type == "text":
        return
    if wanted.type not in {"json_object", "json_schema"}:
        raise _impossible(f"has no `response_format` of the type {wanted.type!r}", "response_format")
    schema = _schema(wanted)
    if "tools" in asked or "thinking" in asked:
        config = asked.setdefault("output_config", {})
        config["format"] = {"type": "json_schema", "schema": schema}
        return
    described = wanted.json_schema.description if wanted.json_schema is not None else None
    asked["tools"] = [
        {"name": ANSWER_TOOL, "description": described or "Gives the answer.", "input_schema": schema}
    ]
    asked["tool_choice"] = {"type": "tool", "name": ANSWER_TOOL}


def _schema(wanted: ResponseFormat) -> Raw:
    spec = wanted.json_schema
    if wanted.type == "json_schema" and (spec is None or not is_there(spec.schema)):
        raise InvalidRequestError(
            "`response_format.json_schema.schema` is missing.",
            param="response_format",
            hint="Give the schema, or use the type json_object.",
        )
    return spec.schema if spec is not None and is_there(spec.schema) else _ANY_OBJECT


def _system(messages: list[Message]) -> str | list[dict[str, Any]]:
    """Returns all instructions as one text; as blocks where one of them is marked for the cache."""
    blocks: list[dict[str, Any]] = []
    for message in messages:
        if message.role in _INSTRUCTIONS:
            blocks += _blocks(message)
    if any("cache_control" in block for block in blocks):
        return blocks
    return "\n\n".join(block["text"] for block in blocks if block["type"] == "text")


def _messages(messages: list[Message]) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    for message in messages:
        if message.role in _INSTRUCTIONS:
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _tool_result(message) if message.role in {"tool", "function"} else _blocks(message)
        if not blocks:
            continue
        if said and said[-1]["role"] == role:
            said[-1]["content"] += blocks
        else:
            said.append({"role": role, "content": blocks})
    return said


def _tool_result(message: Message) -> list[dict[str, Any]]:
    if not message.tool_call_id:
        raise InvalidRequestError(
            "A message of the role tool has no `tool_call_id`.",
            param="messages",
            hint="Name the call whose result it is.",
        )
    result = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": _blocks(message)}
    return [result]


def _blocks(message: Message) -> list[dict[str, Any]]:
    content = message.content
    if isinstance(content, str):
        blocks: list[dict[str, Any]] = [{"type": "text", "text": content}] if content else []
    else:
        blocks = [block for part in content or () for block in _part(part)]
    if message.refusal:
        blocks.append({"type": "text", "text": message.refusal})
    for call in message.tool_calls or ():
        if call.function is None:
            raise _impossible("has function calls only", "messages")
        blocks.append(
            {
                "type": "tool_use",
                "id": call.id,
                "name": call.function.name,
                "input": arguments_as_input(call.function.arguments),
            }
        )
    return blocks


def _part(part: Part) -> list[dict[str, Any]]:
    if part.type in {"text", "refusal"}:
        text = part.text or part.refusal
        block: dict[str, Any] = {"type": "text", "text": text}
        if not text:
            return []  # Anthropic refuses an empty one
    elif part.type == "image_url" and part.image_url is not None:
        block = {"type": "image", "source": _source(part.image_url.url)}
    elif part.type == "file" and part.file is not None:
        block = _document(part.file)
    else:
        raise _impossible(f"takes no part of the type {part.type!r}", "messages")
    if is_there(part.cache_control):
        block["cache_control"] = part.cache_control
    return [block]


def _source(url: str) -> dict[str, str]:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    if not data:
        raise InvalidRequestError(
            "A `data:` URL is not base64.", param="messages", hint="Write `data:<type>;base64,<data>`."
        )
    return {"type": "base64", "media_type": kind.partition(";")[0], "data": data}


def _document(file: FilePart) -> dict[str, Any]:
    if not file.file_data:
        raise _impossible("takes files as data, not by `file_id`", "messages")
    data = (
        file.file_data
        if file.file_data.startswith("data:")
        else f"data:application/pdf;base64,{file.file_data}"
    )
    source = _source(data)
    if source.get("media_type", "").startswith("text/"):
        try:
            text = b64decode(source["data"], validate=True).decode("utf-8", "replace")
        except (Base64Error, ValueError) as error:
            raise InvalidRequestError(
                "A file's data is not base64.", param="messages", hint="Encode it again."
            ) from error
        source = {"type": "text", "media_type": "text/plain", "data": text}
    document: dict[str, Any] = {"type": "document", "source": source}
    if file.filename:
        document["title"] = file.filename
    return document
