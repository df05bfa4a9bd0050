"""One HTTP request as it was read from a socket, or as much of it as came.

Refuses to know what it asks for. Invariant: header names are lower case; a header sent twice holds both
values, joined as RFC 9110 says.
"""

from pilothouse.contracts.errors import ApiError


class Request:
    """A request, whole, or faulty and then `fault` says how."""

    __slots__ = ("at_ns", "body", "fault", "headers", "method", "started_s", "target")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        headers: dict[bytes, bytes],
        body: bytes,
        at_ns: int,
        started_s: float,
        fault: ApiError | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.at_ns = at_ns
        """Unix nanoseconds when its last byte was read."""
        self.started_s = started_s
        """The same moment on the monotonic clock, in seconds."""
        self.fault = fault
        """Why it was not read to its end: too large, too slow, or not HTTP."""

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]
