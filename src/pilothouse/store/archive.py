"""A backup's file format: a tar whose last member lists all others with their sizes and SHA-256 digests.

Refuses to know what is in a home. Invariant: `read_manifest` and `extract` accept only what the manifest
lists, byte for byte, under relative names.
"""

import hashlib
import io
import os
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from pilothouse.contracts.errors import ConfigurationError

__all__ = ["ArchiveWriter", "Entry", "Manifest", "extract", "read_manifest"]

MANIFEST = "manifest.json"
FORMAT = 1
BLOCK_BYTES = 1024 * 1024


class Entry(msgspec.Struct, frozen=True):
    """One file of a backup."""

    path: str
    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    format: int = FORMAT
    pilothouse: str
    created_at_ms: int
    includes_keys: bool
    files: tuple[Entry, ...]


class ArchiveWriter:
    """Writes a backup to `path`; nothing is at `path` until `finish`."""

    def __init__(self, path: str) -> None:
        """Opens the file, readable by its owner only."""
        self._path = path
        self._part = f"{path}.part"
        handle = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(handle, "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed below
        self._entries: list[Entry] = []

    def add_file(self, name: str, path: str, *, most_bytes: int | None = None) -> None:
        """Adds the file at `path`, or its first `most_bytes`."""
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._add(name, file, size if most_bytes is None else min(size, most_bytes))

    def add_bytes(self, name: str, content: bytes) -> None:
        """Adds a file of this content."""
        self._add(name, io.BytesIO(content), len(content))

    def finish(self, manifest: Manifest) -> Manifest:
        """Writes the manifest, with the files that were added, and puts the backup in its place."""
        whole = msgspec.structs.replace(manifest, files=tuple(self._entries))
        self._add(MANIFEST, io.BytesIO(raw := msgspec.json.encode(whole)), len(raw))
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        Path(self._part).replace(self._path)
        return whole

    def abandon(self) -> None:
        """Removes what was written."""
        self._file.close()
        Path(self._part).unlink(missing_ok=True)

    def _add(self, name: str, source: IO[bytes], size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        reading = _Digesting(source)
        self._tar.addfile(info, reading)
        self._entries.append(Entry(name, size, reading.digest.hexdigest()))


class _Digesting(io.RawIOBase):
    """Reads through, taking the digest of what is read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._source.read(size)
        self.digest.update(block)
        return block


def read_manifest(path: str) -> Manifest:
    """Returns the manifest of the backup at `path`.

    Raises:
        ConfigurationError: it is no backup, cut short, or of a format not known here.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            member = tar.extractfile(MANIFEST)
            manifest = msgspec.json.decode(member.read() if member else b"", type=Manifest)
    except (OSError, KeyError, tarfile.TarError, msgspec.MsgspecError) as error:
        raise ConfigurationError(
            f"{path} is not a whole backup: {error}", hint="name a file that `pilothouse backup` has made"
        ) from error
    if manifest.format != FORMAT:
        raise ConfigurationError(
            f"{path} has backup format {manifest.format}, this Pilothouse knows {FORMAT}"
        )
    return manifest


def extract(path: str, folder: str) -> Manifest:
    """Writes the files of the backup at `path` below `folder`, each checked against the manifest.

    Raises:
        ConfigurationError: a file is missing, changed, or has a name that leads elsewhere.
    """
    manifest = read_manifest(path)
    with tarfile.open(path, "r:") as tar:
        for entry in manifest.files:
            name = PurePosixPath(entry.path)
            if name.is_absolute() or ".." in name.parts:
                raise ConfigurationError(f"the backup {path} names a file outside itself: {entry.path}")
            target = Path(folder) / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                source = tar.extractfile(entry.path)
            except KeyError:
                source = None
            if source is None or _copy(source, target) != (entry.size_bytes, entry.sha256):
                raise ConfigurationError(
                    f"the backup {path} is damaged: {entry.path} is not what the manifest says",
                    hint="take another backup; nothing was restored",
                )
    return manifest


def _copy(source: IO[bytes], target: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        while block := source.read(BLOCK_BYTES):
            digest.update(block)
            size += len(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()
