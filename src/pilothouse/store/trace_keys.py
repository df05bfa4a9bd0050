"""The key of a trace in the table of hints, which says when a trace was.

Refuses to know who writes and who reads. Invariant: one trace has one key; two traces may share one, so a
reader compares the trace's id as well.
"""

from hashlib import blake2b

__all__ = ["trace_key"]

KEY_HEX = 16


def trace_key(trace_id: str) -> int:
    """Returns the first half of a trace's id as a number; of an id that is no such hex, a hash."""
    try:
        return int(trace_id[:KEY_HEX], 16) if len(trace_id) >= KEY_HEX else _hashed(trace_id)
    except ValueError:
        return _hashed(trace_id)


def _hashed(trace_id: str) -> int:
    return int.from_bytes(blake2b(trace_id.encode(), digest_size=8).digest(), "big")
