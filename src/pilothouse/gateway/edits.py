"""The three edits of a body, each made only when needed; otherwise the very bytes are forwarded.

The model's name is changed to the deployment's and back; `include_usage` and `logprobs` are added to a
request and what they brought is taken out of the answer. Where the text allows it an edit is a cut in the
bytes; where it does not, the top level is taken apart and put together with every other value's bytes as
they were. Refuses to know why an edit is wanted. Invariant: no member but the named ones changes its value.
"""

from collections.abc import Callable, Iterable

import msgspec

from pilothouse.gateway import wire
from pilothouse.gateway.wire import Raw, is_there

ASK_USAGE = b'"stream_options":{"include_usage":true},'
ASK_CHAT_LOGPROBS = b'"logprobs":true,'
ASK_COMPLETION_LOGPROBS = b'"logprobs":1,'
MODEL_KEY = b'"model"'
BEFORE_VALUE = b": \t\n\r"
"""What stands between a member's name and its value, in an object that decoding found valid."""
_NULL = Raw(b"null")

Members = dict[str, Raw]
Edit = Callable[[bytes], bytes]


def name_as_json(name: str) -> bytes:
    """Returns a model's name as a JSON string."""
    return wire.encode(name)


def replace_model(body: bytes, old: bytes, new: bytes) -> bytes:
    """Returns `body` with its model's name changed.

    Args:
        body: A JSON object that is known to be one.
        old: The name that decoding it gave, as a JSON string.
        new: The name to be put there, as a JSON string.
    """
    cut = _only_model(body, old)
    if cut >= 0:
        return body[:cut] + new + body[cut + len(old) :]
    members = wire.decode_members(body)
    members["model"] = Raw(new)
    return wire.encode(members)


def _only_model(body: bytes, old: bytes) -> int:
    """Returns where the one `"model"` in the text has `old` as its value, or -1 when that is not so plain."""
    at = body.find(MODEL_KEY)
    if at < 0 or body.find(MODEL_KEY, at + 7) >= 0:
        return -1
    at += 7
    while body[at] in BEFORE_VALUE:
        at += 1
    return at if body.startswith(old, at) else -1


def is_model_plain(body: bytes) -> bool:
    """Says whether the text names a model once only, so that no two readers can disagree about it."""
    at = body.find(MODEL_KEY)
    return at >= 0 and body.find(MODEL_KEY, at + 7) < 0


def canonical(body: bytes) -> bytes:
    """Returns the object with each member once: of members of one name the last, as decoding sees it."""
    return wire.encode(wire.decode_members(body))


def insert_first(body: bytes, member: bytes) -> bytes:
    """Returns an object that is not empty with `member` (`"name":value,`) before its first one."""
    cut = body.index(b"{") + 1
    return body[:cut] + member + body[cut:]


def ask_usage(body: bytes, options: wire.StreamOptions | None) -> bytes:
    """Returns a streamed request's body that asks for usage."""
    if options is None and b'"stream_options"' not in body:
        return insert_first(body, ASK_USAGE)
    members = wire.decode_members(body)
    raw = members.get("stream_options", wire.NOTHING)
    inner: Members = wire.decode_members(raw) if is_there(raw) else {}
    inner["include_usage"] = Raw(b"true")
    members["stream_options"] = Raw(wire.encode(inner))
    return wire.encode(members)


def ask_logprobs(body: bytes, member: bytes) -> bytes:
    """Returns a body that asks for log-probabilities by `member` (one of `ASK_…_LOGPROBS`)."""
    if b'"logprobs"' not in body:
        return insert_first(body, member)
    members = wire.decode_members(body)
    members.pop("logprobs", None)
    return insert_first(wire.encode(members), member)


def drop_members(body: bytes, names: Iterable[str]) -> bytes:
    """Returns a body without the members that an upstream refuses."""
    members = wire.decode_members(body)
    present = [name for name in names if members.pop(name, None) is not None]
    return wire.encode(members) if present else body


def without_logprobs(body: bytes) -> bytes:
    """Returns an answer or a stream's chunk with the log-probabilities of each choice made null."""
    members = wire.decode_members(body)
    raw = members.get("choices", wire.NOTHING)
    if not is_there(raw):
        return body
    choices = [wire.decode_members(choice) for choice in wire.decode_items(raw)]
    for choice in choices:
        if "logprobs" in choice:
            choice["logprobs"] = _NULL
    members["choices"] = Raw(wire.encode(choices))
    return wire.encode(members)


def edit_payload(payload: bytes, edit: Edit) -> bytes:
    """Returns a stream's payload after an edit; one that is not a JSON object is left as it is."""
    try:
        return edit(payload)
    except msgspec.DecodeError:
        return payload
