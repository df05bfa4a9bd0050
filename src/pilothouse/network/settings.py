"""The limits and deadlines of the upstream pool.

Refuses to know where the values come from. Invariant: every field has a default that is safe in production.
"""

import msgspec


class PoolSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many connections are held to each upstream address, and for how long."""

    connections_per_origin: int = 8192
    """The most connections open to one address at the same time."""
    waiters_per_origin: int = 4096
    """The most calls that may wait for a connection to one address; further ones are answered 503."""
    idle_ttl_s: float = 55.0
    """How long an unused connection is kept, in seconds; below the 60 s after which many peers close."""
    connect_s: float = 5.0
    """Deadline for name lookup, connect and TLS together, in seconds."""
    wait_s: float = 30.0
    """Deadline for a call that waits for a free connection, in seconds."""
    max_head_bytes: int = 65_536
    """The largest head of an answer that is accepted, in bytes."""


class Deadlines(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long one exchange waits for its peer."""

    first_byte_s: float = 300.0
    """From the request sent to the first byte of the answer, in seconds."""
    idle_s: float = 60.0
    """Between two bytes of the answer, in seconds."""
