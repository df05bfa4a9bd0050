"""What is kept of bodies: capped, with images and audio replaced by their digest and size.

Refuses to know whether anything may be kept: that is the policy's. Invariant: what is made here is at most
the cap long, and where it was cut, the whole's size and digest stand beside it.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec

from pilothouse.contracts.events import Content
from pilothouse.gateway import wire

SMALLEST_MEDIA = 256
"""Texts shorter than this, in characters, are kept: they are names or addresses, not media."""


def content_of(request: bytes | None, response: bytes | None, *, max_bytes: int) -> Content:
    """Returns a call's content as it is recorded."""
    if request is not None and has_media(request):
        request = without_media(request)
    is_request_long = request is not None and len(request) > max_bytes
    is_response_long = response is not None and len(response) > max_bytes
    if not is_request_long and not is_response_long:
        return Content(request, response)
    return Content(
        request=request[:max_bytes] if request is not None else None,
        response=response[:max_bytes] if response is not None else None,
        request_truncated_from=len(request) if request is not None and is_request_long else None,
        response_truncated_from=len(response) if response is not None and is_response_long else None,
        request_sha256=sha256(request).digest() if request is not None and is_request_long else None,
        response_sha256=sha256(response).digest() if response is not None and is_response_long else None,
    )


def has_media(body: bytes) -> bool:
    """Says whether a body may hold images, audio or files."""
    return b'"type"' in body and (
        b'"image_url"' in body or b'"input_audio"' in body or b'"file_data"' in body
    )


def without_media(body: bytes) -> bytes:
    """Returns a chat's body with images, audio and files as `sha256:…` and their size in bytes."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return body
    for part in _parts(document):
        for holder, name in (("image_url", "url"), ("input_audio", "data"), ("file", "file_data")):
            inner = part.get(holder)
            if isinstance(inner, dict) and _is_media(inner.get(name)):
                inner[name] = _mark(inner[name])
    return wire.encode(document)


def _parts(document: Any) -> Iterator[dict[str, Any]]:
    messages = document.get("messages") if isinstance(document, dict) else None
    for message in messages if isinstance(messages, list) else ():
        parts = message.get("content") if isinstance(message, dict) else None
        yield from (part for part in (parts if isinstance(parts, list) else ()) if isinstance(part, dict))


def _is_media(value: Any) -> bool:
    return isinstance(value, str) and len(value) >= SMALLEST_MEDIA


def _mark(text: str) -> str:
    data = text.encode()
    return f"sha256:{sha256(data).hexdigest()};bytes={len(data)}"


def embedding_summary(answer: wire.EmbeddingAnswer) -> bytes:
    """Returns what is kept of an embeddings answer: count, dimensions and a digest, never the vectors."""
    digest = sha256()
    for item in answer.data:
        digest.update(item.embedding)
    first = bytes(answer.data[0].embedding) if answer.data else b""
    return wire.encode(
        {
            "object": "list",
            "model": answer.model,
            "count": len(answer.data),
            "dimensions": _dimensions(first),
            "sha256": digest.hexdigest(),
        }
    )


def _dimensions(vector: bytes) -> int:
    """Counts the numbers of a vector: a JSON array, or base64 of 32-bit floats."""
    if vector.startswith(b'"'):
        text = vector.strip(b'"').rstrip(b"=")
        return len(text) * 3 // 4 // 4
    return vector.count(b",") + 1 if len(vector) > len(b"[]") else 0
