"""The journal's readers: which segments there are, who still writes, frames from an offset, and `verify`.

Refuses to know what an event means. Invariant: reading changes nothing, whatever state a segment is in; a
torn or zero tail ends it without an error.
"""

import fcntl
import os
from pathlib import Path

import msgspec

from pilothouse.contracts.errors import JournalError
from pilothouse.telemetry.frames import (
    MAGIC,
    Damage,
    Frame,
    Raw,
    SegmentHeader,
    run_of,
    scan,
    wanted_bytes,
)
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.sealing import is_authentic, is_under

__all__ = [
    "Chunk",
    "SegmentReport",
    "VerifyReport",
    "decode_frame",
    "first_offset",
    "folder_bytes",
    "is_running",
    "list_segments",
    "read_chunk",
    "remove_dead_spares",
    "remove_lock",
    "trim",
    "verify",
]

CHUNK_BYTES = 1024 * 1024

decode_frame = msgspec.msgpack.Decoder(Frame).decode
"""Decodes a payload; raises `msgspec.MsgspecError` for an event of a version not known here."""
_decode_header = msgspec.msgpack.Decoder(SegmentHeader).decode


class Chunk(msgspec.Struct, frozen=True):
    """Frames read in one go, and the offset to read on from."""

    frames: list[Raw]
    damages: list[Damage]
    end: int


class SegmentReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify` found in one segment."""

    name: str
    size_bytes: int
    used_bytes: int
    frames: int
    sealed: int
    authentic: int
    erased: int
    """Sealed frames whose key does not exist any more: destroyed on purpose."""
    is_running: bool
    has_torn_tail: bool
    """Bytes that are not zero after the last good frame: a write that a death cut short."""
    damages: tuple[Damage, ...] = ()


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify` found in a folder."""

    segments: tuple[SegmentReport, ...]
    frames: int
    torn_tails: int
    erased_subjects: tuple[str, ...]
    damaged: int

    @property
    def is_sound(self) -> bool:
        """Whether every frame is whole and authentic; erased content and torn tails are no damage."""
        return self.damaged == 0


def list_segments(folder: str) -> list[str]:
    """Returns the names of all segments in `folder`, each run's in order of writing."""
    try:
        return sorted(name for name in os.listdir(folder) if run_of(name))  # noqa: PTH208 - names are wanted
    except FileNotFoundError:
        return []


