"""Sealing: content encrypted with AES-256-GCM under a key of its data subject.

A blob is `version 1 | key mark 8 | salt 16 | counter 8 | ciphertext and tag`; the mark tells which key of a
subject it was (one may be destroyed and a new one made). A `Sealer` draws one salt in its life and
derives from it a data key for each subject, HMAC-SHA256(subject key, context | salt); the nonce is the
counter. So no nonce is ever used twice with one key, however many calls one subject makes (random 96-bit
nonces would reach NIST SP 800-38D's limit of 2^32 after 60 hours at 20,000 calls a second), and no random
number is drawn on the hot path. The call's id is bound in as associated data: a blob cannot be moved to
another call.

Refuses to know where keys are kept. Invariant: `unseal(key, id, seal(...))` gives back what was sealed, and
any changed bit, other key or other call raises.
"""

import hmac
from os import urandom
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pilothouse.contracts.errors import JournalError
from pilothouse.contracts.events import Content

__all__ = ["KeySource", "Sealer", "is_authentic", "is_under", "unseal"]

VERSION = b"\x01"
SALT_BYTES = 16
COUNTER_BYTES = 8
MARK_BYTES = 8
MARK_END = 1 + MARK_BYTES
SALT_END = MARK_END + SALT_BYTES
HEAD_BYTES = SALT_END + COUNTER_BYTES
NONCE_PREFIX = b"\0\0\0\0"
CONTEXT = b"pilothouse-content-v1\0"
MARK_CONTEXT = b"pilothouse-key-mark-v1\0"
MOST_CIPHERS = 4096
"""Derived keys a sealer keeps; beyond it they are derived again (about 5 µs)."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Content).decode


class KeySource(Protocol):
    """Gives a subject's key, making one for a subject not met before."""

    def key(self, subject: str) -> bytes:
        """Returns the subject's 32-byte key."""
        ...


class Sealer:
    """Seals one process's contents; used from one thread."""

    def __init__(self, keys: KeySource) -> None:
        self._keys = keys
        self._ciphers: dict[str, tuple[bytes, AESGCM]] = {}
        self._counter = 0
        self._salt = urandom(SALT_BYTES)

    def seal(self, content: Content, *, subject: str, call_id: str) -> bytes:
        """Returns `content` sealed under the key of `subject` and bound to `call_id`."""
        head, cipher = self._ciphers.get(subject) or self._derive(subject)
        self._counter = counter = self._counter + 1
        raw = counter.to_bytes(COUNTER_BYTES, "big")
        return head + raw + cipher.encrypt(NONCE_PREFIX + raw, _encode(content), call_id.encode())

    def forget(self) -> None:
        """Drops all derived keys, so that a destroyed one is used no more."""
        self._ciphers.clear()

    def _derive(self, subject: str) -> tuple[bytes, AESGCM]:
        if len(self._ciphers) >= MOST_CIPHERS:
            self._ciphers.clear()
        key = self._keys.key(subject)
        found = VERSION + _mark(key) + self._salt, _data_cipher(key, self._salt)
        self._ciphers[subject] = found
        return found


def is_under(key: bytes, sealed: bytes) -> bool:
    """Says whether `sealed` claims to be under `key`; if not, its own key of that subject was destroyed."""
    return sealed[1:MARK_END] == _mark(key)


def unseal(key: bytes, call_id: str, sealed: bytes) -> Content:
    """Returns what was sealed for `call_id` under the subject's `key`.

    Raises:
        JournalError: the blob was changed, cut, or sealed for another call or under another key.
    """
    try:
        return _decode(_open(key, call_id, sealed))
    except (InvalidTag, msgspec.DecodeError, ValueError) as error:
        raise JournalError(
            f"the content of call {call_id} is not authentic",
            hint="run `pilothouse journal verify`; it was changed, or its subject's key was destroyed",
        ) from error


def is_authentic(key: bytes, call_id: str, sealed: bytes) -> bool:
    """Says whether `sealed` was sealed for `call_id` under `key` and has not been changed since."""
    try:
        _open(key, call_id, sealed)
    except (InvalidTag, ValueError):
        return False
    return True


def _open(key: bytes, call_id: str, sealed: bytes) -> bytes:
    if len(sealed) < HEAD_BYTES or sealed[:1] != VERSION:
        raise ValueError("not a sealed blob")
    if not is_under(key, sealed):
        raise ValueError("sealed under another key")
    salt, counter = sealed[MARK_END:SALT_END], sealed[SALT_END:HEAD_BYTES]
    return _data_cipher(key, salt).decrypt(NONCE_PREFIX + counter, sealed[HEAD_BYTES:], call_id.encode())


def _mark(key: bytes) -> bytes:
    return hmac.digest(key, MARK_CONTEXT, "sha256")[:MARK_BYTES]


def _data_cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(hmac.digest(key, CONTEXT + salt, "sha256"))
