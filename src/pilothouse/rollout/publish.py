"""Publishes the snapshot: builds it, signs it, puts it in place by one rename, and keeps that it was done.

Refuses to know why: the reason is the caller's. Invariant: a reader finds the old file or the new one, never
a part; each revision is higher than any before it, even after the database went back to a backup.
"""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from threading import Lock

from sqlalchemy import Engine

from pilothouse.contracts.snapshot import KeyRecord
from pilothouse.rollout import repository
from pilothouse.rollout.build import Catalogue, build_snapshot
from pilothouse.rollout.sign import revision_of, sign

Keys = Callable[[int], tuple[KeyRecord, ...]]
"""Gives everyone who may call at a time in Unix milliseconds."""


class Publisher:
    """The one writer of a home's snapshot."""

    def __init__(
        self,
        engine: Engine,
        *,
        path: str,
        signing_key: bytes,
        catalogue: Catalogue,
        configuration_revision: int,
        keys: Keys,
    ) -> None:
        """Takes what every publication needs.

        Args:
            engine: The state database.
            path: Where the snapshot stands.
            signing_key: Ed25519 private key, raw 32 bytes.
            catalogue: Routes, providers and prices.
            configuration_revision: The configuration they were built from.
            keys: Who may call.
        """
        self._engine = engine
        self._path = Path(path)
        self._signing_key = signing_key
        self._catalogue = catalogue
        self._configuration_revision = configuration_revision
        self._keys = keys
        self._lock = Lock()
        self._is_due = True

    @property
    def catalogue(self) -> Catalogue:
        """The routes, providers and prices in force."""
        return self._catalogue

    def publish(self, reason: str, *, now_ms: int) -> int:
        """Publishes the state of the moment; when it returns the revision, the file is in place."""
        self._is_due = True
        with self._lock, self._engine.begin() as connection:
            revision = max(repository.last_publication(connection), self._published_revision()) + 1
            keys = self._keys(now_ms)
            snapshot = build_snapshot(self._catalogue, keys, revision=revision, created_at_ms=now_ms)
            published = sign(snapshot, self._signing_key)
            repository.record_publication(
                connection,
                revision=revision,
                configuration_revision=self._configuration_revision,
                digest=sha256(published).hexdigest(),
                reason=reason,
                now_ms=now_ms,
            )
            replace_file(self._path, published)
            self._is_due = False
        return revision

    def change(self, catalogue: Catalogue, *, configuration_revision: int, reason: str, now_ms: int) -> int:
        """Publishes another catalogue, which stays in force; returns the snapshot's revision."""
        with self._lock:
            self._catalogue = catalogue
            self._configuration_revision = configuration_revision
        return self.publish(reason, now_ms=now_ms)

    def tick(self, now_ms: int) -> bool:
        """Publishes what a failure kept from being published: a revoked key must not live on a full disk."""
        if self._is_due:
            self.publish("a publication before had failed", now_ms=now_ms)
        return False

    def _published_revision(self) -> int:
        try:
            return revision_of(self._path.read_bytes())
        except FileNotFoundError:
            return 0


def replace_file(path: Path, content: bytes) -> None:
    """Puts `content` at `path` (0600); a reader, or a power cut, meets the old or the new file whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
