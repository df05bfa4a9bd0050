"""Prometheus' family of how much of each limit is used.

Refuses to know how limits are counted. Invariant: the series are those of the configuration's limits; keys
are left out unless they may be labels.
"""

from collections.abc import Iterable

from pilothouse.api.traffic import traffic_of
from pilothouse.contracts.status import LimitUsage
from pilothouse.telemetry.prometheus import Family, Sample

MOST_LIMITS = 1000
"""Samples; what comes beyond is left out."""


def limit_families(usage: Iterable[LimitUsage], *, has_keys: bool) -> list[Family]:
    """Returns the share of each limit that is used."""
    limits = traffic_of((), usage, {}).limits
    samples = [
        Sample(one.share, {"scope": one.scope, "name": one.name, "limit": one.limit})
        for one in limits
        if one.share is not None and (has_keys or one.scope != "key")
    ]
    return [
        Family(
            "pilothouse_limit_used_ratio",
            "gauge",
            "Share of a team's or model's limit in use; of a key's too where keys may be labels.",
            samples[:MOST_LIMITS],
        )
    ]
