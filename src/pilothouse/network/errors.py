"""What can go wrong on the way out, as one small tree.

    NetworkError
    ├── ConnectError         refused, no such socket, unknown host, untrusted certificate
    ├── DeadlineError        the peer missed a deadline: `phase` is connect, first_byte, idle or wait
    ├── PoolFullError        too many calls already wait for a connection to this address
    ├── ResetError           the peer closed before any byte of an answer
    ├── BadResponseError     what came is not HTTP, or over our limits
    └── TruncatedError       the answer began and was cut

Refuses to know how an error is shown to a client. Invariant: messages name addresses, never credentials.
"""

from typing import Literal

__all__ = [
    "BadResponseError",
    "ConnectError",
    "DeadlineError",
    "NetworkError",
    "Phase",
    "PoolFullError",
    "ResetError",
    "TruncatedError",
]

Phase = Literal["connect", "first_byte", "idle", "wait"]


class NetworkError(Exception):
    """The root of everything that goes wrong on the way out."""


class ConnectError(NetworkError):
    """No connection could be made, so nothing was sent."""


class DeadlineError(NetworkError):
    """The peer missed a deadline."""

    def __init__(self, message: str, *, phase: Phase) -> None:
        super().__init__(message)
        self.phase: Phase = phase


class PoolFullError(NetworkError):
    """The queue for connections to this address is full."""


class ResetError(NetworkError):
    """The peer closed the connection before it sent any byte of an answer."""


class BadResponseError(NetworkError):
    """The peer's bytes are not an HTTP answer we accept."""


class TruncatedError(NetworkError):
    """The peer closed the connection in the middle of an answer."""
