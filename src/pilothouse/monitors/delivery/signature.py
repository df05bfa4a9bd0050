"""The signature of a webhook: HMAC-SHA256 over the time and the body, in one header.

    X-Pilothouse-Signature: t=1764000000,v1=<hex of HMAC-SHA256(secret, "1764000000." + body)>

The time is signed with the body, so that a receiver can refuse a request that was kept and sent again later.
Refuses to know what is signed. Invariant: signatures are compared in constant time.
"""

import hmac
from hashlib import sha256

__all__ = ["HEADER", "REPLAY_WINDOW_S", "is_signed", "sign"]

HEADER = "x-pilothouse-signature"
REPLAY_WINDOW_S = 300
"""Seconds by which a receiver should let the signed time differ from its own."""
MS_IN_S = 1000


def sign(secret: str, body: bytes, now_ms: int) -> str:
    """Returns the header's value for a body sent now."""
    at_s = now_ms // MS_IN_S
    return f"t={at_s},v1={_digest(secret, at_s, body)}"


def is_signed(secret: str, body: bytes, header: str, now_ms: int) -> bool:
    """Says whether a header is the signature of this body, made with this secret not long ago."""
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    given, at = parts.get("v1", ""), parts.get("t", "")
    if not at.isascii() or not at.isdigit() or abs(now_ms // MS_IN_S - int(at)) > REPLAY_WINDOW_S:
        return False
    return hmac.compare_digest(_digest(secret, int(at), body).encode(), given.encode())


def _digest(secret: str, at_s: int, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{at_s}.".encode() + body, sha256).hexdigest()
