"""A snapshot is taken only when it is signed by the home's key and of our version."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.contracts.errors import SnapshotError
from pilothouse.contracts.snapshot import SIGNATURE_CONTEXT, SignedSnapshot, Snapshot
from pilothouse.gateway.follow import open_snapshot

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
GOOD = Snapshot(version=1, revision=3, created_at_ms=0, keys=(), models=(), providers=())


def _signed(payload: bytes, *, context: bytes = SIGNATURE_CONTEXT) -> bytes:
    return msgspec.msgpack.encode(SignedSnapshot(payload=payload, signature=KEY.sign(context + payload)))


def test_a_signed_snapshot_is_opened() -> None:
    assert open_snapshot(_signed(msgspec.msgpack.encode(GOOD)), PUBLIC) == GOOD


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_refused(place: int, change: int) -> None:
    data = bytearray(_signed(msgspec.msgpack.encode(GOOD)))
    data[place % len(data)] ^= change
    with pytest.raises(SnapshotError):
        open_snapshot(bytes(data), PUBLIC)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "broken"),
        (_signed(b"\xc1"), "broken"),
        (_signed(msgspec.msgpack.encode(GOOD), context=b"other\0"), "signature"),
        (_signed(msgspec.msgpack.encode({"version": 2})), "version 2"),
        (_signed(msgspec.msgpack.encode({"version": 1})), "broken"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, says: str) -> None:
    with pytest.raises(SnapshotError, match=says):
        open_snapshot(data, PUBLIC)


def test_another_key_does_not_open_it() -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(SnapshotError, match="signature"):
        open_snapshot(_signed(msgspec.msgpack.encode(GOOD)), other)
