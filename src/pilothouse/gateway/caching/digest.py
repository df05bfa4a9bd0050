"""Under what an answer is kept: a digest of all that could change it, and of who may share it.

Refuses to know what is kept. Invariant: two requests have one digest only if every member that can change
the answer is equal, in the same scope; what is left out is listed here.
"""

import json
from hashlib import blake2b
from typing import Any

import msgspec

from pilothouse.contracts.traffic import CacheScope
from pilothouse.gateway.caching.words import marks_of

UNSAID = (
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "user",
)
"""Members that do not change what is answered: who asks, how it travels, what is kept of it elsewhere."""
LONGEST_MEANING = 500
"""Bytes of a message whose meaning is compared: the embedding model reads 512 tokens, and would be blind to
what differs behind them."""
DIGEST_BYTES = 32

_pack = msgspec.msgpack.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode

Document = dict[str, Any]
Scope = tuple[str, str]
"""Who shares answers: a kind, and which one of it."""


class Meaning:
    """What of a request is compared by meaning, and the digest of everything else."""

    __slots__ = ("bucket", "text")

    def __init__(self, text: str, bucket: bytes) -> None:
        self.text = text
        self.bucket = bucket


def scope_of(wide: CacheScope, *, key_id: str | None, team: str | None, is_recorded: bool) -> Scope | None:
    """Returns who shares answers with a call, or `None` when it must not be cached.

    Args:
        wide: The policy's scope.
        key_id: The caller's key.
        team: Its team.
        is_recorded: Whether the call's content may be recorded; where not, no other key shares it.
    """
    if is_recorded and wide == "all":
        return "all", ""
    if is_recorded and wide == "team" and team is not None:
        return "team", team
    return None if key_id is None else ("key", key_id)


def seed_of(fingerprint: bytes, scope: Scope, *others: str) -> bytes:
    """Returns what a digest begins with: the route, who shares, and whatever else tells calls apart."""
    return fingerprint + _pack((scope, others))


def read_document(body: bytes, *, is_shared: bool) -> Document | None:
    """Returns a request's members without those of `UNSAID`, or `None` when it must not be cached.

    Args:
        body: The request's JSON.
        is_shared: Whether several callers share answers. Then a body that two readers could read in two
            ways (a name twice in one object) is not cached: with it one caller could plant an answer to
            another question than its digest says.
    """
    try:
        document = msgspec.json.decode(body)
        if is_shared:
            _only_once(body.decode())
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    for name in UNSAID:
        document.pop(name, None)
    return document


def digest_of(seed: bytes, document: Document) -> bytes:
    """Returns the digest of a request.

    Args:
        seed: Scope, route and dialect, as one unambiguous text.
        document: The request, as `read_document` gives it.
    """
    return blake2b(seed + b"\0\0" + _encode_sorted(document), digest_size=DIGEST_BYTES).digest()


def meaning_of(seed: bytes, document: Document) -> Meaning | None:
    """Returns what of a chat may be compared by meaning, or `None` when nothing may.

    The last message must be a person's, only text, and short. Its numbers, names and negations belong to the
    digest of the rest: an embedding hardly tells them apart, and they change the answer.
    """
    messages = document.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict) or last.get("role") != "user":
        return None
    text = _text_of(last.get("content"))
    if not text.strip() or len(text.encode("utf-8", "surrogatepass")) > LONGEST_MEANING:
        return None
    rest = {**document, "messages": [*document["messages"][:-1], {**last, "content": marks_of(text)}]}
    return Meaning(text, digest_of(seed + b"\0meaning", rest))


def _text_of(content: Any) -> str:
    """Returns a message's text, or an empty one when it holds anything else."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or len(content) != 1:
        return ""
    part = content[0]
    is_text = isinstance(part, dict) and set(part) == {"type", "text"} and part["type"] == "text"
    return part["text"] if is_text and isinstance(part["text"], str) else ""


def _only_once(text: str) -> None:
    """Raises `ValueError` when an object names a member twice."""
    json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member stands twice in one object")
