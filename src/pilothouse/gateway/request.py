"""One HTTP request as it was read from a socket, or as much of it as came.

Refuses to know what it asks for. Invariant: header names are lower case; a header sent twice holds both
values, joined as RFC 9110 says.
"""

import msgspec

from pilothouse.contracts.errors import ApiError


class Request(msgspec.Struct, weakref=False):
    """A request, whole, or faulty and then `fault` says how."""

    method: bytes
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes
    at_ns: int
    """Unix nanoseconds when its last byte was read."""
    started_s: float
    """The same moment on the monotonic clock, in seconds."""
    fault: ApiError | None = None
    """Why it was not read to its end: too large, too slow, or not HTTP."""

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]
