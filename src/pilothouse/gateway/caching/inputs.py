"""Embedding requests put together into one, and its answer taken apart again.

Refuses to know when they came and where they go. Invariant: every vector goes back to the input that it was
made of, under the index that the input had in its own request; the parts of usage add up to the whole.
"""

import msgspec

from pilothouse.gateway.wire import Raw

_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_items = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode
_SPACE = b" \t\r\n"


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int = 0
    total_tokens: int = 0


class _Item(msgspec.Struct, gc=False, omit_defaults=True):
    index: int
    embedding: Raw
    object: str = ""


class _Answer(msgspec.Struct):
    data: list[_Item]
    model: str | None = None
    usage: _Usage | None = None


class Inputs:
    """One embeddings request, as far as it can be put together with others."""

    __slots__ = ("alike", "texts")

    def __init__(self, texts: list[Raw], alike: bytes) -> None:
        self.texts = texts
        """Each input as JSON: a text, or an array of tokens."""
        self.alike = alike
        """All other members, and the kind of the inputs: requests with equal ones can be put together."""


def read_inputs(body: bytes) -> Inputs | None:
    """Returns a request's inputs, or `None` when it must be sent as it is."""
    try:
        members = _decode_members(body)
        raw = bytes(members.pop("input", Raw(b""))).strip(_SPACE)
        if raw.startswith(b'"'):
            texts = [Raw(raw)]
        else:
            texts = _decode_items(raw)
            if texts and bytes(texts[0])[:1].isdigit():
                texts = [Raw(raw)]  # one input, given as tokens
    except msgspec.DecodeError:
        return None
    kinds = {_kind(text) for text in texts}
    if len(kinds) != 1:
        return None  # none at all, or mixed: whatever the provider says to it
    kind = kinds.pop()
    if kind == b"0":
        return None
    return Inputs(texts, kind + _encode_sorted({name: bytes(value) for name, value in members.items()}))


def merged(body: bytes, parts: list[Inputs]) -> bytes:
    """Returns one request for all inputs, in order.

    Args:
        body: Any of the requests: but for the inputs they are alike.
        parts: The inputs of each.
    """
    members = _decode_members(body)
    members["input"] = Raw(_encode([text for part in parts for text in part.texts]))
    return _encode(members)


def split(body: bytes, parts: list[Inputs]) -> list[bytes] | None:
    """Returns each request's own answer, or `None` when the answer does not fit the inputs.

    Providers say usage for a whole request only. It is split by the length of the inputs: an estimate, whose
    sum is exact.

    Raises:
        msgspec.DecodeError: The body is no embeddings answer.
    """
    answer = _decode_answer(body)
    count = sum(len(part.texts) for part in parts)
    items = sorted(answer.data, key=_index)
    if [item.index for item in items] != list(range(count)):
        return None
    shares = _shares(answer.usage, parts)
    bodies: list[bytes] = []
    start = 0
    for number, part in enumerate(parts):
        own = items[start : start + len(part.texts)]
        start += len(part.texts)
        for index, item in enumerate(own):
            item.index = index
            item.object = "embedding"
        document: dict[str, object] = {"object": "list", "data": own, "model": answer.model}
        if shares is not None:
            tokens = shares[number]
            document["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        bodies.append(_encode(document))
    return bodies


_decode_answer = msgspec.json.Decoder(_Answer).decode


def _index(item: _Item) -> int:
    return item.index


def _kind(raw: Raw) -> bytes:
    """Returns `"` for a text, `[` for tokens, `0` for anything else."""
    first = bytes(raw).lstrip(_SPACE)[:1]
    return first if first in {b'"', b"["} else b"0"


def _shares(usage: _Usage | None, parts: list[Inputs]) -> list[int] | None:
    """Returns the tokens of each request; their sum is the whole."""
    if usage is None:
        return None
    sizes = [sum(len(text) for text in part.texts) for part in parts]
    total, size = usage.prompt_tokens or usage.total_tokens, sum(sizes)
    shares: list[int] = []
    given = passed = 0
    for own in sizes:
        passed += own
        upto = total * passed // size if size else total
        shares.append(upto - given)
        given = upto
    return shares
