"""Tools for models whose template knows none: a description in the system message, a grammar for the call.

A call is written `<tool_call>{"name": …, "arguments": …}</tool_call>`. The grammar (llguidance, which
llama.cpp was built with) lets the model either write text or exactly one such call whose arguments follow
the tool's JSON schema; with `tool_choice` `required` or a name it can write nothing but the call.

Refuses to know sockets. Invariant: with a required call, arguments are valid under the tool's schema or the
answer says that it was cut (`length`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pilothouse.contracts.errors import InvalidRequestError

__all__ = ["CLOSE", "OPEN", "Tool", "ToolPlan", "plan_tools", "with_tool_messages"]

OPEN = "<tool_call>"
CLOSE = "</tool_call>"

LONGEST_STRING = 1000
"""A string without a limit in its schema gets this one: a small model may never close its quote."""
LONGEST_ARRAY = 64

_NO_EXTRA_SPACE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


class _Function(msgspec.Struct, frozen=True):
    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None


class Tool(msgspec.Struct, frozen=True):
    """One tool as the caller describes it."""

    function: _Function
    type: str = "function"


class _Named(msgspec.Struct, frozen=True):
    function: _Function
    type: str = "function"


class ToolPlan(msgspec.Struct, frozen=True):
    """How a call with tools is put to the model."""

    tools: tuple[Tool, ...]
    is_required: bool

    def grammar(self) -> str:
        """Returns the grammar of the answer."""
        call = f'"{OPEN}" call "{CLOSE}"'
        start = call if self.is_required else f"TEXT | {call}"
        lines = ["%llguidance {}", f"start: {start}"]
        if not self.is_required:
            lines.append(f"TEXT: /(?s:.*)/ & ~/{OPEN}(?s:.*)/")
        lines.append("call: %json " + json.dumps(self._schema()))
        return "\n".join(lines)

    def instruction(self) -> str:
        """Returns what the system message says of the tools."""
        shown = "\n".join(
            json.dumps(
                {
                    "name": tool.function.name,
                    "description": tool.function.description,
                    "parameters": tool.function.parameters or {},
                }
            )
            for tool in self.tools
        )
        example = json.dumps({"name": self.tools[0].function.name, "arguments": {}})
        when = (
            "You must answer by calling one of these functions."
            if self.is_required
            else "If one of these functions helps to answer, call it; otherwise answer in words."
        )
        return (
            f"{when} To call a function, write only its name and its arguments as JSON, like this:\n"
            f"{OPEN}{example}{CLOSE}\n"
            f"The functions, with the JSON schema of their arguments:\n{shown}"
        )

    def _schema(self) -> dict[str, Any]:
        calls = []
        definitions = {}
        for number, tool in enumerate(self.tools):
            name = f"tool_{number}"
            definitions[name] = _bounded(_moved(tool.function.parameters or {}, f"#/$defs/{name}"))
            definitions[name].setdefault("type", "object")
            calls.append(
                {
                    "type": "object",
                    "properties": {
                        "name": {"const": tool.function.name},
                        "arguments": {"$ref": f"#/$defs/{name}"},
                    },
                    "required": ["name", "arguments"],
                    "additionalProperties": False,
                }
            )
        return {"x-guidance": _NO_EXTRA_SPACE, "$defs": definitions, "anyOf": calls}


def plan_tools(body: Mapping[str, Any]) -> ToolPlan | None:
    """Reads `tools` and `tool_choice` of a chat call; `None` when no tool is to be offered.

    Raises:
        InvalidRequestError: They are not as OpenAI describes them.
    """
    given, choice = body.get("tools"), body.get("tool_choice", "auto")
    if not given or choice == "none":
        return None
    try:
        tools = msgspec.convert(given, tuple[Tool, ...])
    except msgspec.ValidationError as fault:
        raise InvalidRequestError(f"`tools` cannot be read: {fault}.", param="tools") from fault
    if any(tool.type != "function" for tool in tools):
        raise InvalidRequestError("Only tools of type `function` are supported.", param="tools")
    names = [tool.function.name for tool in tools]
    if len(set(names)) != len(names):
        raise InvalidRequestError("Two tools have the same name.", param="tools")
    if choice in {"auto", "required"} if isinstance(choice, str) else False:
        return ToolPlan(tools, is_required=choice == "required")
    try:
        named = msgspec.convert(choice, _Named).function.name
    except msgspec.ValidationError as fault:
        raise InvalidRequestError(
            "`tool_choice` must be none, auto, required or name a function.", param="tool_choice"
        ) from fault
    if named not in names:
        raise InvalidRequestError(f"`tool_choice` names {named!r}, which is no tool.", param="tool_choice")
    return ToolPlan(tuple(tool for tool in tools if tool.function.name == named), is_required=True)


def with_tool_messages(messages: Sequence[Mapping[str, Any]], plan: ToolPlan | None) -> list[dict[str, Any]]:
    """Returns the conversation in words that any chat template has: system, user, assistant."""
    made: list[dict[str, Any]] = []
    for message in messages:
        role, text = message.get("role"), _text(message.get("content"))
        if role == "tool":
            answer = f"<tool_response>{text}</tool_response>"
            if made and made[-1].get("is_response"):
                made[-1]["content"] += "\n" + answer
            else:
                made.append({"role": "user", "content": answer, "is_response": True})
        elif role == "assistant" and message.get("tool_calls"):
            made.append({"role": "assistant", "content": text + _calls(message["tool_calls"])})
        else:
            made.append(dict(message))
    for message in made:
        message.pop("is_response", None)
    if plan is not None:
        if made and made[0].get("role") in {"system", "developer"}:
            made[0] = {"role": "system", "content": f"{_text(made[0]['content'])}\n\n{plan.instruction()}"}
        else:
            made.insert(0, {"role": "system", "content": plan.instruction()})
    return made


def _calls(given: object) -> str:
    """Writes earlier calls as the model would have written them."""
    try:
        calls = msgspec.convert(given, list[dict[str, Any]])
        written = []
        for call in calls:
            function = call["function"]
            arguments = json.loads(function.get("arguments") or "{}")
            shown = json.dumps({"name": function["name"], "arguments": arguments})
            written.append(f"{OPEN}{shown}{CLOSE}")
        return "\n".join(written)
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError, ValueError) as fault:
        raise InvalidRequestError(
            "`tool_calls` in a message cannot be read: each needs a function with a name and JSON arguments.",
            param="messages",
        ) from fault


def _text(content: object) -> str:
    """Returns a message's content as one text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        if len(parts) == len(content) and all(isinstance(part, str) for part in parts):
            return "".join(part for part in parts if isinstance(part, str))
    raise InvalidRequestError("A message's content must be text.", param="messages")


def _moved(schema: Any, place: str) -> Any:
    """Makes references inside a schema right for its new place in a larger one."""
    if isinstance(schema, list):
        return [_moved(item, place) for item in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {key: _moved(value, place) for key, value in schema.items()}
    reference = moved.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        moved["$ref"] = place + reference[1:]
    return moved


def _bounded(schema: Any) -> Any:
    """Narrows a schema so that a small model comes to an end: what is valid here is valid there."""
    if isinstance(schema, list):
        return [_bounded(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    bounded = {
        key: value if key in {"enum", "const", "default", "examples", "required"} else _bounded(value)
        for key, value in schema.items()
    }
    kind = bounded.get("type")
    if kind == "string" and not bounded.keys() & {"enum", "const", "maxLength", "pattern", "format"}:
        bounded["maxLength"] = max(LONGEST_STRING, int(bounded.get("minLength", 0)))
    elif kind == "array" and "maxItems" not in bounded:
        bounded["maxItems"] = max(LONGEST_ARRAY, int(bounded.get("minItems", 0)))
    elif kind == "object" and "properties" in bounded and "additionalProperties" not in bounded:
        bounded["additionalProperties"] = False
    return bounded
