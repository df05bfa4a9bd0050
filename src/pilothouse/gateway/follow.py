"""Follows the signed snapshot: verifies what stands in the file, keeps the last good one, and says so.

Refuses to know what a snapshot is used for. Invariant: a snapshot is taken only when its signature verifies
under the home's public key, its version is ours, and its revision is not lower than the one held.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pilothouse.contracts.errors import SnapshotError
from pilothouse.contracts.snapshot import SIGNATURE_CONTEXT, SNAPSHOT_VERSION, SignedSnapshot, Snapshot

POLL_S = 0.2
"""How often the file is looked at: a revoked key stops well within a second."""

logger = logging.getLogger(__name__)
_decode_signed = msgspec.msgpack.Decoder(SignedSnapshot).decode
_decode_snapshot = msgspec.msgpack.Decoder(Snapshot).decode


class _Version(msgspec.Struct):
    """What is read first, so that a newer layout is named and not called broken."""

    version: int


def open_snapshot(data: bytes, public_key: bytes) -> Snapshot:
    """Verifies a snapshot file's bytes.

    Raises:
        SnapshotError: It is broken, not signed by the key, or of another version.
    """
    try:
        signed = _decode_signed(data)
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            signed.signature, SIGNATURE_CONTEXT + signed.payload
        )
    except msgspec.MsgspecError as error:
        raise SnapshotError("the snapshot file is broken") from error
    except (InvalidSignature, ValueError) as error:
        raise SnapshotError("the snapshot's signature does not verify") from error
    try:
        version = msgspec.msgpack.decode(signed.payload, type=_Version).version
        if version != SNAPSHOT_VERSION:
            raise SnapshotError(f"the snapshot has version {version}, this build reads {SNAPSHOT_VERSION}")
        return _decode_snapshot(signed.payload)
    except msgspec.MsgspecError as error:
        raise SnapshotError("the snapshot's payload is broken") from error


def _require_no_older(snapshot: Snapshot, held: int) -> None:
    if snapshot.revision < held:
        raise SnapshotError(f"the snapshot has revision {snapshot.revision}, older than {held} held")


class Follower:
    """Reads the snapshot file when it changes."""

    def __init__(self, path: str, public_key_path: str, obey: Callable[[Snapshot], None]) -> None:
        self._path = Path(path)
        self._public_key_path = Path(public_key_path)
        self._obey = obey
        self._seen: tuple[int, int, int] | None = None
        self.revision = -1
        self.refusals_total = 0
        self.refusal: str | None = "no snapshot has been published yet"
        """Why the newest file was not taken; `None` when the one in force is the one in the file."""

    def look(self) -> bool:
        """Takes the file's snapshot if it is new and good. Returns whether one was taken."""
        try:
            state = self._path.stat()
            mark = (state.st_mtime_ns, state.st_ino, state.st_size)
            if mark == self._seen:
                return False
            data, public_key = self._path.read_bytes(), self._public_key_path.read_bytes()
        except OSError as error:
            self.refusal = f"the snapshot cannot be read: {error.strerror}"
            return False
        self._seen = mark
        return self._take(data, public_key)

    def _take(self, data: bytes, public_key: bytes) -> bool:
        try:
            snapshot = open_snapshot(data, public_key)
            _require_no_older(snapshot, self.revision)
            self._obey(snapshot)
        except SnapshotError as error:
            self.refusals_total += 1
            self.refusal = error.message
            logger.warning("snapshot refused: %s", error.message)
            return False
        self.refusal = None
        self.revision = snapshot.revision
        logger.info("snapshot %d is in force", snapshot.revision)
        return True

    async def follow(self) -> None:
        """Looks again and again until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(POLL_S)
