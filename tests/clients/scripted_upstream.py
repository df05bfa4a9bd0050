"""A strict upstream with two faces: OpenAI's Chat Completions and Anthropic's Messages.

    python tests/clients/scripted_upstream.py        prints its port; ends with its standard input

It refuses what the real one would refuse, and answers with what it saw, so that a client's own text proves
what arrived. Words in the last user message choose: `fail 429` answers that status, `fail midway` breaks a
stream, `think` thinks first, `both` calls the tool twice.
"""

import hashlib
import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OPENAI_KEYS = set(
    "model messages max_tokens max_completion_tokens temperature top_p n stop stream stream_options tools "  # noqa: SIM905 - they read as a list
    "tool_choice parallel_tool_calls response_format seed user logprobs top_logprobs metadata store "
    "presence_penalty frequency_penalty logit_bias reasoning_effort service_tier verbosity "
    "prompt_cache_key safety_identifier".split()
)
ANTHROPIC_KEYS = set(
    "model messages max_tokens system temperature top_p top_k stop_sequences stream tools tool_choice "  # noqa: SIM905 - as above
    "metadata thinking output_config service_tier cache_control".split()
)
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
SECRET = "sk-scripted"
Json = dict[str, Any]


class RefusedError(Exception):
    """The request is not one that the real upstream would take."""


def need(holds: object, message: str) -> None:
    """Refuses the request unless `holds`."""
    if not holds:
        raise RefusedError(message)


