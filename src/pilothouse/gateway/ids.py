"""The names of a call: its id (UUIDv7), and its place in a distributed trace.

Follows RFC 9562 for the id and https://www.w3.org/TR/trace-context/ for `traceparent`. Refuses to know what
is traced. Invariant: what a client sent is used only if it is well formed.
"""

from random import getrandbits

LONGEST_REQUEST_ID = 128
TRACEPARENT_LENGTH = 55
_HEX_AND_DASH = b"0123456789abcdef-"
_NO_TRACE = b"0" * 32
_NO_SPAN = b"0" * 16


def new_call_id(now_ns: int) -> str:
    """Returns a UUIDv7 in hex: 48 bits of Unix milliseconds, then 74 random bits."""
    bits = getrandbits(74)
    return (
        f"{now_ns // 1_000_000:012x}7{bits >> 62:03x}{0x8000000000000000 | (bits & 0x3FFFFFFFFFFFFFFF):016x}"
    )


def new_span_id() -> str:
    """Returns 16 hex digits, never all zero."""
    return f"{getrandbits(64) or 1:016x}"


def usable_request_id(value: bytes | None) -> str | None:
    """Returns what a client sent as `x-request-id` if it is short and printable ASCII."""
    if value is None or not 0 < len(value) <= LONGEST_REQUEST_ID or not value.isascii():
        return None
    text = value.decode("ascii")
    return text if text.isprintable() else None


def parse_traceparent(value: bytes | None) -> tuple[str, str, str] | None:
    """Returns trace id, parent span id and flags of a well-formed `traceparent`, else `None`."""
    if value is None or len(value) < TRACEPARENT_LENGTH:
        return None
    head = value[:TRACEPARENT_LENGTH]
    version, dashes = head[:2], (head[2:3], head[35:36], head[52:53])
    if dashes != (b"-", b"-", b"-") or head.translate(None, _HEX_AND_DASH) or head.count(b"-") != len(dashes):
        return None
    if version == b"ff" or (version == b"00" and len(value) != TRACEPARENT_LENGTH):
        return None
    trace, span = head[3:35], head[36:52]
    if trace == _NO_TRACE or span == _NO_SPAN:
        return None
    return trace.decode(), span.decode(), head[53:55].decode()
