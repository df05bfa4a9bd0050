"""The content-addressed store of model files: `sha256/<digest>`, found by source through `refs/`.

    sha256/<hex>        the files, read-only, each named by its own SHA-256
    refs/<hash>.json    one a source: which file it is
    staging/<hash>/     what is being fetched, kept between attempts so that they resume

Refuses to know where files come from and what is in them. Invariant: a file under `sha256/` is whole and has
the digest it is named by, because it gets there by one rename after it was hashed.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pilothouse.contracts.errors import ArtefactError

__all__ = ["ArtefactStore", "StoredArtefact", "sha256_of"]

DIGEST_PREFIX = "sha256:"


@dataclass(frozen=True, slots=True)
class StoredArtefact:
    """A model file that is here."""

    source: str
    path: str
    """Absolute path of the file."""
    digest: str
    """`sha256:<hex>` of the file."""
    size_bytes: int


class _Reference(msgspec.Struct, frozen=True):
    """The document in `refs/`."""

    source: str
    digest: str
    size_bytes: int


class ArtefactStore:
    """Files of models under one folder; safe for several processes at once."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder).absolute()

    def find(self, source: str) -> StoredArtefact | None:
        """Returns the file of a source when it is here, by a look at the folder alone."""
        try:
            reference = msgspec.json.decode(self._reference(source).read_bytes(), type=_Reference)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as fault:
            raise ArtefactError(
                f"the reference to {source} is damaged: {fault}", hint="Pull the model again."
            ) from fault
        return self._stored(reference)

    def list(self) -> tuple[StoredArtefact, ...]:
        """Returns all that is here, by source."""
        found = []
        for path in sorted((self._folder / "refs").glob("*.json")):
            with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
                reference = msgspec.json.decode(path.read_bytes(), type=_Reference)
                stored = self._stored(reference)
                if stored is not None:
                    found.append(stored)
        return tuple(sorted(found, key=lambda artefact: artefact.source))

    def put(self, source: str, file: Path) -> StoredArtefact:
        """Moves a finished file into the store under its own digest, and lets the source point to it."""
        digest = sha256_of(file)
        target = self._blob(digest)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sync(file)
        file.chmod(0o400)
        file.replace(target)
        _sync(target.parent)
        reference = _Reference(source, DIGEST_PREFIX + digest, target.stat().st_size)
        place = self._reference(source)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = place.with_suffix(f".{os.getpid()}")
        draft.write_bytes(msgspec.json.encode(reference))
        _sync(draft)
        draft.replace(place)
        _sync(place.parent)
        return StoredArtefact(source, str(target), reference.digest, reference.size_bytes)

    def verify(self, artefact: StoredArtefact) -> None:
        """Reads the whole file and compares its digest.

        Raises:
            ArtefactError: The file is missing, or its content has changed.
        """
        path = Path(artefact.path)
        if not path.is_file():
            raise ArtefactError(f"{path} is missing", hint=f"Pull {artefact.source} again.")
        digest = DIGEST_PREFIX + sha256_of(path)
        if digest != artefact.digest:
            raise ArtefactError(
                f"{path} has changed: its digest is {digest}", hint="Remove it and pull the model again."
            )

    def remove(self, source: str) -> bool:
        """Removes a source, and its file when no other source points to it; returns whether it was here."""
        with self.locked(source):
            place = self._reference(source)
            try:
                reference = msgspec.json.decode(place.read_bytes(), type=_Reference)
            except (FileNotFoundError, msgspec.DecodeError):
                reference = None
            was_here = place.exists()
            place.unlink(missing_ok=True)
            shutil.rmtree(self.staging(source), ignore_errors=True)
            if reference and all(other.digest != reference.digest for other in self.list()):
                self._blob(reference.digest.removeprefix(DIGEST_PREFIX)).unlink(missing_ok=True)
            return was_here

    def staging(self, source: str) -> Path:
        """Returns the folder in which a source is fetched; the same one at each attempt."""
        folder = self._folder / "staging" / _name(source)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def clear_staging(self, source: str) -> None:
        """Removes what fetching a source has left behind."""
        shutil.rmtree(self._folder / "staging" / _name(source), ignore_errors=True)

    @contextlib.contextmanager
    def locked(self, source: str) -> Iterator[None]:
        """Holds the source's lock, so that of two processes that fetch it one waits for the other."""
        folder = self._folder / "locks"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / _name(source)).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _stored(self, reference: _Reference) -> StoredArtefact | None:
        blob = self._blob(reference.digest.removeprefix(DIGEST_PREFIX))
        try:
            size = blob.stat().st_size
        except FileNotFoundError:
            return None
        if size != reference.size_bytes:
            return None
        return StoredArtefact(reference.source, str(blob), reference.digest, size)

    def _blob(self, digest: str) -> Path:
        return self._folder / "sha256" / digest

    def _reference(self, source: str) -> Path:
        return self._folder / "refs" / f"{_name(source)}.json"


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:32]


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