def is_running(folder: str, run: str) -> bool:
    """Says whether the process of `run` still lives: it holds a lock on the run's file."""
    try:
        handle = os.open(f"{folder}/{run}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def remove_dead_spares(folder: str) -> None:
    """Gives back the disk of spare segments whose process died."""
    for spare in Path(folder).glob("*.spare"):
        if not is_running(folder, spare.stem):
            spare.unlink(missing_ok=True)


def folder_bytes(folder: str) -> int:
    """Returns the disk the folder's files take, allocated ones included, in bytes."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            total += max(status.st_blocks * 512, status.st_size)
    return total


def first_offset(path: str) -> int:
    """Returns the offset of a segment's first event frame.

    Raises:
        JournalError: the file is not a segment.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - hot for many segments
        head = file.read(4096)
    header = next(scan(head[len(MAGIC) :], len(MAGIC)), None) if head.startswith(MAGIC) else None
    if not isinstance(header, Raw):
        raise JournalError(f"{path} is not a journal segment", hint="it is damaged from its first byte")
    _decode_header(header.payload)
    return header.end


def read_chunk(path: str, offset: int, *, is_last: bool = False, most_bytes: int = CHUNK_BYTES) -> Chunk:
    """Reads the good frames from `offset` on, about `most_bytes` of them; a longer frame is read whole.

    `is_last` says that nobody writes this segment any more, so that what lies between damage is found.
    A chunk whose `end` is `offset` means: nothing more (yet).
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - hot
        size = os.fstat(file.fileno()).st_size
        data = os.pread(file.fileno(), most_bytes, offset)
        if (wanted := wanted_bytes(data)) > len(data) and offset + wanted <= size:
            data = os.pread(file.fileno(), wanted, offset)
        chunk = _split(data, offset)
        if is_last and chunk.end == offset and data.strip(b"\0"):
            chunk = _split(os.pread(file.fileno(), size - offset, offset), offset, is_last=True)
    return chunk


def _split(data: bytes, offset: int, *, is_last: bool = False) -> Chunk:
    frames: list[Raw] = []
    damages: list[Damage] = []
    end = offset
    for found in scan(data, offset, is_last=is_last):
        if isinstance(found, Raw):
            frames.append(found)
        else:
            damages.append(found)
        end = found.end
    return Chunk(frames, damages, end)


def verify(folder: str, keyring: Keyring | None = None) -> VerifyReport:
    """Checks every frame of every segment: length, CRC, that it decodes, and, with a keyring, authenticity.

    Reads only; a segment being written is checked up to where its good frames end.
    """
    checked = [_verify_segment(folder, name, keyring) for name in list_segments(folder)]
    reports = tuple(report for report, _ in checked)
    erased = set().union(*(subjects for _, subjects in checked))
    return VerifyReport(
        segments=reports,
        frames=sum(report.frames for report in reports),
        torn_tails=sum(report.has_torn_tail for report in reports),
        erased_subjects=tuple(sorted(erased)),
        damaged=sum(len(report.damages) for report in reports),
    )


class _Tally:
    """Counts of one segment, while it is being verified."""

    def __init__(self, keyring: Keyring | None) -> None:
        self.keyring = keyring
        self.keys: dict[str, bytes | None] = {}
        self.erased_subjects: set[str] = set()
        self.frames = self.sealed = self.authentic = self.erased = 0
        self.damages: list[Damage] = []

    def add(self, raw: Raw) -> None:
        self.frames += 1
        try:
            frame = decode_frame(raw.payload)
        except msgspec.MsgspecError as error:
            self.damages.append(Damage(raw.offset, raw.end, f"does not decode: {error}"))
            return
        if frame.sealed is None:
            return
        self.sealed += 1
        if self.keyring is None:
            return
        if frame.subject not in self.keys:
            self.keys[frame.subject] = self.keyring.find(frame.subject)
        key = self.keys[frame.subject]
        if key is None or not is_under(key, frame.sealed):
            self.erased_subjects.add(frame.subject)
            self.erased += 1
        elif is_authentic(key, frame.event.call_id, frame.sealed):
            self.authentic += 1
        else:
            self.damages.append(Damage(raw.offset, raw.end, "sealed content is not authentic"))


def _verify_segment(folder: str, name: str, keyring: Keyring | None) -> tuple[SegmentReport, set[str]]:
    path = f"{folder}/{name}"
    running = is_running(folder, run_of(name) or "")
    tally = _Tally(keyring)
    try:
        end = first_offset(path)
    except (JournalError, msgspec.MsgspecError) as error:
        end = 0
        tally.damages.append(Damage(0, 0, str(error)))
    while end and (chunk := read_chunk(path, end, is_last=not running)).end > end:
        end = chunk.end
        tally.damages += chunk.damages
        for raw in chunk.frames:
            tally.add(raw)
    report = SegmentReport(
        name=name,
        size_bytes=Path(path).stat().st_size,
        used_bytes=end,
        frames=tally.frames,
        sealed=tally.sealed,
        authentic=tally.authentic,
        erased=tally.erased,
        is_running=running,
        has_torn_tail=bool(end) and not running and _has_bytes_after(path, end),
        damages=tuple(tally.damages),
    )
    return report, tally.erased_subjects


def _has_bytes_after(path: str, offset: int) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        file.seek(offset)
        while block := file.read(CHUNK_BYTES):
            if block.strip(b"\0"):
                return True
    return False


def trim(path: str, used_bytes: int) -> None:
    """Gives back the zeros behind the last frame of a segment that nobody writes any more."""
    if not _has_bytes_after(path, used_bytes):
        os.truncate(path, used_bytes)


def remove_lock(folder: str, run: str) -> None:
    """Removes what a dead run left beside its segments."""
    for ending in ("lock", "spare"):
        Path(f"{folder}/{run}.{ending}").unlink(missing_ok=True)
