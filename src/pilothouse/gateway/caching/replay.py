"""A plain answer as the stream it could have been: role, pieces of text, tools, reason, usage.

Refuses to know why it is told again. Invariant: folding the events gives the answer back, as far as the fold
reads it; log-probabilities stay with exactly the text they belong to.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

PIECE_CHARACTERS = 48
"""About ten tokens, so that a page that shows a stream still shows one."""
MOST_PIECES = 256
"""Longer answers get longer pieces."""
_encode = msgspec.json.Encoder().encode
_SPOKEN = frozenset(("role", "content", "tool_calls", "refusal", "reasoning_content", "reasoning"))

Document = dict[str, Any]


def events_of(body: bytes) -> bytes:
    """Returns the events of a stream that says this answer, with usage, without `[DONE]`.

    Args:
        body: The JSON of a chat's or text completion's plain answer.

    Raises:
        msgspec.DecodeError: It is not one.
    """
    answer = msgspec.json.decode(body, type=dict[str, Any])
    is_chat = answer.get("object") != "text_completion"
    head = {name: value for name, value in answer.items() if name not in {"choices", "usage"}}
    head["object"] = "chat.completion.chunk" if is_chat else "text_completion"
    parts: list[bytes] = []
    for choice in answer.get("choices") or ():
        deltas = _chat(choice) if is_chat else _text(choice)
        parts.extend(_event({**head, "choices": [delta]}) for delta in deltas)
    usage = answer.get("usage")
    if usage is not None:
        parts.append(_event({**head, "choices": [], "usage": usage}))
    return b"".join(parts)


def _event(chunk: Document) -> bytes:
    return b"data: " + _encode(chunk) + b"\n\n"


def _chat(choice: Document) -> Iterator[Document]:
    index = choice.get("index", 0)
    message = choice.get("message") or {}
    logprobs = choice.get("logprobs")
    more = {name: value for name, value in message.items() if name not in _SPOKEN and value is not None}
    yield _delta(index, {"role": message.get("role", "assistant"), "content": "", **more})
    for name in ("reasoning_content", "reasoning"):
        for piece in _pieces(message.get(name)):
            yield _delta(index, {name: piece})
    yield from _spoken(index, message, logprobs)
    for number, call in enumerate(message.get("tool_calls") or ()):
        yield _delta(index, {"tool_calls": [{"index": number, **call}]})
    yield {"index": index, "delta": {}, "logprobs": None, "finish_reason": choice.get("finish_reason")}


def _spoken(index: int, message: Document, logprobs: Any) -> Iterator[Document]:
    """Yields text and refusal: in pieces, or whole together with log-probabilities."""
    content, refusal = message.get("content"), message.get("refusal")
    if logprobs is not None:
        said = {name: text for name, text in (("content", content), ("refusal", refusal)) if text}
        yield {**_delta(index, said), "logprobs": logprobs}
        return
    for piece in _pieces(content):
        yield _delta(index, {"content": piece})
    for piece in _pieces(refusal):
        yield _delta(index, {"refusal": piece})


def _text(choice: Document) -> Iterator[Document]:
    index, text, logprobs = choice.get("index", 0), choice.get("text"), choice.get("logprobs")
    pieces = [text or ""] if logprobs is not None else _pieces(text)
    for piece in pieces:
        yield {"index": index, "text": piece, "logprobs": logprobs, "finish_reason": None}
    yield {"index": index, "text": "", "logprobs": None, "finish_reason": choice.get("finish_reason")}


def _delta(index: int, delta: Document) -> Document:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}


def _pieces(text: Any) -> Iterator[str]:
    """Yields a text in pieces that end where words do."""
    if not isinstance(text, str) or not text:
        return
    size = max(PIECE_CHARACTERS, -(-len(text) // MOST_PIECES))
    start = 0
    while start < len(text):
        end = start + size
        if end < len(text):
            space = text.rfind(" ", start + 1, end)
            end = space if space > start else end
        yield text[start:end]
        start = end
