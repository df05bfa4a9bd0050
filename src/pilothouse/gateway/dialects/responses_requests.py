"""Reads a request for a response as a chat.

The API as we serve it has no state: what leans on an earlier response, a conversation or a prompt that a
provider holds is named, so that only a provider that answers Responses itself gets such a request; so are
tools that a provider runs. Refuses to know answers. Invariant: messages, calls and their results keep their
order; calls that follow each other are one message's.
"""

from typing import Any

from pilothouse.gateway.dialects import responses_wire
from pilothouse.gateway.dialects.client import Translated
from pilothouse.gateway.dialects.responses_wire import Format, Part, Request, Tool, ToolChoice
from pilothouse.gateway.wire import Raw, encode, is_there

ROLES = {"developer": "system"}
"""Chats are answered by many engines that know no developer."""
LOGPROBS = "message.output_text.logprobs"
_COPIED = ("temperature", "top_p", "parallel_tool_calls", "metadata", "user", "safety_identifier")

Item = dict[str, Any]


def chat_from_response_request(body: bytes) -> Translated:
    """Returns a call of `/v1/responses` as a chat."""
    return _Reading().request(responses_wire.decode_request(body))


class _Reading:
    """One request, and the first thing in it that a chat has no word for."""

    def __init__(self) -> None:
        self.only_native: str | None = None
        self.messages: list[Item] = []

    def request(self, asked: Request) -> Translated:
        self._look_for_state(asked)
        if asked.instructions:
            self.messages.append({"role": "system", "content": asked.instructions})
        if isinstance(asked.input, str):
            self.messages.append({"role": "user", "content": asked.input})
        else:
            for item in asked.input:
                self._item(item)
        chat: Item = {"model": asked.model, "messages": self.messages}
        if asked.max_output_tokens is not None:
            chat["max_tokens"] = asked.max_output_tokens
        for name in _COPIED:
            value = getattr(asked, name)
            if value is not None:
                chat[name] = value
        if asked.reasoning is not None and asked.reasoning.effort is not None:
            chat["reasoning_effort"] = asked.reasoning.effort
        self._set_tools(chat, asked)
        self._set_format(chat, asked.text.format if asked.text is not None else None)
        if asked.stream:
            chat["stream"] = True
            chat["stream_options"] = {"include_usage": True}
        return Translated(encode(chat), self.only_native)

    def _miss(self, what: str) -> None:
        self.only_native = self.only_native or what

    def _look_for_state(self, asked: Request) -> None:
        for name in ("previous_response_id", "conversation", "prompt"):
            if getattr(asked, name) is not None:
                self._miss(f"`{name}`")
        if asked.top_logprobs or LOGPROBS in (asked.include or ()):
            self._miss("`top_logprobs`")
        for name in ("background", "store"):
            if getattr(asked, name):
                self._miss(f"`{name}: true`")

    def _item(self, item: responses_wire.Item) -> None:
        kind = item.type or "message"
        if kind == "message":
            self._message(item)
        elif kind == "function_call":
            self._call(item)
        elif kind == "function_call_output":
            text, others = self._output(item.output)
            self.messages.append({"role": "tool", "tool_call_id": item.call_id or "", "content": text})
            if others:
                self.messages.append({"role": "user", "content": others})
        elif kind != "reasoning":  # earlier thoughts are the provider's own that had them
            self._miss(f"an item of the type `{kind}`")

    def _message(self, item: responses_wire.Item) -> None:
        role = item.role or "user"
        content = item.content
        if not isinstance(content, str):
            parts = [part for each in content or () for part in self._part(each)]
            is_text = all(part["type"] == "text" for part in parts)
            content_said: Any = parts
            if is_text and (len(parts) == 1 or role != "user"):
                content_said = "".join(part["text"] for part in parts)
            content = content_said
        self.messages.append({"role": ROLES.get(role, role), "content": content})

    def _call(self, item: responses_wire.Item) -> None:
        arguments = item.arguments if isinstance(item.arguments, str) else ""
        function = {"name": item.name or "", "arguments": arguments}
        call = {"id": item.call_id or item.id or "", "type": "function", "function": function}
        last = self.messages[-1] if self.messages else None
        if last is not None and last["role"] == "assistant":
            last.setdefault("tool_calls", []).append(call)
        else:
            self.messages.append({"role": "assistant", "content": None, "tool_calls": [call]})

    def _output(self, output: Raw) -> tuple[str, list[Item]]:
        """Returns a result's text, and its images, which a chat's tool message cannot hold."""
        said = responses_wire.decode_output(output) if is_there(output) else ""
        if isinstance(said, str):
            return said, []
        parts = [part for each in said for part in self._part(each)]
        text = "\n".join(part["text"] for part in parts if part["type"] == "text")
        return text, [part for part in parts if part["type"] != "text"]

    def _part(self, part: Part) -> list[Item]:
        kind = part.type
        if kind in {"input_text", "output_text", "text", "refusal"}:
            return [{"type": "text", "text": part.text or part.refusal or ""}]
        if kind == "input_image" and part.image_url is not None:
            image = {"url": part.image_url}
            if part.detail is not None:
                image["detail"] = part.detail
            return [{"type": "image_url", "image_url": image}]
        if kind == "input_file" and part.file_data is not None:
            file = {"filename": part.filename or "file", "file_data": part.file_data}
            return [{"type": "file", "file": file}]
        if kind == "input_audio" and is_there(part.input_audio):
            return [{"type": "input_audio", "input_audio": part.input_audio}]
        self._miss(
            f"a part of the type `{kind}`"
            + (" by `file_id` or `file_url`" if part.file_id or part.file_url else "")
        )
        return []

    def _set_tools(self, chat: Item, asked: Request) -> None:
        given = asked.tools or []
        choice = asked.tool_choice
        if isinstance(choice, ToolChoice) and choice.type == "allowed_tools":
            allowed = {tool.name for tool in choice.tools or ()}
            given = [tool for tool in given if tool.name in allowed]
            choice = choice.mode or "auto"
        tools = [said for tool in given if (said := self._tool(tool))]
        if not tools:
            return
        chat["tools"] = tools
        if isinstance(choice, str):
            chat["tool_choice"] = choice
        elif choice is not None and choice.type == "function":
            chat["tool_choice"] = {"type": "function", "function": {"name": choice.name or ""}}
        elif choice is not None:
            self._miss(f"a `tool_choice` of the type `{choice.type}`")

    def _tool(self, tool: Tool) -> Item | None:
        if tool.type != "function" or tool.name is None:
            self._miss(f"the tool `{tool.type}`, which the provider runs")
            return None
        function: Item = {"name": tool.name}
        if tool.description:
            function["description"] = tool.description
        if is_there(tool.parameters):
            function["parameters"] = tool.parameters
        if tool.strict is not None:
            function["strict"] = tool.strict
        return {"type": "function", "function": function}

    def _set_format(self, chat: Item, wanted: Format | None) -> None:
        if wanted is None or wanted.type == "text":
            return
        if wanted.type != "json_schema":
            chat["response_format"] = {"type": wanted.type}
            return
        schema: Item = {"name": wanted.name or "answer"}
        if is_there(wanted.schema):
            schema["schema"] = wanted.schema
        if wanted.description is not None:
            schema["description"] = wanted.description
        if wanted.strict is not None:
            schema["strict"] = wanted.strict
        chat["response_format"] = {"type": "json_schema", "json_schema": schema}
