"""The bytes that the mock upstream answers: chat, streams, completions, embeddings, models, errors.

Refuses to know connections and faults. Invariant: the same question gives the same bytes, so that a
checker can compare every answer.
"""

import base64
import json
import struct
from functools import lru_cache

import msgspec

CREATED_S = 1_700_000_000
WORDS = "the light keeps every ship that asks it for a way and tells each one the same thing".split()  # noqa: SIM905 - it reads as a sentence
PROMPT_TOKENS = 210
"""About what a 1 KB body holds; fixed, so that recorded usage can be checked."""


class StreamOptions(msgspec.Struct):
    """OpenAI's `stream_options`, as far as the mock obeys it."""

    include_usage: bool = False


class Question(msgspec.Struct):
    """What the mock reads of any request body; the rest is ignored, as OpenAI-compatible servers do."""

    model: str = "mock-model"
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    input: msgspec.Raw = msgspec.Raw(b'""')
    encoding_format: str | None = "float"


def token(index: int) -> str:
    """Returns the `index`-th token of any answer, with its leading space."""
    return " " + WORDS[index % len(WORDS)]


def text(tokens: int) -> str:
    """Returns the whole text of an answer of `tokens` tokens."""
    return "".join(token(index) for index in range(tokens))


def usage(tokens: int) -> dict[str, int]:
    """Returns OpenAI's `usage` of an answer of `tokens` tokens."""
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": tokens,
        "total_tokens": PROMPT_TOKENS + tokens,
    }


def head(status: int, content_type: str, length: int | None, extra: str = "") -> bytes:
    """Returns an HTTP/1.1 response head; `length` None means chunked."""
    reason = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}.get(status, "Status")
    body = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return f"HTTP/1.1 {status} {reason}\r\ncontent-type: {content_type}\r\n{body}\r\n{extra}\r\n".encode()


def whole(status: int, document: object, extra: str = "") -> bytes:
    """Returns a complete response with a JSON body."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return head(status, "application/json", len(body), extra) + body


def error(status: int, message: str) -> bytes:
    """Returns a complete response with an error in OpenAI's shape."""
    extra = "retry-after: 1\r\n" if status == 429 else ""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    document = {"error": {"message": message, "type": kind, "param": None, "code": "mock_fault"}}
    return whole(status, document, extra)


@lru_cache(maxsize=1024)
def chat(model: str, tokens: int) -> bytes:
    """Returns a plain chat completion of `tokens` tokens."""
    message = {"role": "assistant", "content": text(tokens)}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return whole(
        200,
        {
            "id": "chatcmpl-mock",
            "object": "chat.completion",
            "created": CREATED_S,
            "model": model,
            "choices": [choice],
            "usage": usage(tokens),
        },
    )


@lru_cache(maxsize=1024)
def completion(model: str, tokens: int) -> bytes:
    """Returns a plain text completion of `tokens` tokens."""
    choice = {"index": 0, "text": text(tokens), "logprobs": None, "finish_reason": "stop"}
    return whole(
        200,
        {
            "id": "cmpl-mock",
            "object": "text_completion",
            "created": CREATED_S,
            "model": model,
            "choices": [choice],
            "usage": usage(tokens),
        },
    )


def event(document: object) -> bytes:
    """Returns one server-sent event as one HTTP chunk."""
    data = b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


DONE = b"e\r\ndata: [DONE]\n\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
STREAM_HEAD = head(200, "text/event-stream; charset=utf-8", None, "cache-control: no-cache\r\n")


@lru_cache(maxsize=1024)
def chat_stream(model: str, tokens: int, *, with_usage: bool) -> tuple[bytes, ...]:
    """Returns a streamed chat completion as its HTTP chunks, head apart, the last chunk included."""
    base = {
        "id": "chatcmpl-mock",
        "object": "chat.completion.chunk",
        "created": CREATED_S,
        "model": model,
    }
    closing: dict[str, object] = {"usage": None} if with_usage else {}

    def chunk(delta: dict[str, str], reason: str | None) -> bytes:
        return event(base | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} | closing)

    chunks = [chunk({"role": "assistant", "content": ""}, None)]
    chunks += [chunk({"content": token(index)}, None) for index in range(tokens)]
    chunks.append(chunk({}, "stop"))
    if with_usage:
        chunks.append(event(base | {"choices": [], "usage": usage(tokens)}))
    return (*chunks, DONE + LAST_CHUNK)


def embeddings(question: Question, dimensions: int) -> bytes:
    """Returns a deterministic vector of `dimensions` numbers for each input."""
    given = msgspec.json.decode(question.input)
    inputs = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    vector = [round(((index * 37) % 101) / 101 - 0.5, 6) for index in range(dimensions)]
    shown: object = vector
    if question.encoding_format == "base64":
        shown = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode()
    rows = [{"object": "embedding", "index": row, "embedding": shown} for row in range(len(inputs))]
    tokens = 8 * len(inputs)
    return whole(
        200,
        {
            "object": "list",
            "data": rows,
            "model": question.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        },
    )


MODELS = whole(
    200,
    {
        "object": "list",
        "data": [{"id": "mock-model", "object": "model", "created": CREATED_S, "owned_by": "mock"}],
    },
)
HEALTH = whole(200, {"status": "ok"})
