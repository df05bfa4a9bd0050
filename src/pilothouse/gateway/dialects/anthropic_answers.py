"""Anthropic's plain answers and a chat's, each as the other; errors, stop reasons and usage, for streams too.

Refuses to know requests. Invariant: text, tool calls, usage and why it ended survive a way there and back.
"""

from typing import Any

import msgspec

from pilothouse.contracts.errors import ApiError
from pilothouse.gateway.dialects import anthropic_wire, chat_wire
from pilothouse.gateway.dialects.anthropic_wire import INVALID_JSON, Block, Usage
from pilothouse.gateway.wire import NOTHING, Raw, decode_members, encode, is_there

ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
CLIENT_ERRORS = range(400, 500)
ANSWER_TOOL = "pilothouse_answer"
"""The tool that an answer in a JSON schema is made with; it never shows."""
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_EMPTY = Raw(b"{}")


def error_body(error: ApiError, request_id: str) -> bytes:
    """Returns an error in Anthropic's shape, with our code and hint beside its message."""
    usual = "invalid_request_error" if error.status in CLIENT_ERRORS else "api_error"
    detail = {
        "type": ERROR_TYPES.get(error.status, usual),
        "message": error.message,
        "code": error.code,
        "param": error.param,
        "hint": error.hint,
    }
    return encode({"type": "error", "error": detail, "request_id": request_id})


def chat_id(message_id: str | None) -> str:
    """Returns a chat answer's id made of a message's."""
    return f"chatcmpl-{(message_id or '').removeprefix('msg_')}"


def message_id(answer_id: str | None) -> str:
    """Returns a message's id made of a chat answer's."""
    return f"msg_{(answer_id or '').removeprefix('chatcmpl-').removeprefix('msg_')}"


def chat_usage(begun: Usage, ended: Usage | None) -> dict[str, Any]:
    """Returns a chat's `usage`; where the end of a stream says nothing, its beginning holds."""
    last = ended or begun
    details = last.output_tokens_details or begun.output_tokens_details

    def known(later: int | None, earlier: int | None) -> int:
        return later if later is not None else earlier or 0

    return chat_wire.usage_of(
        fresh=known(last.input_tokens, begun.input_tokens),
        cached=known(last.cache_read_input_tokens, begun.cache_read_input_tokens),
        written=known(last.cache_creation_input_tokens, begun.cache_creation_input_tokens),
        output=known(last.output_tokens, begun.output_tokens),
        reasoning=details.thinking_tokens if details is not None else None,
    )


def message_usage(usage: chat_wire.Usage | None) -> dict[str, Any]:
    """Returns a message's `usage`."""
    usage = usage or chat_wire.Usage()
    said: dict[str, Any] = {
        "input_tokens": usage.input - usage.cached - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }
    if usage.reasoning:
        said["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return said


def stop_reason(finish_reason: str | None, *, has_tools: bool, matched: Any = None) -> tuple[str, str | None]:
    """Returns why a message ended, and the stop sequence that was met where that is known."""
    if finish_reason in {None, "stop"}:
        if has_tools:
            return "tool_use", None
        if isinstance(matched, str):
            return "stop_sequence", matched
    return STOP_REASONS.get(finish_reason or "stop", "end_turn"), None


def arguments_as_input(arguments: str) -> Raw:
    """Returns a call's arguments as a JSON object; text that is none stands in `INVALID_JSON`."""
    if not arguments.strip():
        return _EMPTY
    text = arguments.encode()
    try:
        decode_members(text)
    except (msgspec.DecodeError, RecursionError):
        return Raw(encode({INVALID_JSON: arguments}))
    return Raw(text)


def chat_from_message(body: bytes, at_s: int) -> bytes:
    """Returns Anthropic's plain answer as a chat's."""
    answer = anthropic_wire.decode_answer(body)
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    for block in answer.content:
        if block.type == "text":
            texts.append(block.text or "")
        elif block.type == "thinking":
            thoughts.append(block.thinking or "")
        elif block.type == "tool_use" and block.name == ANSWER_TOOL:
            texts.append(bytes(block.input or _EMPTY).decode())
        elif block.type == "tool_use":
            calls.append(_tool_call(block))
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts else None}
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    finish = FINISH_REASONS.get(answer.stop_reason or "end_turn", "stop")
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": "stop" if finish == "tool_calls" and not calls else finish,
    }
    whole: dict[str, Any] = {
        "id": chat_id(answer.id),
        "object": "chat.completion",
        "created": at_s,
        "model": answer.model or "",
        "choices": [choice],
    }
    if answer.usage is not None:
        whole["usage"] = chat_usage(answer.usage, None)
    return encode(whole)


def message_from_chat(chat: bytes, model: str) -> bytes:
    """Returns a chat's plain answer as Anthropic's."""
    answer = chat_wire.decode_answer(chat)
    choice = answer.choices[0]
    said = choice.message
    content: list[dict[str, Any]] = []
    thought = said.reasoning_content or said.reasoning
    if thought:
        content.append({"type": "thinking", "thinking": thought, "signature": ""})
    text = said.content or said.refusal
    if text:
        content.append({"type": "text", "text": text})
    calls = [call for call in said.tool_calls or () if call.function is not None]
    content += [_tool_use(call) for call in calls]
    reason, sequence = stop_reason(choice.finish_reason, has_tools=bool(calls), matched=choice.stop_reason)
    return encode(
        {
            "id": message_id(answer.id),
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": sequence,
            "usage": message_usage(answer.usage),
        }
    )


def _tool_call(block: Block) -> dict[str, Any]:
    arguments = bytes(block.input).decode() if is_there(block.input or NOTHING) else "{}"
    return {
        "id": block.id or "",
        "type": "function",
        "function": {"name": block.name or "", "arguments": arguments},
    }


def _tool_use(call: chat_wire.ToolCall) -> dict[str, Any]:
    assert call.function is not None
    return {
        "type": "tool_use",
        "id": call.id,
        "name": call.function.name,
        "input": arguments_as_input(call.function.arguments),
    }
