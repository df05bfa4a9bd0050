"""Counts from the journal what the counters no longer know: calls of the last minute, money of the month.

Reads metadata only: sealed content is stepped over. Refuses to know limits. Invariant: a call is given once,
when it has ended; what cannot be read is stepped over.
"""

import os
from collections.abc import Callable, Iterator, Mapping

import msgspec

from pilothouse.contracts.errors import JournalError
from pilothouse.contracts.events import Outcome
from pilothouse.gateway.limits.gate import NANO
from pilothouse.telemetry.segments import first_offset, list_segments, read_chunk

NOBODY: Mapping[str, str] = {}
CHUNK_BYTES = 262_144
"""How much is read in one go: the thread that does it holds the interpreter for about a millisecond."""
CLOCK_MARGIN_NS = 2_000_000_000
"""How far a file's time may be from ours."""


class Ended(msgspec.Struct, frozen=True):
    """What a call that has ended used."""

    at_ns: int
    """Unix nanoseconds when it was accepted."""
    end_ns: int
    key_id: str | None
    team: str | None
    model: str | None
    tokens: int
    nano_usd: int


class _Completed(msgspec.Struct, tag="request_completed.v1"):
    """The members of `RequestCompleted` that are counted; the others are not decoded."""

    at_ns: int
    outcome: Outcome
    key_id: str | None = None
    team: str | None = None
    model: str | None = None
    duration_ms: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    cache: str | None = None
    attempts: tuple[msgspec.Raw, ...] = ()


class _Frame(msgspec.Struct, array_like=True):
    """A journal frame, its content left where it is."""

    event: _Completed
    subject: msgspec.Raw
    sealed: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.msgpack.Decoder(_Frame).decode


def ended_since(
    folder: str,
    since_ns: int,
    pause: Callable[[], None] | None = None,
    counted_as: Mapping[str, str] = NOBODY,
) -> Iterator[Ended]:
    """Yields the calls that ended after a moment and were let in.

    Args:
        folder: The journal's folder.
        since_ns: The moment, in Unix nanoseconds; segments last written before it are not opened.
        pause: Called after each piece that was read.
        counted_as: Sessions and rotated keys by the key as which they are counted.
    """
    for name in list_segments(folder):
        path = f"{folder}/{name}"
        try:
            if os.stat(path).st_mtime_ns < since_ns - CLOCK_MARGIN_NS:  # noqa: PTH116 - many segments
                continue
            for event in _events(path, pause):
                end_ns = event.at_ns + round(event.duration_ms * 1e6)
                if end_ns > since_ns and was_let_in(event.outcome, has_attempts=bool(event.attempts)):
                    yield _ended(event, end_ns, counted_as)
        except (OSError, JournalError, msgspec.MsgspecError):
            continue  # erased in the meantime, or damaged from its first byte


def was_let_in(outcome: Outcome, *, has_attempts: bool) -> bool:
    """Says whether a call counts as made: not one that was refused, nor one given up while it queued."""
    return outcome != "refused" and (has_attempts or outcome != "cancelled")


def _events(path: str, pause: Callable[[], None] | None) -> Iterator[_Completed]:
    offset = first_offset(path)
    while True:
        chunk = read_chunk(path, offset, most_bytes=CHUNK_BYTES)
        for raw in chunk.frames:
            try:
                yield _decode(raw.payload).event
            except msgspec.MsgspecError:
                continue  # another event, or one of a version not known here
        if chunk.end == offset:
            return
        offset = chunk.end
        if pause is not None:
            pause()


def _ended(event: _Completed, end_ns: int, counted_as: Mapping[str, str]) -> Ended:
    tokens = 0 if event.cache is not None else (event.input_tokens or 0) + (event.output_tokens or 0)
    cost = round((event.cost_usd or 0.0) * NANO)
    key_id = None if event.key_id is None else counted_as.get(event.key_id, event.key_id)
    return Ended(event.at_ns, end_ns, key_id, event.team, event.model, tokens, cost)
