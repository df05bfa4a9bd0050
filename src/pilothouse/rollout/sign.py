"""Signs a snapshot with Ed25519, in the form that the serving plane verifies.

Refuses to know what the snapshot says. Invariant: the signature is over the contract's context and exactly
the bytes that are published.
"""

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pilothouse.contracts.snapshot import SIGNATURE_CONTEXT, SignedSnapshot, Snapshot


def sign(snapshot: Snapshot, signing_key: bytes) -> bytes:
    """Returns the published form of `snapshot`.

    Args:
        snapshot: What is to serve.
        signing_key: Ed25519 private key, raw 32 bytes (RFC 8032).
    """
    payload = msgspec.msgpack.encode(snapshot)
    signature = Ed25519PrivateKey.from_private_bytes(signing_key).sign(SIGNATURE_CONTEXT + payload)
    return msgspec.msgpack.encode(SignedSnapshot(payload=payload, signature=signature))


def revision_of(published: bytes) -> int:
    """Returns the revision in a published snapshot, or 0 when the bytes are not one.

    The signature is not looked at: the number is only ever used to choose a higher one.
    """
    try:
        signed = msgspec.msgpack.decode(published, type=SignedSnapshot)
        return msgspec.msgpack.decode(signed.payload, type=Snapshot).revision
    except msgspec.MsgspecError:
        return 0
