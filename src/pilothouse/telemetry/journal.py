"""The journal's writer: one a process, events appended as frames that outlive the process's death.

A frame is one `pwrite` into a file that was allocated ahead (`posix_fallocate`), so it cannot meet a full
disk: the kernel has it when `append` returns. Two segments are held allocated, one being written and one
spare; when no spare can be had, `refusal()` says why, the gateway takes no new call in, and what was taken
in still has a whole segment of room. Memory-mapping the segment was measured and not taken: 20 % cheaper at
the median, but page faults during write-back stalled it for up to 12 ms where `pwrite` took 0.2.

Refuses to know what an event means. Invariant: frames of one run are read back in the order of `append`.
"""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from pilothouse.contracts.errors import JournalError, JournalFullError
from pilothouse.contracts.events import Content, Event
from pilothouse.telemetry.frames import MAGIC, SegmentHeader, frame_bytes
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.sealing import Sealer
from pilothouse.telemetry.segments import folder_bytes, remove_dead_spares
from pilothouse.telemetry.settings import JournalSettings

__all__ = ["NO_SUBJECT", "Journal"]

NO_SUBJECT = "none"
"""The keyring's name for calls that belong to nobody."""
METADATA_SHARE = 16
"""One part in so many of a segment, its last, is for metadata alone, should no other segment be had: so that
each accepted call is on record."""

_encode = msgspec.msgpack.Encoder().encode


