"""Reads a request for a message, as Anthropic's clients make it, as a chat.

Refuses to know answers and providers. Invariant: text, images, documents, tools, their calls and results
keep their order and meaning; marks for caching and earlier thoughts are left out; what a chat has no word
for is named, so that only a provider of Anthropic's own dialect gets such a request.
"""

from hashlib import sha256
from typing import Any

from pilothouse.gateway.dialects import anthropic_wire
from pilothouse.gateway.dialects.anthropic_wire import Block, Message, Prompt, Request, Source, Thinking
from pilothouse.gateway.dialects.client import Translated
from pilothouse.gateway.wire import encode, is_there

LONGEST_USER = 64
"""OpenAI's bound on `user`, in characters."""
THOUGHTS = frozenset(("thinking", "redacted_thinking"))
CHOICES = {"auto": "auto", "any": "required", "none": "none"}
BUDGETS = ((2_048, "low"), (8_192, "medium"))
"""Tokens of thinking up to which an effort is so called; above the last it is high."""

Item = dict[str, Any]


def chat_from_messages(body: bytes) -> Translated:
    """Returns a call of `/v1/messages` as a chat."""
    return _Reading().request(anthropic_wire.decode_request(body))


def chat_from_prompt(body: bytes) -> Translated:
    """Returns a call of `/v1/messages/count_tokens` as a chat."""
    reading = _Reading()
    prompt = anthropic_wire.decode_prompt(body)
    chat = reading.prompt(prompt)
    return Translated(encode(chat), reading.only_native)


