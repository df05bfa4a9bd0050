"""The file of counters: opened, made when it is missing or not ours, and watched.

All workers of a host map the same file, so that a count made by one is seen by all at once, and outlives
them. After a restart of the host, or when the file is lost or broken, a new one takes its place by a rename:
a mapped file is never truncated. A worker holds a lock on a byte of its own beyond the file's end for as long
as it lives; that is how the others know that it is gone.

Refuses to know what is counted. Invariant: `open_table` returns a file whose header is whole and whose slot
is held by nobody else.
"""

import fcntl
import mmap
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.gateway.limits.cells import Cells
from pilothouse.gateway.limits.layout import (
    BOOT_AT,
    BOOT_BYTES,
    BUCKET_NS,
    BUCKETS_A_WINDOW,
    HIGH_SLOT,
    MADE_NS,
    MAGIC,
    PROCESSES,
    ROW_COUNT,
    ROWS,
    SLOTS,
    file_bytes,
)

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
LOCKS_AT: Final = 1 << 40
"""The first byte that stands for a slot; far beyond the file's end, where nothing is written."""
KEEPER_AT: Final = LOCKS_AT + SLOTS
"""The byte whose holder does what one worker must do for all."""
MOST_TRIES: Final = 100


def boot_id() -> bytes:
    """Returns what tells this run of the host from an earlier one."""
    return bytes.fromhex(BOOT_ID.read_text().strip().replace("-", ""))


class Table:
    """The file, as one worker has it open."""

    def __init__(self, path: str, handle: int, mapped: mmap.mmap, *, slot: int) -> None:
        self.path = path
        self._handle = handle
        self._map = mapped
        self.slot = slot
        rows = struct.unpack_from("q", mapped, ROW_COUNT * 8)[0]
        self.cells = Cells(memoryview(mapped), rows=rows, slot=slot, handle=handle)

    def is_in_place(self) -> bool:
        """Says whether the file is still the one at its path, and still one of ours."""
        try:
            found = os.stat(self.path)  # noqa: PTH116 - once a second, as os.fstat below
        except OSError:
            return False
        own = os.fstat(self._handle)
        return found.st_ino == own.st_ino and found.st_dev == own.st_dev and self._map[: len(MAGIC)] == MAGIC

    def be_keeper(self) -> bool:
        """Takes on what one worker does for all, if nobody does. Returns whether it is this one."""
        return _lock_byte(self._handle, KEEPER_AT)

    def free_dead_slots(self) -> int:
        """Gives back what workers that are gone had under way. Returns how many were gone."""
        quads, freed = self.cells.quads, 0
        for slot in range(quads[HIGH_SLOT]):
            if slot == self.slot or not quads[PROCESSES + slot]:
                continue
            if _lock_byte(self._handle, LOCKS_AT + slot):
                self.cells.clear_slot(slot)
                quads[PROCESSES + slot] = 0
                _unlock_byte(self._handle, LOCKS_AT + slot)
                freed += 1
        return freed

    def close(self) -> None:
        """Lets go of the file and of the slot; the map goes with the last view of it."""
        _unlock_byte(self._handle, LOCKS_AT + self.slot)  # the map has a handle of its own, which keeps locks
        _unlock_byte(self._handle, KEEPER_AT)
        os.close(self._handle)


def open_table(
    path: str, window_s: float, *, now_ns: int, boot: bytes | None = None, rows: int = ROWS
) -> Table:
    """Opens the file of counters, and makes it when there is none that can be used.

    Args:
        path: Where it is.
        window_s: The window's length; a file with another is replaced.
        now_ns: The moment in Unix nanoseconds, which a new file remembers.
        boot: What tells this run of the host from others.
        rows: How many rows a new file has.

    Raises:
        ConfigurationError: It cannot be made, or too many workers count in it.
    """
    bucket_ns = round(window_s * 1e9 / BUCKETS_A_WINDOW)
    head = _header(boot or boot_id(), bucket_ns, rows)
    for _ in range(MOST_TRIES):
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            is_good = _make_good(path, handle, head, now_ns)
        except OSError as error:
            raise ConfigurationError(
                f"The file of counters {path} cannot be made: {error.strerror}.",
                hint="Limits of keys, teams and models are counted there: its folder must be writable.",
            ) from error
        if is_good:
            return _mapped(path, handle)
        os.close(handle)
    raise ConfigurationError(
        f"The file of counters {path} is replaced again and again.", hint="Look who does."
    )


def _header(boot: bytes, bucket_ns: int, rows: int) -> bytes:
    return MAGIC + boot[:BOOT_BYTES].ljust(BOOT_BYTES, b"\0") + struct.pack("qq", bucket_ns, rows)


def _make_good(path: str, handle: int, head: bytes, now_ns: int) -> bool:
    """Puts a new file in the place of one that cannot be used. Returns whether the open one can be."""
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        own = os.fstat(handle)
        with suppress(FileNotFoundError):
            if os.stat(path).st_ino == own.st_ino:  # noqa: PTH116 - as in `is_in_place`
                if own.st_size == _wanted_bytes(head) and os.pread(handle, len(head), 0) == head:
                    return True
                fresh = f"{path}.new"
                made = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
                try:
                    os.pwrite(made, head, 0)
                    os.pwrite(made, struct.pack("q", now_ns), MADE_NS * 8)
                    os.ftruncate(made, _wanted_bytes(head))
                    os.rename(fresh, path)  # noqa: PTH104 - a rename of paths that are strings
                finally:
                    os.close(made)
        return False
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)


def _wanted_bytes(head: bytes) -> int:
    return file_bytes(struct.unpack_from("q", head, ROW_COUNT * 8)[0])


def _mapped(path: str, handle: int) -> Table:
    mapped = mmap.mmap(handle, os.fstat(handle).st_size)
    for slot in range(SLOTS):
        if _lock_byte(handle, LOCKS_AT + slot):
            table = Table(path, handle, mapped, slot=slot)
            table.cells.clear_slot(slot)
            quads = table.cells.quads
            quads[PROCESSES + slot] = os.getpid()
            fcntl.flock(handle, fcntl.LOCK_EX)
            quads[HIGH_SLOT] = max(quads[HIGH_SLOT], slot + 1)
            fcntl.flock(handle, fcntl.LOCK_UN)
            return table
    os.close(handle)
    raise ConfigurationError(
        f"More than {SLOTS} workers count in {path}.", hint="Run fewer workers from one home folder."
    )


def _lock_byte(handle: int, at: int) -> bool:
    return _set_lock(handle, at, fcntl.F_WRLCK)


def _unlock_byte(handle: int, at: int) -> None:
    _set_lock(handle, at, fcntl.F_UNLCK)


def _set_lock(handle: int, at: int, kind: int) -> bool:
    """Sets a lock that belongs to the open file, not to the process (`F_OFD_SETLK`, fcntl(2))."""
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, at, 1, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


assert BOOT_AT + BOOT_BYTES == BUCKET_NS * 8