def invent(schema: Json, root: Json) -> Any:
    """Returns a value that a JSON schema allows."""
    if "$ref" in schema:
        return invent(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    if kind == "object":
        return {name: invent(each, root) for name, each in schema.get("properties", {}).items()}
    if kind == "array":
        return [invent(schema.get("items", {}), root)]
    return {"string": "Paris", "integer": 3, "number": 2.5, "boolean": True}.get(kind)


def digest(encoded: str) -> str:
    """Returns a short name for base64 data."""
    import base64

    return hashlib.sha256(base64.b64decode(encoded, validate=True)).hexdigest()[:12]


class Asked:
    """A request, read by either face."""

    def __init__(self) -> None:
        self.system: list[str] = []
        self.turns: list[str] = []
        self.images: list[str] = []
        self.results: list[str] = []
        self.tools: list[Json] = []
        """Name and schema."""
        self.tool: str | None = None
        """The tool to be called now."""
        self.schema: Json | None = None
        self.last = ""

    def answer(self) -> tuple[str, list[tuple[str, Json]]]:
        """Returns the text and the tool calls of the answer."""
        if self.tool is not None:
            schema = next(each["schema"] for each in self.tools if each["name"] == self.tool)
            call = (self.tool, invent(schema, schema))
            return "", [call, call] if "both" in self.last else [call]
        if self.schema is not None:
            return json.dumps(invent(self.schema, self.schema)), []
        told = {"system": self.system, "turns": self.turns, "images": self.images, "results": self.results}
        return "I saw " + json.dumps({name: value for name, value in told.items() if value}), []


def openai_asked(body: Json) -> Asked:
    """Reads and checks a chat completion request."""
    asked, calls = Asked(), set()
    need(set(body) <= OPENAI_KEYS, f"unknown fields: {sorted(set(body) - OPENAI_KEYS)}")
    need(isinstance(body.get("messages"), list) and body["messages"], "messages is required")
    for message in body["messages"]:
        role, content = message.get("role"), message.get("content")
        need(role in {"system", "developer", "user", "assistant", "tool"}, f"unknown role {role}")
        text = openai_text(content, asked)
        calls |= {call["id"] for call in message.get("tool_calls") or ()}
        for call in message.get("tool_calls") or ():
            need(isinstance(json.loads(call["function"]["arguments"]), dict), "arguments are not an object")
        need(content is not None or message.get("tool_calls"), "a message without content")
        if role in {"system", "developer"}:
            asked.system.append(text)
        elif role == "tool":
            need(message.get("tool_call_id") in calls, "a tool message that answers no call")
            asked.results.append(text)
        else:
            asked.turns.append(f"{role}: {text}")
        asked.last = text if role == "user" else asked.last
    for tool in body.get("tools") or ():
        need(tool.get("type") == "function", "a tool that is no function")
        function = tool["function"]
        asked.tools.append({"name": function["name"], "schema": function.get("parameters") or {}})
    choice = body.get("tool_choice", "auto")
    need(choice == "auto" or asked.tools, "tool_choice without tools")
    if asked.tools and choice != "none" and body["messages"][-1]["role"] != "tool":
        named = choice["function"]["name"] if isinstance(choice, dict) else None
        asked.tool = named or asked.tools[0]["name"]
    shape = body.get("response_format") or {}
    need(shape.get("type", "text") in {"text", "json_object", "json_schema"}, "unknown response_format")
    if shape.get("type") == "json_schema":
        asked.schema = shape["json_schema"]["schema"]
    return asked


def openai_text(content: Any, asked: Asked) -> str:
    """Returns the text of a message's content; notes its images."""
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for part in content:
        need(part.get("type") in {"text", "image_url", "refusal"}, f"unknown part {part.get('type')}")
        if part["type"] == "image_url":
            url = part["image_url"]["url"]
            found = re.fullmatch(r"data:(image/[a-z]+);base64,(.*)", url)
            asked.images.append(f"{found[1]} {digest(found[2])}" if found else url)
        else:
            texts.append(part["text"])
    return " ".join(texts)


def anthropic_asked(body: Json) -> Asked:
    """Reads and checks a request for a message."""
    asked = Asked()
    need(set(body) <= ANTHROPIC_KEYS, f"unknown fields: {sorted(set(body) - ANTHROPIC_KEYS)}")
    need(isinstance(body.get("messages"), list) and body["messages"], "messages: field required")
    need(body["messages"][0]["role"] == "user", "the first message must be the user's")
    system = body.get("system") or []
    asked.system = [system] if isinstance(system, str) else [block["text"] for block in system]
    open_calls: set[str] = set()
    is_result = False
    for message in body["messages"]:
        role, content = message["role"], message["content"]
        need(role in {"user", "assistant"}, f"unknown role {role}")
        need(set(message) == {"role", "content"}, f"messages: unknown fields {sorted(message)}")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        need(blocks, "a message without content")
        answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        need(answered == open_calls, f"tool_use {open_calls} answered by tool_result {answered}")
        text, is_result = anthropic_text(blocks, asked), bool(answered)
        open_calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
        if text:
            asked.turns.append(f"{role}: {text}")
        asked.last = text if role == "user" and text else asked.last
    anthropic_tools(body, asked, is_result=is_result)
    return asked


def anthropic_tools(body: Json, asked: Asked, *, is_result: bool) -> None:
    """Reads and checks tools and the answer's format."""
    for tool in body.get("tools") or ():
        need(tool.get("type", "custom") == "custom", f"unknown tool type {tool.get('type')}")
        need(tool["input_schema"].get("type") == "object", "input_schema must be an object's")
        asked.tools.append({"name": tool["name"], "schema": tool["input_schema"]})
    choice = body.get("tool_choice") or {"type": "auto"}
    need(choice["type"] in {"auto", "any", "tool", "none"}, f"unknown tool_choice {choice}")
    need(choice["type"] == "auto" or asked.tools, "tool_choice without tools")
    if asked.tools and choice["type"] != "none" and not is_result:
        asked.tool = choice.get("name") or asked.tools[0]["name"]
    shape = (body.get("output_config") or {}).get("format")
    if shape is not None:
        need(shape["type"] == "json_schema", f"unknown format {shape}")
        asked.schema = shape["schema"]


def anthropic_text(blocks: list[Json], asked: Asked) -> str:
    """Returns the text of content blocks; notes images and tool results."""
    texts = []
    for block in blocks:
        kind = block["type"]
        if kind == "text":
            need(block["text"], "text content blocks must be non-empty")
            texts.append(block["text"])
        elif kind == "image":
            source = block["source"]
            is_data = source["type"] == "base64"
            said = f"{source['media_type']} {digest(source['data'])}" if is_data else source["url"]
            asked.images.append(said)
        elif kind == "tool_result":
            content = block.get("content") or ""
            asked.results.append(content if isinstance(content, str) else anthropic_text(content, asked))
        elif kind == "tool_use":
            need(isinstance(block["input"], dict), "tool_use.input: not an object")
        else:
            need(kind in {"thinking", "redacted_thinking"}, f"unknown block {kind}")
            need(kind != "thinking" or block.get("signature") == "signed", "thinking without its signature")
    return " ".join(texts)


def pieces(text: str) -> list[str]:
    """Cuts a text as tokens would."""
    return re.findall(r"\s*\S{1,6}", text)


def openai_answer(body: Json) -> Json:
    """Returns a chat completion."""
    text, calls = openai_asked(body).answer()
    message: Json = {"role": "assistant", "content": text or None, "refusal": None}
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call_{at}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(value)},
            }
            for at, (name, value) in enumerate(calls)
        ]
    reason = "tool_calls" if calls else "stop"
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        "usage": openai_usage(),
    }


