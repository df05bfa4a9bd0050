"""The `analytics:` and `state:` sections of the configuration file: which databases, and what they may use.

Refuses to know what is kept. Invariant: every field has a default that is safe on a small machine.
"""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

__all__ = ["KeepSettings", "StateSettings", "StoreSettings"]

Positive = Annotated[int, msgspec.Meta(ge=1)]


class KeepSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Days that each class of the record is kept, but for calls.

    Of those, `journal.content_retention_days` and `journal.metadata_retention_days` say so.
    """

    spans_days: Positive = 90
    """Spans that applications have sent."""
    scores_days: Positive = 395
    """Feedback, evaluations and custom metrics."""
    metric_points_days: Positive = 30
    """Numbers that applications have sent as OpenTelemetry metrics."""
    logs_days: Positive = 30
    """Log records that applications have sent; their text goes with the content of its day, if that is
    sooner."""
    roll_ups_days: Positive = 1095
    """Sums by hour, without any person's data: they outlive the calls they are made of."""

    def days(self, *, metadata_days: int, content_days: int) -> dict[str, int]:
        """Returns the days by class; of calls, those given."""
        return {
            "metadata": metadata_days,
            "content": content_days,
            "spans": self.spans_days,
            "scores": self.scores_days,
            "metric_points": self.metric_points_days,
            "logs": self.logs_days,
            "roll_ups": self.roll_ups_days,
        }


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the embedded databases may use the machine."""

    url: str | None = None
    """A ClickHouse database, as `clickhouse://user@host:8123/name` (`clickhouses://` for TLS), without the
    password. Left out: DuckDB in the home folder. Needs the extra `pilothouse[clickhouse]`."""
    password: str | None = None
    """The ClickHouse user's password, as a reference like `${PILOTHOUSE_ANALYTICS_PASSWORD}`."""
    memory_mb: Annotated[int, msgspec.Meta(ge=64)] = 256
    """The most memory DuckDB may take for queries and its cache, in MiB; beyond it, it works from disk. In
    ClickHouse, the most that one question may take."""
    threads: Positive = 2
    """Threads that DuckDB may use."""
    checkpoint_mb: Positive = 128
    """Size of DuckDB's write-ahead log at which it is folded into the file, in MiB. A small one costs up to
    three times the work."""
    query_timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    """Seconds after which a question to the record is given up."""
    batch_events: Positive = 4096
    """The most events the projector commits at once."""
    keep: KeepSettings = KeepSettings()
    """How long each class of the record is kept."""
    local_days: Positive = 7
    """With ClickHouse: the most days that rows stay in the embedded files too, which feed it."""
    archive_after_days: Positive | None = None
    """Days after its end that a UTC day is archived as Parquet in the home folder, below `analytics/archive`;
    sooner where a class of its rows would be dropped before. Left out: nothing is archived."""

    def embedded_days(self, *, metadata_days: int, content_days: int) -> dict[str, int]:
        """Returns how many days the embedded files keep each class: with ClickHouse, the latest alone."""
        days = self.keep.days(metadata_days=metadata_days, content_days=content_days)
        if self.url is None:
            return days
        return {
            name: kept if name == "roll_ups" else min(kept, self.local_days) for name, kept in days.items()
        }

    def __post_init__(self) -> None:
        """Refuses another database, and a password in clear."""
        if self.url is None:
            return
        if not self.url.startswith(("clickhouse://", "clickhouses://", "chdb:")):
            raise ValueError("url must begin with clickhouse:// or clickhouses://")
        if urlsplit(self.url).password is not None:
            raise ValueError("url must not hold the password: give it as `password`, a reference")


class StateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where keys, sessions, configuration revisions and alerts are kept."""

    url: str | None = None
    """A PostgreSQL database, as `postgresql+psycopg://user@host:5432/name?sslmode=verify-full`, without the
    password. Left out: SQLite in the home folder. Needs the extra `pilothouse[postgres]`."""
    password: str | None = None
    """The database user's password, as a reference like `${PILOTHOUSE_STATE_PASSWORD}`."""
    connections: Positive = 4
    """The most connections kept open to PostgreSQL."""
    connect_timeout_s: Annotated[int, msgspec.Meta(ge=1, le=60)] = 5
    """Seconds to wait for PostgreSQL to take a connection."""
    statement_timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    """Seconds after which PostgreSQL gives up a statement."""

    def __post_init__(self) -> None:
        """Refuses another database, and a password in clear."""
        if self.url is None:
            return
        if not self.url.startswith("postgresql+psycopg://"):
            raise ValueError("url must begin with postgresql+psycopg://")
        if urlsplit(self.url).password is not None:
            raise ValueError("url must not hold the password: give it as `password`, a reference")
