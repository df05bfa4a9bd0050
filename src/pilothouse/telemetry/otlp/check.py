"""What is checked of an OTLP request before it is answered: size unpacked, shape, ids.

Refuses to know who sends and where it is kept. Invariant: what passes here can be decoded later; what is
rejected here is left out then by the same rule.
"""

import zlib
from dataclasses import dataclass
from types import ModuleType

from pilothouse.contracts.errors import InvalidRequestError, PayloadTooLargeError
from pilothouse.contracts.events import Encoding, Signal
from pilothouse.telemetry.otlp import json

__all__ = ["Checked", "check", "codec", "unpack"]

GZIP_WINDOW = 31
"""zlib's word for a gzip header and the largest window."""
WRONG_IDS = (
    "a trace id must be 16 bytes and a span id 8, and neither all zero (32 and 16 hex characters in JSON)"
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a request holds."""

    items: int
    """Spans, records or data points that are taken."""
    rejected: int
    reason: str
    """Why some are rejected; empty when none are."""


def codec(encoding: Encoding) -> ModuleType:
    """Returns the module that reads an encoding; protobuf's is imported on first use (8 MB)."""
    if encoding == "json":
        return json
    from pilothouse.telemetry.otlp import protobuf

    return protobuf


def unpack(body: bytes, most_bytes: int) -> bytes:
    """Returns what a gzip body holds.

    Raises:
        InvalidRequestError: it is not gzip, or only a part of it.
        PayloadTooLargeError: it holds more than `most_bytes`; no more than that is ever unpacked.
    """
    unpacking = zlib.decompressobj(GZIP_WINDOW)
    try:
        found = unpacking.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise InvalidRequestError(
            "The body says it is gzip and is not.", hint="Send it as it is, or without content-encoding."
        ) from error
    if len(found) > most_bytes:
        raise PayloadTooLargeError(
            f"The body unpacks to more than {most_bytes} bytes.",
            hint="Send smaller batches, or raise telemetry.intake.body_bytes.",
        )
    if not unpacking.eof:
        raise InvalidRequestError("The gzip body breaks off.", hint="Send it whole.")
    return found


def check(signal: Signal, encoding: Encoding, body: bytes) -> Checked:
    """Returns what a request's (unpacked) body holds.

    Raises:
        InvalidRequestError: it is not a whole message of that signal.
    """
    reader = codec(encoding)
    try:
        items, rejected = reader.count(signal, reader.parse(signal, body))
    except ValueError as error:
        raise InvalidRequestError(
            f"This is not OTLP {signal}: {error}.",
            hint="Send an Export…ServiceRequest, whole, with the content-type it is in.",
            code="invalid_otlp",
        ) from error
    return Checked(items, rejected, WRONG_IDS if rejected else "")
