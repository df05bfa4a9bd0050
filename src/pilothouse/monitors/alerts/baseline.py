"""What is usual at an hour of the week: a robust seasonal baseline, from the past of a measure.

The usual value at a time is the median of the past at the same hour of the week (three weeks at least), else
at the same hour of the day (a week at least), else of the last days (a day at least). How far values are
usually from it is learnt from the past too: each past value against the median of its fellows without itself
(what one would have predicted for it), taken robustly: by the median absolute deviation (times 1.4826, which
makes it a standard deviation for normal noise) and by the 95th percentile (over 1.96), whichever is larger,
so that heavy tails and weekends count. The distance grows with the level, and has a floor where levels are
low, as counts do.

Refuses to know clocks and databases. Invariant: with less than a day of past, or a past that never moved,
there is no judgement.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import hypot
from statistics import median
from typing import Literal

__all__ = ["HISTORY_MS", "Baseline", "Usual", "learn"]

Source = Literal["hour of the week", "hour of the day", "last days"]
Point = tuple[int, float]
"""When a value's window began, in Unix milliseconds, and the value."""

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
HISTORY_MS = 4 * WEEK_MS
"""How much past is looked at."""
LEAST_MS = DAY_MS
RECENT_MS = 3 * DAY_MS
LEAST_POINTS = 12
WEEKS_NEEDED = 3
DAYS_NEEDED = 5
NORMAL_MAD = 1.4826
NORMAL_95 = 1.96
SHARE_95 = 0.95
FLOOR_SHARE = 0.03
"""Nothing is closer to the usual than 3% of it: a measure may be steady by luck."""
RECENT_FLOOR_SHARE = 0.5
"""Without a week of past nobody knows nights and weekends: only what is several times the usual counts."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual at a time."""

    value: float
    spread: float
    """How far values usually are from it: a robust standard deviation."""
    source: Source


@dataclass(frozen=True, slots=True)
class _Season:
    """The past folded by one rhythm."""

    source: Source
    slot_of: Callable[[int], int]
    values: dict[int, list[float]]
    share: float
    """The spread relative to the level."""
    floor: float
    """The spread where levels are low; the two add up as independent noises do."""


class Baseline:
    """What the past says; made by `learn`."""

    def __init__(self, seasons: Sequence[_Season]) -> None:
        """Takes the rhythms, the best one first."""
        self._seasons = seasons

    def at(self, at_ms: int) -> Usual | None:
        """Returns what is usual in a window that begins at a time; `None` when the past does not say."""
        for season in self._seasons:
            values = season.values.get(season.slot_of(at_ms))
            if values:
                usual = median(values)
                spread = hypot(season.share * usual, season.floor)
                return Usual(usual, spread, season.source) if spread > 0 else None
        return None


def learn(points: Iterable[tuple[int, float | None]]) -> Baseline:
    """Learns from the past.

    Args:
        points: Start and value of each window, in the order of time; windows without data may have `None`.
    """
    past = [(at_ms, value) for at_ms, value in points if value is not None]
    if len(past) < LEAST_POINTS or past[-1][0] - past[0][0] < LEAST_MS - HOUR_MS:
        return Baseline([])
    span_ms = past[-1][0] - past[0][0] + HOUR_MS
    seasons: list[_Season] = []
    if span_ms >= WEEKS_NEEDED * WEEK_MS:
        seasons.append(_season("hour of the week", _hour_of_week, past, WEEK_MS, WEEKS_NEEDED))
    if span_ms >= WEEK_MS:
        seasons.append(_season("hour of the day", _hour_of_day, past, DAY_MS, DAYS_NEEDED))
    else:
        recent = [point for point in past if point[0] > past[-1][0] - RECENT_MS]
        seasons.append(_season("last days", _always, recent, HOUR_MS, 1, RECENT_FLOOR_SHARE))
    return Baseline(seasons)


def _hour_of_week(at_ms: int) -> int:
    return at_ms % WEEK_MS // HOUR_MS


def _hour_of_day(at_ms: int) -> int:
    return at_ms % DAY_MS // HOUR_MS


def _always(_: int) -> int:
    return 0


def _season(
    source: Source,
    slot_of: Callable[[int], int],
    past: Sequence[Point],
    period_ms: int,
    needed: int,
    floor_share: float = FLOOR_SHARE,
) -> _Season:
    """Folds the past by a rhythm; a slot that was met in fewer than `needed` periods says nothing."""
    values: dict[int, list[float]] = defaultdict(list)
    periods: dict[int, set[int]] = defaultdict(set)
    for at_ms, value in past:
        slot = slot_of(at_ms)
        values[slot].append(value)
        periods[slot].add(at_ms // period_ms)
    kept = {slot: found for slot, found in values.items() if len(periods[slot]) >= needed}
    misses = [miss for found in kept.values() for miss in _misses(found)]
    share, floor = _spread(misses)
    return _Season(source, slot_of, kept, max(share, floor_share), floor)


def _misses(values: Sequence[float]) -> Iterable[tuple[float, float]]:
    """Yields, for each value, the median of its fellows and how far it is from that."""
    ordered = sorted(values)
    if len(ordered) < 2:  # noqa: PLR2004 - one value has no fellows
        return
    for index, value in enumerate(ordered):
        fellows = _median_without(ordered, index)
        yield fellows, abs(value - fellows)


def _median_without(ordered: Sequence[float], index: int) -> float:
    """Returns the median of a sorted sequence without one of its items."""
    count = len(ordered) - 1
    high, low = count // 2, (count - 1) // 2
    pick = [ordered[at if at < index else at + 1] for at in (low, high)]
    return (pick[0] + pick[1]) / 2


def _spread(misses: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Returns how far values are from what was usual: as a share of it, and at least."""
    if not misses:
        return 0.0, 0.0
    share = _robust([miss / abs(level) for level, miss in misses if level])
    middle = median(level for level, _ in misses)
    floor = _robust([miss for level, miss in misses if level <= middle])
    return share, floor


def _robust(values: Sequence[float]) -> float:
    if not values:
        return 0.0
    ordered = sorted(values)
    at_95 = ordered[min(len(ordered) - 1, int(SHARE_95 * len(ordered)))]
    return max(NORMAL_MAD * median(ordered), at_95 / NORMAL_95)
