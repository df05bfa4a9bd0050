"""The arithmetic of error budgets: what is left, how fast it goes, and when that is an alert.

As in the Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts"
(https://sre.google/workbook/alerting-on-slos/, table 5-8): a burn rate of 14.4 over an hour spends 2 % of a
30-day budget, 6 over six hours 5 %, 1 over three days 10 %; each must hold in a window a twelfth as long too,
so that the alert ends soon after its cause.

Refuses to know where counts come from, and what time it is. Invariant: a window with too few calls alerts
never.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "PAIRS",
    "WINDOWS_S",
    "Condition",
    "Pair",
    "State",
    "Tally",
    "budget_left",
    "burn_rate",
    "conditions",
    "state_of",
]

WINDOWS_S: dict[str, int] = {"5m": 300, "30m": 1800, "1h": 3600, "6h": 21_600, "3d": 259_200}
State = Literal["ok", "burning", "spent", "unknown"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two windows in which the budget must go this fast for an alert."""

    rate: float
    long: str
    short: str
    severity: Literal["critical", "warning"]


PAIRS: tuple[Pair, ...] = (
    Pair(14.4, "1h", "5m", "critical"),
    Pair(6.0, "6h", "30m", "critical"),
    Pair(1.0, "3d", "6h", "warning"),
)


@dataclass(frozen=True, slots=True)
class Tally:
    """Calls that count, and those of them that were good."""

    good: float = 0
    total: float = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.good + other.good, self.total + other.total)

    @property
    def bad(self) -> float:
        """Calls that were not good."""
        return self.total - self.good

    @property
    def share(self) -> float | None:
        """The share of good calls; `None` of nothing."""
        return self.good / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class Condition:
    """One pair of windows, judged."""

    pair: Pair
    long_rate: float | None
    short_rate: float | None
    is_burning: bool

    @property
    def rate(self) -> float:
        """The rate that holds in both windows."""
        return min(self.long_rate or 0.0, self.short_rate or 0.0)


def burn_rate(tally: Tally, goal: float) -> float | None:
    """Returns how many times faster than allowed the budget goes; `None` of nothing."""
    return None if not tally.total else tally.bad / tally.total / (1 - goal)


def budget_left(tally: Tally, goal: float) -> float | None:
    """Returns what is left of the budget of these calls: 1 whole, 0 spent, below that overdrawn."""
    rate = burn_rate(tally, goal)
    return None if rate is None else 1 - rate


def conditions(windows: Mapping[str, Tally], goal: float, *, min_calls: int) -> list[Condition]:
    """Judges each pair of windows, by the names in `WINDOWS_S`."""
    judged = []
    for pair in PAIRS:
        long, short = windows.get(pair.long, Tally()), windows.get(pair.short, Tally())
        long_rate, short_rate = burn_rate(long, goal), burn_rate(short, goal)
        is_burning = (
            long.total >= min_calls and (long_rate or 0) >= pair.rate and (short_rate or 0) >= pair.rate
        )
        judged.append(Condition(pair, long_rate, short_rate, is_burning))
    return judged


def state_of(whole: Tally, goal: float, judged: list[Condition], *, min_calls: int) -> State:
    """Says how an objective is."""
    left = budget_left(whole, goal)
    if left is None or whole.total < min_calls:
        return "unknown"
    if left <= 0:
        return "spent"
    return "burning" if any(one.is_burning for one in judged) else "ok"
