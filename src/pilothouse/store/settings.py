"""The `analytics:` section of the configuration file: how the embedded databases may use the machine.

Refuses to know what is kept. Invariant: every field has a default that is safe on a small machine.
"""

from typing import Annotated

import msgspec

__all__ = ["StoreSettings"]

Positive = Annotated[int, msgspec.Meta(ge=1)]


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the embedded databases may use the machine."""

    memory_mb: Annotated[int, msgspec.Meta(ge=64)] = 256
    """The most memory DuckDB may take for queries and its cache, in MiB; beyond it, it works from disk."""
    threads: Positive = 2
    """Threads that DuckDB may use."""
    checkpoint_mb: Positive = 128
    """Size of DuckDB's write-ahead log at which it is folded into the file, in MiB. A small one costs up to
    three times the work."""
    query_timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    """Seconds after which a question to the record is given up."""
    batch_events: Positive = 4096
    """The most events the projector commits at once."""
