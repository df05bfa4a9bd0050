"""A published snapshot verifies under the public key, and no changed byte does."""

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.contracts.snapshot import SIGNATURE_CONTEXT, SignedSnapshot, Snapshot
from pilothouse.rollout.sign import revision_of, sign

KEY = b"k" * 32
PUBLIC = Ed25519PrivateKey.from_private_bytes(KEY).public_key()


def snapshot(revision: int = 1) -> Snapshot:
    return Snapshot(version=1, revision=revision, created_at_ms=5, keys=(), models=(), providers=())


def verify(published: bytes) -> Snapshot:
    signed = msgspec.msgpack.decode(published, type=SignedSnapshot)
    PUBLIC.verify(signed.signature, SIGNATURE_CONTEXT + signed.payload)
    return msgspec.msgpack.decode(signed.payload, type=Snapshot)


def test_what_is_signed_is_what_was_given() -> None:
    assert verify(sign(snapshot(), KEY)) == snapshot()


@given(st.integers(min_value=0))
def test_a_changed_byte_is_noticed(position: int) -> None:
    published = bytearray(sign(snapshot(), KEY))
    published[position % len(published)] ^= 1
    with pytest.raises((InvalidSignature, msgspec.MsgspecError)):
        verify(bytes(published))


@given(st.integers(min_value=1, max_value=2**40))
def test_the_revision_is_read_back(revision: int) -> None:
    assert revision_of(sign(snapshot(revision), KEY)) == revision


@given(st.binary(max_size=100))
def test_bytes_that_are_no_snapshot_have_revision_0(junk: bytes) -> None:
    assert revision_of(junk) == 0
