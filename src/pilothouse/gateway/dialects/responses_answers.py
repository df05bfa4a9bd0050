"""Responses and a chat's plain answers, each as the other; the objects that streams are made of, too.

Refuses to know requests but for what an answer repeats of them. Invariant: text, function calls, usage and
why it ended survive a way there and back.
"""

from typing import Any

from pilothouse.gateway.dialects import chat_wire, responses_wire
from pilothouse.gateway.dialects.client import Asked
from pilothouse.gateway.dialects.responses_wire import Item
from pilothouse.gateway.wire import Raw, encode, is_there

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
FINISH_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
_DEFAULTS: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "user": None,
}

Object = dict[str, Any]


class Frame:
    """One response around its output."""

    __slots__ = ("_echoed", "_head", "call_id")

    def __init__(self, asked: Asked) -> None:
        echoed = responses_wire.decode_echoed(asked.body)
        self.call_id = asked.call_id
        self._head: Object = {
            "id": f"resp_{asked.call_id}",
            "object": "response",
            "created_at": asked.at_s,
            "model": asked.model,
        }
        self._echoed: Object = {
            name: raw if is_there(raw) else usual
            for name, usual in _DEFAULTS.items()
            if (raw := getattr(echoed, name)) is not None
        }

    def response(
        self,
        status: str,
        output: list[Object],
        *,
        usage: chat_wire.Usage | None = None,
        reason: str | None = None,
        error: Object | None = None,
    ) -> Object:
        """Returns the response as it stands.

        Args:
            status: `in_progress`, `completed`, `incomplete` or `failed`.
            output: Its items.
            usage: The tokens it took, when that is known.
            reason: Why it is incomplete.
            error: Why it failed.
        """
        return {
            **self._head,
            "status": status,
            "background": False,
            "error": error,
            "incomplete_details": {"reason": reason} if reason is not None else None,
            "output": output,
            "previous_response_id": None,
            "store": False,
            "truncation": "disabled",
            "usage": usage_of(usage) if usage is not None else None,
            **self._echoed,
        }

    def reasoning(self, at: int, text: str | None, status: str) -> Object:
        """Returns an item of thoughts; without a text it has only begun."""
        content = [] if text is None else [{"type": "reasoning_text", "text": text}]
        return {
            "id": f"rs_{self.call_id}{at}",
            "type": "reasoning",
            "summary": [],
            "content": content,
            "status": status,
        }

    def message(self, at: int, content: list[Object], status: str) -> Object:
        """Returns an item of text."""
        return {
            "id": f"msg_{self.call_id}{at}",
            "type": "message",
            "role": "assistant",
            "content": content,
            "status": status,
        }

    def call(self, at: int, call_id: str, name: str, arguments: str, status: str) -> Object:
        """Returns an item that calls a function."""
        return {
            "id": f"fc_{self.call_id}{at}",
            "type": "function_call",
            "call_id": call_id,
            "name": name,
            "arguments": arguments,
            "status": status,
        }


def text_part(text: str | Raw) -> Object:
    """Returns a part of a message that says a text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def usage_of(usage: chat_wire.Usage) -> Object:
    """Returns a response's `usage`."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def response_from_chat(chat: bytes, asked: Asked) -> bytes:
    """Returns a chat's plain answer as a response."""
    answer = chat_wire.decode_answer(chat)
    choice = answer.choices[0]
    said = choice.message
    frame = Frame(asked)
    reason = INCOMPLETE.get(choice.finish_reason or "stop")
    status = "completed" if reason is None else "incomplete"
    output: list[Object] = []
    thought = said.reasoning_content or said.reasoning
    if thought:
        output.append(frame.reasoning(len(output), thought, status))
    content: list[Object] = []
    if said.content:
        content.append(text_part(said.content))
    if said.refusal:
        content.append({"type": "refusal", "refusal": said.refusal})
    if content:
        output.append(frame.message(len(output), content, status))
    for call in said.tool_calls or ():
        if call.function is not None:
            function = call.function
            output.append(frame.call(len(output), call.id, function.name, function.arguments, status))
    return encode(frame.response(status, output, usage=answer.usage, reason=reason))


def chat_from_response(body: bytes, at_s: int) -> bytes:
    """Returns a response as a chat's plain answer."""
    answer = responses_wire.decode_answer(body)
    texts: list[str] = []
    refusals: list[str] = []
    thoughts: list[str] = []
    calls: list[Object] = []
    for item in answer.output:
        if item.type == "function_call":
            calls.append(tool_call(item))
        elif item.type == "reasoning":
            thoughts += thoughts_of(item)
        elif item.type == "message" and not isinstance(item.content, str):
            parts = item.content or ()
            texts += [part.text or "" for part in parts if part.type == "output_text"]
            refusals += [part.refusal or "" for part in parts if part.type == "refusal"]
    message: Object = {"role": "assistant", "content": "".join(texts) if texts else None}
    if refusals:
        message["refusal"] = "".join(refusals)
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    whole: Object = {
        "id": answer.id or "",
        "object": "chat.completion",
        "created": at_s,
        "model": answer.model or "",
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": finish_reason(answer, has_calls=bool(calls)),
            }
        ],
    }
    if answer.usage is not None:
        whole["usage"] = chat_usage(answer.usage)
    return encode(whole)


def thoughts_of(item: Item) -> list[str]:
    """Returns the texts of an item of thoughts: in full where they are there, else their summary."""
    content = item.content if isinstance(item.content, list) else []
    return [part.text or "" for part in content or item.summary or ()]


def tool_call(item: Item) -> Object:
    """Returns a function call as a chat's."""
    function = {
        "name": item.name or "",
        "arguments": item.arguments if isinstance(item.arguments, str) else "",
    }
    return {"id": item.call_id or item.id or "", "type": "function", "function": function}


def finish_reason(answer: responses_wire.Answer, *, has_calls: bool) -> str:
    """Returns why a response ended, in a chat's word."""
    if answer.incomplete_details is not None:
        return FINISH_REASONS.get(answer.incomplete_details.reason or "", "length")
    return "tool_calls" if has_calls else "stop"


def chat_usage(usage: responses_wire.Usage) -> Object:
    """Returns a chat's `usage`."""
    inputs = usage.input_tokens_details or responses_wire.InputDetails()
    outputs = usage.output_tokens_details or responses_wire.OutputDetails()
    cached, written = inputs.cached_tokens or 0, inputs.cache_write_tokens or 0
    return chat_wire.usage_of(
        fresh=(usage.input_tokens or 0) - cached - written,
        cached=cached,
        written=written,
        output=usage.output_tokens or 0,
        reasoning=outputs.reasoning_tokens,
    )
