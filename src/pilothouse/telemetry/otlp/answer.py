"""What an OTLP sender is answered: success in full or in part, or a status, in its own encoding.

The messages are `Export…ServiceResponse` and `google.rpc.Status`; both are two fields, written here by hand.
Refuses to know HTTP. Invariant: an empty body in protobuf means that all was taken.
"""

import msgspec

from pilothouse.contracts.events import Encoding, Signal

__all__ = ["CONTENT_TYPES", "status_body", "success_body"]

CONTENT_TYPES: dict[Encoding, bytes] = {"protobuf": b"application/x-protobuf", "json": b"application/json"}
REJECTED: dict[Signal, str] = {
    "traces": "rejectedSpans",
    "metrics": "rejectedDataPoints",
    "logs": "rejectedLogRecords",
}
NUMBER_FIELD = b"\x08"
"""Field 1, a varint."""
TEXT_FIELD = b"\x12"
"""Field 2, bytes with their length."""
MESSAGE_FIELD = b"\x0a"
"""Field 1, bytes with their length."""


def success_body(signal: Signal, encoding: Encoding, *, rejected: int, reason: str) -> bytes:
    """Returns the body of a 200; with how many items were rejected and why, if some were."""
    if encoding == "json":
        partial = {REJECTED[signal]: str(rejected), "errorMessage": reason}
        return msgspec.json.encode({"partialSuccess": partial} if rejected else {})
    if not rejected:
        return b""
    partial_success = _pair(rejected, reason)
    return MESSAGE_FIELD + _varint(len(partial_success)) + partial_success


def status_body(encoding: Encoding, *, code: int, message: str) -> bytes:
    """Returns the body of an error: a `google.rpc.Status` with its gRPC code."""
    if encoding == "json":
        return msgspec.json.encode({"code": code, "message": message})
    return _pair(code, message)


def _pair(number: int, text: str) -> bytes:
    raw = text.encode()
    return NUMBER_FIELD + _varint(number) + TEXT_FIELD + _varint(len(raw)) + raw


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
