"""Lets a stream pass whose client and provider speak the same dialect, and reads it for the record.

Refuses to know the dialect. Invariant: but for the model's name events pass byte for byte, and each batch at
once; an error of the provider's, and what follows it, stays here: the client is told in our words.
"""

import msgspec

from pilothouse.contracts.errors import ApiError
from pilothouse.gateway import edits
from pilothouse.gateway.dialects.client import ClientStream
from pilothouse.gateway.dialects.upstream import UpstreamStream
from pilothouse.gateway.sse import END, events_of, payload_of
from pilothouse.gateway.wire import NOTHING, decode_members, decode_named, encode

SILENT = b": \n\n"
"""A comment: it moves a batch on that says nothing to the record."""
HOLDERS = ("message", "response")
"""Members of events that hold a whole answer, with its model."""
ERROR_TYPES = frozenset((b'"error"', b'"response.failed"'))
ERROR_MARKS = (b'"error"', b'"response.failed"')


class PassageReader:
    """What reads a provider's events; what may pass of them is kept until the writer is asked."""

    __slots__ = ("_model_json", "_reader", "passed")

    def __init__(self, reader: UpstreamStream, model_json: bytes) -> None:
        self._reader = reader
        self._model_json = model_json
        self.passed: list[bytes] = []

    def feed(self, batch: bytes) -> bytes:
        """Returns a batch of events as chunks."""
        chunks = self._reader.feed(batch)
        if any(mark in batch for mark in ERROR_MARKS):
            batch = _before_error(batch)
        if edits.MODEL_KEY in batch:
            batch = b"".join([self._renamed(event) + END for event in events_of(batch)])
        self.passed.append(batch)
        return chunks or SILENT

    def _renamed(self, event: bytes) -> bytes:
        payload = payload_of(event)
        if payload is None or edits.MODEL_KEY not in payload:
            return event
        try:
            members = decode_members(payload)
            holder = next((members[name] for name in HOLDERS if name in members), NOTHING)
            named = decode_named(holder).model if holder else None
            if named is None or encode(named) == self._model_json:
                return event
            renamed = edits.replace_model(bytes(holder), encode(named), self._model_json)
        except msgspec.DecodeError:
            return event
        return event.replace(bytes(holder), renamed, 1)


class PassageWriter:
    """What gives the client the events that passed, in the place of the chunks made of them."""

    __slots__ = ("_ending", "_reader")

    def __init__(self, reader: PassageReader, ending: ClientStream) -> None:
        self._reader = reader
        self._ending = ending

    def feed(self, batch: bytes) -> bytes:  # noqa: ARG002 - the chunks are the record's
        """Returns the events that passed since the last time."""
        return self._taken()

    def done(self) -> bytes:
        """Returns the last events that passed, which end the answer themselves."""
        return self._taken()

    def fail(self, error: ApiError) -> bytes:
        """Returns the events that end an answer which was cut."""
        return self._taken() + self._ending.fail(error)

    def _taken(self) -> bytes:
        passed, self._reader.passed = self._reader.passed, []
        return passed[0] if len(passed) == 1 else b"".join(passed)


def _before_error(batch: bytes) -> bytes:
    """Returns what stands before the first event that is an error."""
    before: list[bytes] = []
    for event in events_of(batch):
        payload = payload_of(event)
        if payload is not None and _is_error(payload):
            break
        before.append(event + END)
    return b"".join(before)


def _is_error(payload: bytes) -> bool:
    try:
        return bytes(decode_members(payload).get("type", b"")) in ERROR_TYPES
    except msgspec.DecodeError:
        return False
