"""What of the journal is still to be sent: it is read again behind the projector, from a cursor on disk.

The journal itself is the queue. So an outage of the receiver costs no memory, and what was on record and not
yet sent when a process died is sent by the next: at least once, perhaps twice, as the cursor is moved after
the receiver has said yes. What retention deletes before it could be sent is counted as lost.

Refuses to know what is sent and where. Invariant: nothing is taken that is not on record, and the cursor
never passes what was not settled.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from pilothouse.contracts.errors import JournalError
from pilothouse.contracts.events import RequestCompleted, RequestStarted
from pilothouse.telemetry.frames import Frame
from pilothouse.telemetry.segments import decode_frame, first_offset, read_chunk

__all__ = ["Reached", "Spool", "Taken"]

CHUNK_BYTES = 256 * 1024

Reached = Callable[[], Mapping[str, int]]
"""Returns up to which offset each segment is on record, by its name."""


class _Cursor(msgspec.Struct):
    """What is in the file."""

    segments: dict[str, int]


@dataclass(slots=True)
class Taken:
    """Calls and streams' beginnings that are next, and where the cursor stands once they are settled."""

    frames: list[Frame] = field(default_factory=list)
    cursor: dict[str, int] = field(default_factory=dict)
    has_more: bool = False


class Spool:
    """Reads the segments in a folder; used by one thread, its figures from any."""

    def __init__(self, folder: str, cursor: str, reached: Reached) -> None:
        """Goes on from the cursor in the file `cursor`; without one, from what is on record now."""
        self._folder = folder
        self._path = Path(cursor)
        self._reached = reached
        self._at = self._load()
        self._known: dict[str, int] = {}
        self.lost_bytes = 0
        """Of the journal: deleted, or unreadable, before it was sent."""

    @property
    def backlog_bytes(self) -> int:
        """How much of the journal is on record and not sent."""
        at = self._at or {}
        return sum(max(0, end - at.get(name, 0)) for name, end in self._reached().items())

    def take(self, most: int) -> Taken:
        """Returns up to `most` calls that are next, without moving the cursor."""
        reached = dict(self._reached())
        if self._at is None:
            self._keep(reached)
        self._drop_deleted(reached)
        assert self._at is not None
        taken = Taken(cursor=dict(self._at))
        for name in sorted(reached):
            while taken.cursor.get(name, 0) < reached[name]:
                if len(taken.frames) >= most:
                    taken.has_more = True
                    return taken
                if not self._read(taken, name, reached[name], most):
                    break
        return taken

    def settle(self, taken: Taken) -> None:
        """Moves the cursor behind what was taken, on disk too."""
        if taken.cursor != self._at:
            self._keep(taken.cursor)

    def _read(self, taken: Taken, name: str, end: int, most: int) -> bool:
        """Reads more of a segment into `taken`; returns whether there may be still more."""
        path = f"{self._folder}/{name}"
        try:
            at = taken.cursor.get(name) or first_offset(path)
            chunk = read_chunk(path, at, is_last=True, most_bytes=CHUNK_BYTES)
        except (OSError, JournalError, msgspec.MsgspecError):
            self.lost_bytes += end - taken.cursor.get(name, 0)
            taken.cursor[name] = end
            return False
        for raw in chunk.frames:
            if raw.end > end:
                return False
            if len(taken.frames) >= most:
                return True
            taken.cursor[name] = raw.end
            with suppress(msgspec.MsgspecError):  # an event of a later version: the projector counts it
                frame = decode_frame(raw.payload)
                if isinstance(frame.event, RequestCompleted | RequestStarted):
                    taken.frames.append(frame)
        if not chunk.frames:
            taken.cursor[name] = end  # only damage lies between; it is on record as such
            return False
        return True

    def _drop_deleted(self, reached: Mapping[str, int]) -> None:
        """Forgets segments that retention has deleted."""
        assert self._at is not None
        for name in [name for name in {*self._at, *self._known} if name not in reached]:
            self.lost_bytes += max(0, self._known.get(name, 0) - self._at.get(name, 0))
            self._at.pop(name, None)
        self._known = dict(reached)

    def _load(self) -> dict[str, int] | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Cursor).segments
        except (OSError, msgspec.MsgspecError):
            return None

    def _keep(self, cursor: Mapping[str, int]) -> None:
        self._at = dict(cursor)
        fresh = self._path.with_suffix(".new")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(_Cursor(self._at)))
        fresh.replace(self._path)