class Journal:
    """Appends events to this process's segments; used from one thread."""

    def __init__(
        self, folder: str, run: str, writer: str, *, keyring: Keyring, settings: JournalSettings
    ) -> None:
        """Takes its parts; use `Journal.open`."""
        self._folder = folder
        self._run = run
        self._writer = writer
        self._keyring = keyring
        self._sealer = Sealer(keyring)
        self._settings = settings
        self._content_end = settings.segment_bytes - settings.segment_bytes // METADATA_SHARE
        self._number = 0
        self._spare: int | None = None
        self._handle = -1
        self._position = 0
        self._synced = 0
        self._left: list[int] = []
        """Segments that were ended and not synced."""
        self._refusal: str | None = None
        self._events_total = 0
        self._contents_dropped_total = 0
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    @classmethod
    def open(
        cls,
        folder: str,
        *,
        writer: str,
        keyring: Keyring,
        settings: JournalSettings,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> "Journal":
        """Opens a new run of segments in `folder` for the process named `writer`.

        Raises:
            JournalError: the folder cannot be written, or has no room for two segments.
        """
        started_ms = clock_ns() // 1_000_000
        try:
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            remove_dead_spares(folder)
            journal = cls(
                folder,
                f"{started_ms:013d}-{writer}-{os.getpid()}",
                writer,
                keyring=keyring,
                settings=settings,
            )
        except OSError as error:
            raise JournalError(f"the journal in {folder} cannot be opened: {error}") from error
        try:
            journal._start_segment(started_ms)
            journal._look()
        except JournalError:
            journal.close()
            raise
        return journal

    @property
    def segment(self) -> str:
        """The name of the segment file being written."""
        return f"{self._run}-{self._number:06d}.segment"

    @property
    def position(self) -> int:
        """Bytes written to the current segment."""
        return self._position

    @property
    def events_total(self) -> int:
        """Events appended since the process started."""
        return self._events_total

    @property
    def contents_dropped_total(self) -> int:
        """Contents left out because the disk was full and only metadata had room."""
        return self._contents_dropped_total

    def append(self, event: Event, content: Content | None = None, *, before: Event | None = None) -> None:
        """Writes one event; it outlives this process when this returns.

        `content` is sealed under the key of `event.subject`. What a `RequestStarted` had as content need not
        be given again with its `RequestCompleted`: readers take missing parts from the start.

        Args:
            event: What happened.
            content: What was written in it.
            before: An event without content that goes before it, in the same write: both are there or none.

        Raises:
            JournalFullError: there is no room even for the metadata.
            JournalError: the file cannot be written.
        """
        subject = event.subject or NO_SUBJECT
        sealed = (
            None if content is None else self._sealer.seal(content, subject=subject, call_id=event.call_id)
        )
        frame = frame_bytes(_encode((event, subject, sealed)))
        first = b"" if before is None else frame_bytes(_encode((before, before.subject or NO_SUBJECT, None)))
        frame = first + frame
        if self._position + len(frame) > self._content_end:
            frame = self._make_room(frame, first, event, subject)
        try:
            written = os.pwrite(self._handle, frame, self._position)
        except OSError as error:
            raise JournalError(f"the journal cannot be written: {error}") from error
        if written != len(frame):
            raise JournalFullError("the journal cannot be written: the disk is full")
        self._position += written
        self._events_total += 1 if before is None else 2

    def refusal(self) -> str | None:
        """Says why no new call may be taken in, or returns `None`. Costs one attribute."""
        return self._refusal

    async def watch(self) -> None:
        """Keeps `refusal()` true, a spare segment at hand, and files synced, until cancelled."""
        due = time.monotonic() + self._settings.sync_interval_s
        while True:
            await asyncio.sleep(self._settings.watch_interval_s)
            try:
                # Adding up the folder takes a millisecond when it holds many segments: off the event loop.
                self._obey(await asyncio.to_thread(self._shortage))
                if self._settings.sync_interval_s and time.monotonic() >= due:
                    due = time.monotonic() + self._settings.sync_interval_s
                    await self.sync()
            except (OSError, JournalError) as error:
                self._refusal = f"the journal cannot be kept: {error}"

    async def sync(self) -> None:
        """Has all that was appended so far reach the disk.

        Raises:
            OSError: the disk does not take it.
        """
        left, self._left = self._left, []
        try:
            if self._position != self._synced:
                self._synced = self._position
                left.append(os.dup(self._handle))
            for handle in left:
                await asyncio.to_thread(os.fdatasync, handle)
        finally:
            for handle in left:
                os.close(handle)
        await asyncio.to_thread(self._keyring.sync)

    def close(self) -> None:
        """Ends the run: cuts the segment to what is in it, drops the spare, lets the lock go."""
        if self._lock < 0:
            return
        for handle in self._left:
            os.close(handle)
        self._left.clear()
        if self._handle >= 0:
            os.ftruncate(self._handle, self._position)
            os.close(self._handle)
            self._handle = -1
        if self._spare is not None:
            Path(self._spare_path).unlink(missing_ok=True)
            os.close(self._spare)
            self._spare = None
        Path(self._lock_path).unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = -1

    @property
    def _lock_path(self) -> str:
        return f"{self._folder}/{self._run}.lock"

    @property
    def _spare_path(self) -> str:
        return f"{self._folder}/{self._run}.spare"

    def _make_room(self, frame: bytes, first: bytes, event: Event, subject: str) -> bytes:
        """Starts the next segment, or, when there is none to be had, leaves the content out."""
        if len(frame) < self._content_end // 2:
            with contextlib.suppress(JournalFullError):
                self._start_segment(time.time_ns() // 1_000_000)
                return frame
        frame = first + frame_bytes(_encode((event, subject, None)))
        self._contents_dropped_total += 1
        if self._position + len(frame) > self._settings.segment_bytes:
            self._refusal = self._refusal or "the journal is full"
            self._start_segment(time.time_ns() // 1_000_000)
        return frame

    def _start_segment(self, now_ms: int) -> None:
        if self._spare is None:
            self._allocate_spare()
        if self._spare is None:
            raise JournalFullError(
                f"the journal has no room for another segment: {self._refusal or 'the disk is full'}",
                hint="free disk space, or raise journal.quota_bytes",
            )
        fresh, self._spare = self._spare, None
        number = self._number + 1
        header = SegmentHeader(
            run=self._run, number=number, writer=self._writer, pid=os.getpid(), created_at_ms=now_ms
        )
        head = MAGIC + frame_bytes(_encode(header))
        os.pwrite(fresh, head, 0)
        # Made visible before the old one ends, so that a reader never sees the run without a segment.
        Path(self._spare_path).rename(f"{self._folder}/{self._run}-{number:06d}.segment")
        old, used, synced = self._handle, self._position, self._synced
        self._handle, self._position, self._number, self._synced = fresh, len(head), number, 0
        if old >= 0:
            os.ftruncate(old, used)
            if self._settings.sync_interval_s and synced != used:
                self._left.append(old)  # its last frames have not reached the disk
            else:
                os.close(old)

    def _allocate_spare(self) -> None:
        try:
            handle = os.open(self._spare_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._refusal = f"the journal folder cannot be written: {error.strerror}"
            return
        try:
            os.posix_fallocate(handle, 0, self._settings.segment_bytes)
        except OSError as error:
            os.close(handle)
            Path(self._spare_path).unlink(missing_ok=True)
            self._refusal = f"the journal has no room for another segment: {error.strerror}"
            return
        self._spare = handle

    def _look(self) -> None:
        """Finds out whether new calls may be taken in."""
        self._obey(self._shortage())

    def _obey(self, reason: str | None) -> None:
        """Refuses new calls for `reason`, or, where there is none, sees that there is a spare segment."""
        if self._keyring.has_changed():
            self._sealer.forget()
        if reason is None and self._spare is None:
            self._refusal = None
            self._allocate_spare()
            return
        self._refusal = reason

    def _shortage(self) -> str | None:
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        if free < self._settings.reserve_bytes:
            reserve = self._settings.reserve_bytes
            return f"the disk is nearly full: {free} bytes free, journal.reserve_bytes keeps {reserve}"
        wanted = 0 if self._spare is not None else self._settings.segment_bytes
        used = folder_bytes(self._folder) + wanted
        if used > self._settings.quota_bytes:
            return f"the journal is over its quota: {used} of {self._settings.quota_bytes} bytes"
        return None
