"""The keyring: one random key for each data subject, wrapped by the master key, in one shared file.

The file is a magic number, 16 random bytes (its generation), and frames (length, CRC-32) of the msgpack
array `[subject, nonce + AES-256-GCM(master, key)]`, with the subject as associated data. New keys are
appended under a file lock. Destroying one writes the file anew without it, renames it into place and
overwrites the old file's bytes; other processes see the new generation and drop what they hold.

Refuses to know what is sealed. Invariant: a key that `key()` returned is in the file before anything is
sealed with it, and two processes never make two keys for one subject.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pilothouse.contracts.errors import JournalError
from pilothouse.telemetry.frames import Raw, frame_bytes, scan

__all__ = ["Keyring"]

KEY_BYTES = 32
NONCE_BYTES = 12
MAGIC = b"PHKEYR1\n"
HEAD_BYTES = len(MAGIC) + 16


class _Record(msgspec.Struct, frozen=True, array_like=True):
    subject: str
    wrapped: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Record).decode


class Keyring:
    """Data subjects' keys, for any number of threads and processes."""

    def __init__(self, path: str, master_key_path: str) -> None:
        """Opens the keyring at `path`, made on its first key; the master key's 32 bytes must be there.

        Raises:
            JournalError: the master key is missing or not 32 bytes long.
        """
        try:
            master = Path(master_key_path).read_bytes()
        except OSError as error:
            raise JournalError(
                f"the master key cannot be read: {error}",
                hint="`pilothouse up` makes it; without it, what is sealed stays sealed",
            ) from error
        if len(master) != KEY_BYTES:
            raise JournalError(f"the master key at {master_key_path} is {len(master)} bytes long, not 32")
        self._master = AESGCM(master)
        self._path = path
        self._wrapped: dict[str, bytes] = {}
        self._head = b""
        self._read_to = 0
        self._is_dirty = False
        self._guard = RLock()

    def key(self, subject: str) -> bytes:
        """Returns the key of `subject`, making and keeping one when there is none.

        The record is in the kernel when this returns, so it outlives the process; `sync` makes it outlive a
        power cut.
        """
        with self._guard:
            found = self.find(subject)
            return found if found is not None else self._make(subject)

    def find(self, subject: str) -> bytes | None:
        """Returns the key of `subject`, or `None` when there never was one or it was destroyed."""
        with self._guard:
            if subject not in self._wrapped or self.has_changed():
                self._catch_up()
            wrapped = self._wrapped.get(subject)
        return None if wrapped is None else self._unwrap(subject, wrapped)

    def subjects(self) -> tuple[str, ...]:
        """Returns all subjects that have a key."""
        with self._guard:
            self._catch_up()
            return tuple(self._wrapped)

    def has_changed(self) -> bool:
        """Says whether the file was replaced since it was read (a key was destroyed); reads 24 bytes."""
        handle = self._open()
        if handle is None:
            return bool(self._head)
        try:
            return os.pread(handle, HEAD_BYTES, 0) != self._head
        finally:
            os.close(handle)

    def destroy(self, subject: str) -> bool:
        """Destroys the key of `subject`; returns whether there was one. What it sealed is unreadable then."""
        with self._guard, self._locked():
            self._read()
            if subject not in self._wrapped:
                return False
            kept = {name: wrapped for name, wrapped in self._wrapped.items() if name != subject}
            self._replace(kept)
        return True

    def sync(self) -> None:
        """Has new keys reach the disk; blocks for milliseconds, so call it off the event loop."""
        if not self._is_dirty:
            return
        self._is_dirty = False
        handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _make(self, subject: str) -> bytes:
        with self._locked():
            self._read()
            if subject in self._wrapped:
                return self._unwrap(subject, self._wrapped[subject])
            fresh = os.urandom(KEY_BYTES)
            nonce = os.urandom(NONCE_BYTES)
            wrapped = nonce + self._master.encrypt(nonce, fresh, subject.encode())
            self._append(_Record(subject, wrapped))
            return fresh

    def _append(self, record: _Record) -> None:
        head = b"" if self._head else MAGIC + os.urandom(HEAD_BYTES - len(MAGIC))
        data = head + frame_bytes(_encode(record))
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                written = os.pwrite(handle, data, self._read_to)
            finally:
                os.close(handle)
        except OSError as error:
            raise JournalError(f"the keyring cannot be written: {error}") from error
        if written != len(data):
            raise JournalError("the keyring cannot be written: the disk is full")
        self._head = self._head or head
        self._read_to += len(data)
        self._wrapped[record.subject] = record.wrapped
        self._is_dirty = True

    def _catch_up(self) -> None:
        with self._locked(is_shared=True):
            self._read()

    def _read(self) -> None:
        """Reads what is new in the file, or all of it when it is another file; the lock must be held."""
        handle = self._open()
        if handle is None:
            self._wrapped, self._head, self._read_to = {}, b"", 0
            return
        try:
            head = os.pread(handle, HEAD_BYTES, 0)
            if head != self._head:
                if head and not (len(head) == HEAD_BYTES and head.startswith(MAGIC)):
                    raise JournalError(f"{self._path} is not a keyring", hint="restore it from a backup")
                self._wrapped, self._head, self._read_to = {}, head, len(head)
            data = os.pread(handle, max(os.fstat(handle).st_size - self._read_to, 0), self._read_to)
        finally:
            os.close(handle)
        for found in scan(data, self._read_to):
            if isinstance(found, Raw):
                record = _decode(found.payload)
                self._wrapped[record.subject] = record.wrapped
            self._read_to = found.end

    def _replace(self, kept: dict[str, bytes]) -> None:
        fresh = Path(f"{self._path}.new")
        head = MAGIC + os.urandom(HEAD_BYTES - len(MAGIC))
        data = head + b"".join(frame_bytes(_encode(_Record(*item))) for item in kept.items())
        old = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            _sync_folder(fresh.parent)
            # Not a promise on a copying file system or a worn flash disk, but the best there is.
            os.pwrite(old, bytes(os.fstat(old).st_size), 0)
            os.fsync(old)
        finally:
            os.close(old)
        self._wrapped, self._head, self._read_to = kept, head, len(data)

    def _open(self) -> int | None:
        try:
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None

    def _unwrap(self, subject: str, wrapped: bytes) -> bytes:
        try:
            return self._master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], subject.encode())
        except InvalidTag as error:
            raise JournalError(
                f"the key of subject {subject} cannot be unwrapped",
                hint="the master key is not the one this keyring was made with: restore both together",
            ) from error

    @contextmanager
    def _locked(self, *, is_shared: bool = False) -> Iterator[None]:
        handle = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
