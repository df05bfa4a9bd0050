"""One decoder as a process: `python -m pilothouse.control.decoder`, tasks as JSON lines on standard input.

A task names a part of a segment of the telemetry journal; the answer, one JSON line, names the Parquet files
with what was in it and how far it could be read. It ends when its standard input does, so it outlives nobody.

Refuses to know the analytics files. Invariant: doing a task again gives the same rows.
"""

import hmac
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pilothouse.contracts.errors import ApiError, JournalError
from pilothouse.contracts.events import Content, TelemetryReceived
from pilothouse.contracts.home import Home
from pilothouse.store.staging import Staged, Stager
from pilothouse.telemetry.folding import Folding
from pilothouse.telemetry.frames import Frame
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.logs import configure_logging
from pilothouse.telemetry.otlp.check import codec, unpack
from pilothouse.telemetry.sealing import Sealer, is_under, unseal
from pilothouse.telemetry.segments import decode_frame, read_chunk

__all__ = ["Decoder", "Done", "Handed", "Task", "main"]

MOST_UNPACKED_BYTES = 64 * 1024 * 1024
"""More than any gateway takes in."""
SUBJECT = b"subject\0"
"""As the gateway makes pseudonyms, so that one person is one data subject in calls and spans."""
NICENESS = 5
"""Calls come first."""

logger = logging.getLogger("pilothouse.decoder")


class Handed(msgspec.Struct, frozen=True):
    """The first line: what a decoder works with."""

    home: str
    number: int


class Task(msgspec.Struct, frozen=True):
    """A part of a segment."""

    name: str
    """What the files are called by."""
    segment: str
    start: int
    end: int
    is_last: bool = False
    """Nobody writes the segment any more, and what comes looks damaged: look for good frames behind it."""


class Done(msgspec.Struct, frozen=True):
    """What came of a task."""

    end: int
    """How far the segment was read; its start when there was no whole frame."""
    staged: tuple[Staged, ...] = ()
    batches: int = 0
    items: int = 0
    damages: int = 0
    """Frames that could not be read, or whose body could not be."""
    last_at_ns: int = 0
    first_at_ns: int = 0


class Decoder:
    """Decodes what applications sent."""

    def __init__(self, home: Home) -> None:
        self._folder = home.telemetry
        self._keyring = Keyring(home.keyring, home.master_key)
        self._stager = Stager(home.staging)
        pepper = Path(home.pepper).read_bytes()
        self._folding = Folding(
            Sealer(self._keyring),
            pseudonym=lambda user: hmac.digest(pepper, SUBJECT + user.encode(), "sha256")[:16].hex(),
        )

    def do(self, task: Task) -> Done:
        """Does a task."""
        path = f"{self._folder}/{task.segment}"
        chunk = read_chunk(path, task.start, is_last=task.is_last, most_bytes=task.end - task.start)
        if self._keyring.has_changed():
            self._folding.forget()
        damages, times = len(chunk.damages), []
        batches = items = 0
        for raw in chunk.frames:
            try:
                frame = decode_frame(raw.payload)
                if isinstance(frame.event, TelemetryReceived):
                    items += self._fold(frame, frame.event)
                    batches += 1
                    times.append(frame.event.at_ns)
            except (msgspec.MsgspecError, JournalError, ApiError, ValueError) as error:
                damages += 1
                logger.warning("telemetry left out: %s", error, extra={"segment": task.segment})
        staged = tuple(self._staged(task.name))
        last, first = max(times, default=0), min(times, default=0)
        return Done(chunk.end, staged, batches, items, damages, last, first)

    def _fold(self, frame: Frame, event: TelemetryReceived) -> int:
        key = self._keyring.find(frame.subject)
        if frame.sealed is None or key is None or not is_under(key, frame.sealed):
            return 0  # its sender's key was destroyed: erased before it was folded in
        content: Content = unseal(key, event.batch_id, frame.sealed)
        body = content.request or b""
        if event.is_gzipped:
            body = unpack(body, MOST_UNPACKED_BYTES)
        reader = codec(event.encoding)
        message = reader.parse(event.signal, body)
        return self._folding.add(event, reader, message)

    def _staged(self, name: str) -> Iterator[Staged]:
        """Writes what was folded since it was last asked."""
        tables, contents = self._folding.take()
        for table, rows in tables.items():
            if rows:
                yield self._stager.write(name, table, rows)
        if contents:
            yield from self._stager.write_content(name, contents)


def main() -> int:
    """Does tasks until its standard input ends."""
    reading, writing = sys.stdin.buffer, sys.stdout.buffer
    handed = msgspec.json.decode(reading.readline(), type=Handed)
    home = Home(handed.home)
    configure_logging(f"decoder-{handed.number}", home.logs)
    os.nice(NICENESS)
    decoder = Decoder(home)
    decode, encode = msgspec.json.Decoder(Task).decode, msgspec.json.Encoder().encode
    for line in reading:
        writing.write(encode(decoder.do(decode(line))) + b"\n")
        writing.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