def openai_usage() -> Json:
    """Returns fixed figures, each different, so that none can stand for another."""
    return {
        "prompt_tokens": 18,
        "completion_tokens": 9,
        "total_tokens": 27,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def openai_events(body: Json) -> Iterator[bytes]:
    """Yields a chat completion's server-sent events."""
    whole = openai_answer(body)
    message = whole["choices"][0]["message"]
    base = {name: whole[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}

    def event(delta: Json, reason: str | None = None) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
        return b"data: " + json.dumps({**base, "choices": choices}).encode() + b"\n\n"

    yield event({"role": "assistant", "content": ""})
    for number, piece in enumerate(pieces(message["content"] or "")):
        if number == 2 and "fail midway" in openai_asked(body).last:
            fault = {"message": "broken on purpose", "type": "server_error", "code": "mock", "param": None}
            yield b"data: " + json.dumps({"error": fault}).encode() + b"\n\n"
            return
        yield event({"content": piece})
    for at, call in enumerate(message.get("tool_calls", ())):
        arguments = call["function"]["arguments"]
        begun = {**call, "index": at, "function": {"name": call["function"]["name"], "arguments": ""}}
        yield event({"tool_calls": [begun]})
        for piece in pieces(arguments):
            yield event({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})
    yield event({}, whole["choices"][0]["finish_reason"])
    if (body.get("stream_options") or {}).get("include_usage"):
        closing = json.dumps({**base, "choices": [], "usage": whole["usage"]}).encode()
        yield b"data: " + closing + b"\n\n"
    yield b"data: [DONE]\n\n"


def anthropic_answer(body: Json) -> Json:
    """Returns a message."""
    need(isinstance(body.get("max_tokens"), int) and body["max_tokens"] > 0, "max_tokens: field required")
    asked = anthropic_asked(body)
    text, calls = asked.answer()
    content: list[Json] = []
    if "think" in asked.last:
        content.append({"type": "thinking", "thinking": "Let me see.", "signature": "signed"})
    if text:
        content.append({"type": "text", "text": text})
    content += [
        {"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": value}
        for at, (name, value) in enumerate(calls)
    ]
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": "tool_use" if calls else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 11,
            "cache_read_input_tokens": 4,
            "cache_creation_input_tokens": 3,
            "output_tokens": 9,
        },
    }


