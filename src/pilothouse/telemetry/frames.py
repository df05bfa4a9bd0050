"""The journal's file format: a magic number, a header frame, then frames of length, CRC-32 and msgpack.

Every integer is little-endian. A frame is `u32 length, u32 crc32(payload), payload`; a payload is the
msgpack array `[event, subject, sealed]`. A segment is allocated ahead with zeros, so a length of 0 is where
it ends for now. Names: `<run>-<number>.segment`, where a run `<start ms>-<writer>-<pid>` is one life of one
process; while it lives it holds a lock on `<run>.lock`.

Refuses to know files and keys. Invariant: `scan` yields only payloads whose CRC is right, in order.
"""

import re
from collections.abc import Iterator
from struct import Struct

import msgspec
from isal.isal_zlib import crc32

from pilothouse.contracts.events import Event

__all__ = [
    "FRAME_HEAD",
    "MAGIC",
    "MAX_PAYLOAD_BYTES",
    "Damage",
    "Frame",
    "Raw",
    "SegmentHeader",
    "frame_bytes",
    "run_of",
    "scan",
    "started_ms_of",
    "wanted_bytes",
]

MAGIC = b"PHJRNL1\n"
FRAME_HEAD = Struct("<II")
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
"""A length above this is damage, not a frame."""

ARRAY_START = re.compile(b"[\x92\x93]")
"""The first byte of a payload that is a msgpack array of two (keyring) or three (journal)."""
SEGMENT_NAME = re.compile(r"^(?P<run>(?P<started_ms>\d{13})-[A-Za-z0-9_.-]+-\d+)-(?P<number>\d{6})\.segment$")


class SegmentHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first frame of a segment: who writes it."""

    version: int = 1
    run: str
    number: int
    writer: str
    pid: int
    created_at_ms: int


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One event with its content, sealed under the key of `subject`."""

    event: Event
    subject: str
    sealed: bytes | None = None


class Raw(msgspec.Struct, frozen=True):
    """A payload whose CRC is right, and where it stands: `offset` is its frame's, `end` the next one's."""

    offset: int
    end: int
    payload: bytes


class Damage(msgspec.Struct, frozen=True):
    """Bytes between two good frames that are not a frame."""

    offset: int
    end: int
    reason: str


def frame_bytes(payload: bytes) -> bytes:
    """Returns `payload` as a frame."""
    return FRAME_HEAD.pack(len(payload), crc32(payload)) + payload


def run_of(segment_name: str) -> str | None:
    """Returns the run a segment's file name belongs to, or `None` if it is not a segment's name."""
    match = SEGMENT_NAME.match(segment_name)
    return match["run"] if match else None


def started_ms_of(segment_name: str) -> int:
    """Returns when the segment's run began, in Unix milliseconds; 0 if it is not a segment's name."""
    match = SEGMENT_NAME.match(segment_name)
    return int(match["started_ms"]) if match else 0


def scan(data: bytes, base: int = 0, *, is_last: bool = False) -> Iterator[Raw | Damage]:
    """Yields the frames in `data`, which was read from offset `base` of a segment.

    A bad frame that is followed by a good one is damage, since one writer writes in order. Without
    `is_last`, a bad frame that leads nowhere may still be on its way, so it ends the scan without a word.
    With it (`data` reaches the segment's end and nobody writes any more), good frames are searched for
    behind it; where there are none, it was torn, and the scan ends without a word too.
    """
    view = memoryview(data)
    position = 0
    while True:
        end = _good_end(view, position)
        if end is not None:
            yield Raw(base + position, base + end, bytes(view[position + FRAME_HEAD.size : end]))
            position = end
            continue
        resumed = _follower(view, position)
        if resumed is not None or is_last:
            # Searched for even then: a changed length may lead past good frames to a later one.
            resumed = _next_good(data, view, position + 1) or resumed
        if resumed is None:
            return
        yield Damage(base + position, base + resumed, "CRC mismatch")
        position = resumed


def wanted_bytes(data: bytes) -> int:
    """Returns how many bytes the frame at the start of `data` takes, 0 if none starts there."""
    if len(data) < FRAME_HEAD.size:
        return 0
    length, _ = FRAME_HEAD.unpack_from(data)
    return FRAME_HEAD.size + int(length) if 0 < length <= MAX_PAYLOAD_BYTES else 0


def _good_end(view: memoryview, position: int) -> int | None:
    start = position + FRAME_HEAD.size
    if start > len(view):
        return None
    length, crc = FRAME_HEAD.unpack_from(view, position)
    if not 0 < length <= MAX_PAYLOAD_BYTES or start + length > len(view):
        return None
    return start + int(length) if crc32(view[start : start + length]) == crc else None


def _follower(view: memoryview, position: int) -> int | None:
    """Returns where the frame after a bad one starts, when the bad one's length still leads to it."""
    if position + FRAME_HEAD.size > len(view):
        return None
    length, _ = FRAME_HEAD.unpack_from(view, position)
    follower = position + FRAME_HEAD.size + int(length)
    return follower if length and _good_end(view, follower) is not None else None


def _next_good(data: bytes, view: memoryview, position: int) -> int | None:
    """Returns where the next good frame starts, found by the first byte of its msgpack array."""
    for found in ARRAY_START.finditer(data, position + FRAME_HEAD.size):
        start = found.start() - FRAME_HEAD.size
        if _good_end(view, start) is not None:
            return start
    return None
