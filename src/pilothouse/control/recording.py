"""Where the record is read, and how it gets there: the embedded files, or ClickHouse fed from them.

Refuses to know questions and rows. Invariant: without `analytics.url` nothing leaves the embedded files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pilothouse.control.foundation import secret_value
from pilothouse.control.settings import ControlSettings
from pilothouse.store.analytics import Analytics
from pilothouse.store.cold import ColdDays
from pilothouse.store.dialects.reader import Readable
from pilothouse.telemetry.prometheus import Family, Sample
from pilothouse.worker import Job

if TYPE_CHECKING:
    from pilothouse.store.shipping import Shipper

SHIPPING_S = 1.0
ARCHIVING_S = 3600.0


@dataclass(frozen=True, slots=True)
class Recording:
    """What reads the record and what sends it on."""

    record: Readable
    """Answers questions."""
    content_days: int
    """How many days the embedded files keep content."""
    jobs: Sequence[Job] = ()
    shipper: "Shipper | None" = None

    def families(self, _now_ms: int) -> list[Family]:
        """Returns the figures of what is sent on, as metrics."""
        if self.shipper is None:
            return []
        return [
            Family(
                "pilothouse_outbox_rows",
                "gauge",
                "Rows that are on record and not yet in ClickHouse.",
                [Sample(self.shipper.waiting_rows)],
            ),
            Family(
                "pilothouse_outbox_sent_rows_total",
                "counter",
                "Rows sent to ClickHouse.",
                [Sample(self.shipper.sent_rows_total)],
            ),
        ]


def keep_days(settings: ControlSettings) -> dict[str, int]:
    """Returns how many days each class of the record is kept."""
    return settings.store.keep.days(
        metadata_days=settings.journal.metadata_retention_days,
        content_days=settings.journal.content_retention_days,
    )


def recording(settings: ControlSettings, analytics: Analytics) -> Recording:
    """Returns what the settings ask for.

    Raises:
        ConfigurationError: ClickHouse is asked for and its library is not installed.
    """
    kept = settings.store.embedded_days(
        metadata_days=settings.journal.metadata_retention_days,
        content_days=settings.journal.content_retention_days,
    )["content"]
    archiving = Job("archiving", ColdDays(analytics, settings.journal).tick, ARCHIVING_S)
    if settings.store.url is None:
        return Recording(analytics, kept, (archiving,))
    # Imported here: who keeps the record in the home needs no ClickHouse.
    from pilothouse.store.clickhouse_client import ClickHouseLink, database_of
    from pilothouse.store.clickhouse_reader import ClickHouseRecord
    from pilothouse.store.clickhouse_schema import make_tables
    from pilothouse.store.shipping import Shipper

    password = secret_value(settings, settings.store.password)
    days = keep_days(settings)
    database = database_of(settings.store)
    link = ClickHouseLink(settings.store, password, lambda client: make_tables(client, database, days))
    shipper = Shipper(analytics, link)
    return Recording(
        ClickHouseRecord(link),
        kept,
        (Job("shipping", shipper.tick, SHIPPING_S), archiving),
        shipper,
    )