class _Reading:
    """One request, and the first thing in it that a chat has no word for."""

    def __init__(self) -> None:
        self.only_native: str | None = None

    def request(self, asked: Request) -> Translated:
        chat = self.prompt(asked)
        chat["max_tokens"] = asked.max_tokens
        if asked.stream:
            chat["stream"] = True
            chat["stream_options"] = {"include_usage": True}
        if asked.stop_sequences:
            chat["stop"] = asked.stop_sequences
        for name in ("temperature", "top_p", "top_k"):
            value = getattr(asked, name)
            if value is not None:
                chat[name] = value
        if asked.metadata is not None and asked.metadata.user_id:
            chat["user"] = _user(asked.metadata.user_id)
        for name in ("container", "mcp_servers"):
            if is_there(getattr(asked, name)):
                self._miss(f"`{name}`")
        return Translated(encode(chat), self.only_native)

    def prompt(self, asked: Prompt) -> Item:
        messages: list[Item] = []
        if asked.system:
            messages.append({"role": "system", "content": self._instructions(asked.system)})
        for message in asked.messages:
            messages += self._message(message)
        chat: Item = {"model": asked.model, "messages": messages}
        self._set_tools(chat, asked)
        effort = _effort(asked.thinking)
        config = asked.output_config
        if config is not None and config.effort:
            effort = config.effort
        if effort is not None:
            chat["reasoning_effort"] = effort
        if config is not None and config.format is not None and is_there(config.format.schema):
            schema = {"name": "answer", "strict": True, "schema": config.format.schema}
            chat["response_format"] = {"type": "json_schema", "json_schema": schema}
        return chat

    def _miss(self, what: str) -> None:
        self.only_native = self.only_native or what

    def _set_tools(self, chat: Item, asked: Prompt) -> None:
        tools: list[Item] = []
        for tool in asked.tools or ():
            if tool.type not in {None, "custom"} or tool.name is None:
                self._miss(f"a tool of the type `{tool.type}`")
                continue
            function: Item = {"name": tool.name}
            if tool.description:
                function["description"] = tool.description
            if is_there(tool.input_schema):
                function["parameters"] = tool.input_schema
            if tool.strict is not None:
                function["strict"] = tool.strict
            tools.append({"type": "function", "function": function})
        if not tools:
            return
        chat["tools"] = tools
        choice = asked.tool_choice
        if choice is None:
            return
        if choice.type == "tool":
            chat["tool_choice"] = {"type": "function", "function": {"name": choice.name or ""}}
        else:
            chat["tool_choice"] = CHOICES[choice.type]
        if choice.disable_parallel_tool_use:
            chat["parallel_tool_calls"] = False

    def _message(self, message: Message) -> list[Item]:
        if isinstance(message.content, str):
            return [{"role": message.role, "content": message.content}]
        if message.role == "assistant":
            return self._answer(message.content)
        if message.role == "system":
            return [{"role": "system", "content": self._instructions(message.content)}]
        return self._question(message.content)

    def _instructions(self, system: str | list[Block]) -> str:
        if isinstance(system, str):
            return system
        return "\n\n".join(block.text for block in system if block.text)

    def _answer(self, blocks: list[Block]) -> list[Item]:
        texts: list[str] = []
        calls: list[Item] = []
        for block in blocks:
            if block.type == "text":
                texts.append(block.text or "")
            elif block.type == "tool_use":
                arguments = bytes(block.input).decode() if is_there(block.input) else "{}"
                function = {"name": block.name or "", "arguments": arguments}
                calls.append({"id": block.id or "", "type": "function", "function": function})
            elif block.type not in THOUGHTS:
                self._miss(f"a block of the type `{block.type}`")
        message: Item = {"role": "assistant", "content": "".join(texts) or None}
        if calls:
            message["tool_calls"] = calls
        elif not texts:
            message["content"] = ""
        return [message]

    def _question(self, blocks: list[Block]) -> list[Item]:
        """Returns the results of tools, each as a message, and what else a user says, as one after them."""
        messages: list[Item] = []
        parts: list[Item] = []
        for block in blocks:
            if block.type == "tool_result":
                text, others = self._result(block)
                messages.append({"role": "tool", "tool_call_id": block.tool_use_id or "", "content": text})
                parts += others
            else:
                parts += self._part(block)
        if len(parts) == 1 and parts[0]["type"] == "text":
            messages.append({"role": "user", "content": parts[0]["text"]})
        elif parts:
            messages.append({"role": "user", "content": parts})
        return messages

    def _result(self, block: Block) -> tuple[str, list[Item]]:
        """Returns a result's text, and its images, which a chat's tool message cannot hold."""
        inner = anthropic_wire.decode_blocks(block.content) if is_there(block.content) else ""
        others: list[Item] = []
        if isinstance(inner, str):
            text = inner
        else:
            parts = [part for each in inner for part in self._part(each)]
            text = "\n".join(part["text"] for part in parts if part["type"] == "text")
            others = [part for part in parts if part["type"] != "text"]
        return (f"Error: {text}" if block.is_error else text), others

    def _part(self, block: Block) -> list[Item]:
        if block.type == "text":
            return [{"type": "text", "text": block.text or ""}]
        if block.type in {"image", "document"} and is_there(block.source):
            source = anthropic_wire.decode_source(block.source)
            part = _image(source) if block.type == "image" else self._document(block, source)
            if part:
                return part
            self._miss(f"a source of the type `{source.type}`")
        elif block.type not in THOUGHTS:
            self._miss(f"a block of the type `{block.type}`")
        return []

    def _document(self, block: Block, source: Source) -> list[Item]:
        if source.type == "text":
            return [
                {"type": "text", "text": f"{block.title}\n\n{source.data}" if block.title else source.data}
            ]
        if source.type == "base64":
            data = f"data:{source.media_type};base64,{source.data}"
            file = {"filename": block.title or "document.pdf", "file_data": data}
            return [{"type": "file", "file": file}]
        if source.type == "content" and is_there(source.content):
            inner = anthropic_wire.decode_blocks(source.content)
            blocks = [Block(type="text", text=inner)] if isinstance(inner, str) else inner
            return [part for each in blocks for part in self._part(each)]
        return []


def _image(source: Source) -> list[Item]:
    if source.type == "base64":
        url = f"data:{source.media_type};base64,{source.data}"
    elif source.type == "url":
        url = source.url
    else:
        return []
    return [{"type": "image_url", "image_url": {"url": url}}]


def _effort(thinking: Thinking | None) -> str | None:
    if thinking is None or thinking.type == "disabled":
        return None
    budget = thinking.budget_tokens
    if budget is None:
        return "medium"
    return next((effort for most, effort in BUDGETS if budget <= most), "high")


def _user(user_id: str) -> str:
    return user_id if len(user_id) <= LONGEST_USER else sha256(user_id.encode()).hexdigest()
