"""Keeps every objective's numbers: counts calls in each window, and tells alerts, the API and Prometheus.

Refuses to know how an alert is told. Invariant: whoever asks gets the last tick's numbers at once; nobody's
question waits for the record.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.analytics.below import below
from pilothouse.analytics.tallies import Asked, sums
from pilothouse.contracts.errors import ApiError
from pilothouse.monitors.alerts.sources import Burning
from pilothouse.monitors.objectives.budget import (
    WINDOWS_S,
    Condition,
    State,
    Tally,
    budget_left,
    burn_rate,
    conditions,
    state_of,
)
from pilothouse.monitors.objectives.settings import DAY_MS, ObjectiveSettings, window_ms_of
from pilothouse.store.dialects.reader import Readable
from pilothouse.telemetry.prometheus import Family, Sample

__all__ = ["KEEPING_S", "Keeper", "Kept", "ObjectiveShown"]

logger = logging.getLogger(__name__)

KEEPING_S = 15.0
MINUTE_MS = 60_000
STEP_MS = 5 * MINUTE_MS
LONG_EVERY_MS = 60_000
"""Windows of days are counted anew so often; shorter ones at each tick."""
COUNTERS = ("server_errors", "provider_errors", "client_errors")


@dataclass(frozen=True, slots=True)
class ObjectiveShown:
    """An objective in short, as the first screen shows it."""

    name: str
    measure: str
    target: float
    value: float | None
    budget_left: float | None
    burn_rate: float | None
    state: State


@dataclass(slots=True)
class Kept:
    """One objective's counts."""

    name: str
    settings: ObjectiveSettings
    window_ms: int
    whole: Tally = field(default_factory=Tally)
    windows: dict[str, Tally] = field(default_factory=dict)
    judged: list[Condition] = field(default_factory=list)
    counted_at_ms: int = 0
    long_at_ms: int = 0

    @property
    def state(self) -> State:
        """How it is."""
        return state_of(self.whole, self.settings.goal, self.judged, min_calls=self.settings.min_calls)

    @property
    def worst(self) -> Condition | None:
        """The pair of windows that is nearest to an alert, or farthest past it."""
        return max(self.judged, key=lambda one: one.rate / one.pair.rate, default=None)

    @property
    def alarming(self) -> Condition | None:
        """The pair of windows to alert on: the fastest that burns, else the worst."""
        return next((one for one in self.judged if one.is_burning), self.worst)


class Keeper:
    """All objectives of the configuration."""

    def __init__(self, record: Readable, settings: Mapping[str, ObjectiveSettings]) -> None:
        self._record = record
        self._kept = [
            Kept(name, one, window_ms_of(one.window) or 30 * DAY_MS) for name, one in settings.items()
        ]

    @property
    def kept(self) -> Sequence[Kept]:
        """Each objective with its counts, in the order of the file."""
        return self._kept

    def tick(self, now_ms: int) -> bool:
        """Counts what is due; there is never more to do at once."""
        for kept in self._kept:
            try:
                self._count(kept, now_ms)
            except (
                ApiError
            ) as error:  # a question took too long: the others are counted, this one again later
                logger.warning("the objective %s was not counted: %s", kept.name, error.message)
        return False

    def burning(self, now_ms: int) -> Sequence[Burning]:  # noqa: ARG002 - as the alerts ask it
        """Returns every objective's worst burn rate; of one with too few calls, 0."""
        return [
            Burning(
                objective=kept.name,
                rate=worst.rate if worst.is_burning or worst.rate < worst.pair.rate else 0.0,
                threshold=worst.pair.rate,
                window_s=WINDOWS_S[worst.pair.long],
                measure=kept.settings.measure,
                only=dict(kept.settings.only),
                severity=worst.pair.severity,
            )
            for kept in self._kept
            if (worst := kept.alarming) is not None
        ]

    def shown(self) -> list[ObjectiveShown]:
        """Returns every objective in short."""
        return [
            ObjectiveShown(
                name=kept.name,
                measure=kept.settings.measure,
                target=kept.settings.goal,
                value=kept.whole.share,
                budget_left=budget_left(kept.whole, kept.settings.goal),
                burn_rate=burn_rate(kept.windows.get("1h", Tally()), kept.settings.goal),
                state=kept.state,
            )
            for kept in self._kept
        ]

    def families(self, now_ms: int) -> list[Family]:  # noqa: ARG002 - as the metrics ask it
        """Returns the objectives as Prometheus has them."""
        if not self._kept:
            return []
        left = [
            Sample(value, {"objective": kept.name})
            for kept in self._kept
            if (value := budget_left(kept.whole, kept.settings.goal)) is not None
        ]
        rates = [
            Sample(rate, {"objective": kept.name, "window": window})
            for kept in self._kept
            for window, tally in kept.windows.items()
            if (rate := burn_rate(tally, kept.settings.goal)) is not None
        ]
        goals = [Sample(kept.settings.goal, {"objective": kept.name}) for kept in self._kept]
        return [
            Family("pilothouse_objective_goal", "gauge", "Share of calls that is to be good.", goals),
            Family(
                "pilothouse_objective_budget_left",
                "gauge",
                "What is left of the error budget: 1 whole, 0 spent, below 0 overdrawn.",
                left,
            ),
            Family(
                "pilothouse_objective_burn_rate",
                "gauge",
                "How many times faster than allowed the error budget goes, by window.",
                rates,
            ),
        ]

    def counts(self, kept: Kept, start_ms: int, end_ms: int, step_ms: int) -> list[Tally]:
        """Counts an objective's calls in steps of time."""
        asked = Asked(start_ms, end_ms, step_ms, only=dict(kept.settings.only))
        tallies = [Tally()] * -(-(end_ms - start_ms) // step_ms)
        limit = kept.settings.threshold_ms
        if limit is not None and kept.settings.measure != "availability":
            for step, (good, total) in below(self._record, asked, kept.settings.measure, limit).items():
                tallies[step] = Tally(good, total)
            return tallies
        found, _ = sums(self._record, asked, COUNTERS)
        for (_, step), row in found.items():
            total = (row["calls"] or 0) - (row["client_errors"] or 0)
            bad = (row["server_errors"] or 0) + (row["provider_errors"] or 0)
            tallies[step] = Tally(total - bad, total)
        return tallies

    def _count(self, kept: Kept, now_ms: int) -> None:
        end_ms = -(-now_ms // MINUTE_MS) * MINUTE_MS
        steps = self.counts(kept, end_ms - WINDOWS_S["6h"] * 1000, end_ms, STEP_MS)
        for name in ("5m", "30m", "1h", "6h"):
            kept.windows[name] = sum(steps[-(WINDOWS_S[name] * 1000 // STEP_MS) :], Tally())
        if now_ms - kept.long_at_ms >= LONG_EVERY_MS:
            for name, size_ms in (("3d", WINDOWS_S["3d"] * 1000), ("", kept.window_ms)):
                tally = sum(self.counts(kept, end_ms - size_ms, end_ms, size_ms), Tally())
                if name:
                    kept.windows[name] = tally
                else:
                    kept.whole = tally
            kept.long_at_ms = now_ms
        kept.judged = conditions(kept.windows, kept.settings.goal, min_calls=kept.settings.min_calls)
        kept.counted_at_ms = now_ms
