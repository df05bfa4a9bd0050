"""The versions of each custom metric, in the state database: a changed meaning is a new one.

Refuses to know values. Invariant: a version's definition never changes, so that values of before keep theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Engine, insert, select

from pilothouse.monitors.metrics.settings import MetricSettings, digest_of
from pilothouse.store.tables import metric_versions

__all__ = ["MetricVersion", "settle_versions", "versions_of"]


@dataclass(frozen=True, slots=True)
class MetricVersion:
    """One version of a metric."""

    version: int
    created_at_ms: int
    definition: dict[str, Any]
    """As the configuration had it."""


def settle_versions(engine: Engine, metrics: Mapping[str, MetricSettings], *, now_ms: int) -> dict[str, int]:
    """Returns each metric's version, after giving those whose meaning has changed a new one."""
    settled: dict[str, int] = {}
    with engine.begin() as connection:
        for name, settings in metrics.items():
            newest = connection.execute(
                select(metric_versions.c.version, metric_versions.c.digest)
                .where(metric_versions.c.name == name)
                .order_by(metric_versions.c.version.desc())
                .limit(1)
            ).first()
            digest = digest_of(settings)
            if newest is not None and newest.digest == digest:
                settled[name] = int(newest.version)
                continue
            settled[name] = 1 if newest is None else int(newest.version) + 1
            connection.execute(
                insert(metric_versions).values(
                    name=name,
                    version=settled[name],
                    digest=digest,
                    document=msgspec.json.encode(settings, order="deterministic").decode(),
                    created_at_ms=now_ms,
                )
            )
    return settled


def versions_of(engine: Engine) -> dict[str, list[MetricVersion]]:
    """Returns every version there was, by the metric's name, oldest first."""
    found: dict[str, list[MetricVersion]] = {}
    with engine.connect() as connection:
        for row in connection.execute(
            select(metric_versions).order_by(metric_versions.c.name, metric_versions.c.version)
        ):
            found.setdefault(str(row.name), []).append(
                MetricVersion(int(row.version), int(row.created_at_ms), msgspec.json.decode(row.document))
            )
    return found