def anthropic_events(body: Json) -> Iterator[bytes]:
    """Yields a message's server-sent events."""

    def event(kind: str, **more: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()

    whole = anthropic_answer(body)
    is_broken = "fail midway" in anthropic_asked(body).last
    opening = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    yield event("message_start", message=opening)
    yield event("ping")
    for at, block in enumerate(whole["content"]):
        empty = {**block, **{"text": {"text": ""}, "tool_use": {"input": {}}}.get(block["type"], {})}
        if block["type"] == "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
        yield event("content_block_start", index=at, content_block=empty)
        for number, delta in enumerate(anthropic_deltas(block)):
            if number == 2 and is_broken:
                yield event("error", error={"type": "overloaded_error", "message": "broken on purpose"})
                return
            yield event("content_block_delta", index=at, delta=delta)
        yield event("content_block_stop", index=at)
    ending = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=ending, usage={"output_tokens": whole["usage"]["output_tokens"]})
    yield event("message_stop")


def anthropic_deltas(block: Json) -> Iterator[Json]:
    """Yields the deltas that make up a content block."""
    if block["type"] == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in pieces(block["text"]))
    elif block["type"] == "tool_use":
        yield {"type": "input_json_delta", "partial_json": ""}
        for piece in pieces(json.dumps(block["input"])):
            yield {"type": "input_json_delta", "partial_json": piece}
    else:
        yield {"type": "thinking_delta", "thinking": block["thinking"]}
        yield {"type": "signature_delta", "signature": block["signature"]}


class Face(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answers, or refuses as the real one would."""
        data = self.rfile.read(int(self.headers["content-length"]))
        is_anthropic = "/messages" in self.path
        try:
            body = json.loads(data)
            self.check(is_anthropic=is_anthropic)
            asked = anthropic_asked(body) if is_anthropic else openai_asked(body)
            status = re.search(r"fail (\d+)", asked.last)
            if status is not None:
                return self.refuse(int(status[1]), "asked for", is_anthropic=is_anthropic)
            if self.path.endswith("/count_tokens"):
                return self.send(200, {"input_tokens": 17})
            answer, events = (
                (anthropic_answer, anthropic_events) if is_anthropic else (openai_answer, openai_events)
            )
            if body.get("stream"):
                return self.stream(events(body))
            return self.send(200, answer(body))
        except (RefusedError, KeyError, TypeError, ValueError, AttributeError) as fault:
            return self.refuse(400, f"{fault!r} in {data[:2000]!r}", is_anthropic=is_anthropic)

    def check(self, *, is_anthropic: bool) -> None:
        """Checks the path and the headers."""
        if is_anthropic:
            given = self.headers["x-api-key"] or (self.headers["authorization"] or "").removeprefix("Bearer ")
            need(given == SECRET, "x-api-key is missing")
            version = self.headers["anthropic-version"] or ""
            need(re.fullmatch(r"20\d\d-\d\d-\d\d", version), "anthropic-version is missing")
            need(self.path.partition("?")[0] in {"/v1/messages", "/v1/messages/count_tokens"}, self.path)
        else:
            need(self.headers["authorization"] == f"Bearer {SECRET}", "authorization is missing")
            need(self.path == "/v1/chat/completions", self.path)

    def refuse(self, status: int, message: str, *, is_anthropic: bool) -> None:
        """Answers with an error in the face's own shape."""
        kind = KINDS.get(status, "api_error")
        if is_anthropic:
            self.send(status, {"type": "error", "error": {"type": kind, "message": message}})
        else:
            fault = {"message": message, "type": kind, "param": None, "code": "scripted"}
            self.send(status, {"error": fault})

    def send(self, status: int, body: Json) -> None:
        """Sends a whole answer."""
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if status == 429:
            self.send_header("retry-after", "1")
        self.end_headers()
        self.wfile.write(data)

    def stream(self, events: Iterator[bytes]) -> None:
        """Sends a stream; what is wrong with the request is found before the head goes."""
        first = next(events)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for data in (first, *events):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        """Keeps silent."""


def main() -> None:
    """Serves until standard input ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Face)
    server.daemon_threads = True
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
