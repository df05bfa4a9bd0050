"""The numbers an operator looks at first: rates, errors, latencies, tokens and cost, now and just before.

Shadows are no calls of anybody's: they are in no rate, latency or cost but in `shadows`. Cached answers are
calls, but not in latencies and tokens: they are in `cache`.

Refuses to know engines and processes: their state is handed in. Invariant: every series has one value for
each step of the window, and `None` where there was no call to measure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pilothouse.analytics.cover import MINUTE_MS, SHORTEST_ROLLED_MS, rolled_step
from pilothouse.analytics.tallies import FORMER, LATTER, MOST_EXACT, SHADOWS, WHOLE, Asked, Quantiles, tallies
from pilothouse.store.dialects.reader import Readable

__all__ = [
    "Cached",
    "Confidence",
    "Cost",
    "Level",
    "Overview",
    "Percentiles",
    "Rate",
    "Shadows",
    "State",
    "overview",
]

Level = Literal["ok", "degraded", "down"]
Sums = Mapping[str, float | None]

LONGEST_WINDOW_S = 31 * 86_400
MOST_POINTS = 720

COUNTERS = (
    "calls", "server_errors", "provider_errors", "client_errors", "input_tokens", "output_tokens", "cost_usd",
    "unpriced", "cached", "saved_usd",
)  # fmt: skip
TIMES = ("first_token", "latency", "token_time", "queue")
LOGPROBS = ("logprob_mean", "logprob_min", "logprob_entropy")
MONEY = frozenset(("cost_usd", "saved_usd"))
NOTHING: Sums = dict.fromkeys(COUNTERS, 0.0)


@dataclass(frozen=True, slots=True)
class State:
    """Whether it serves, and why not."""

    level: Level
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class Rate:
    """A number over the window, over the window before it, and at each step."""

    value: float | None
    previous: float | None
    series: list[float | None]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """A time's percentiles in milliseconds; the series is the 95th at each step."""

    p50: float | None
    p95: float | None
    p99: float | None
    previous_p95: float | None
    series: list[float | None]


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars spent where the price is known, and how many calls had none."""

    value: float | None
    """`None` when there were calls and no price was known."""
    previous: float | None
    series: list[float | None]
    unpriced_calls: int


@dataclass(frozen=True, slots=True)
class Cached:
    """Calls answered from what was answered before."""

    share: Rate
    """Of all calls."""
    saved_usd: float | None
    """What they would have cost, where the price is known."""


@dataclass(frozen=True, slots=True)
class Shadows:
    """Copies of calls whose answers nobody saw; in no other number here."""

    calls: int
    cost_usd: float | None
    """`None` when there were some and no price was known."""


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure the models were, in nats, where it was recorded."""

    calls: int
    """Calls that it is known of."""
    mean: float | None
    """Mean log-probability of the tokens."""
    minimum: float | None
    """Log-probability of the least likely token, on average over calls."""
    entropy: float | None
    """Mean entropy of the likeliest next tokens."""
    series: list[float | None]
    """The mean at each step."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The golden numbers of one window."""

    now_ms: int
    window_s: int
    series_start_ms: int
    series_step_ms: int
    state: State
    ingest_lag_ms: float
    calls: int
    requests_per_second: Rate
    error_rate: Rate
    client_error_rate: Rate
    first_token_ms: Percentiles
    """Of streams alone: a plain answer comes whole, so it has no first token to wait for."""
    latency_ms: Percentiles
    input_tokens_per_second: Rate
    output_tokens_per_second: Rate
    cost_usd: Cost
    cache: Cached
    shadows: Shadows
    availability: Rate
    """Share of the calls that could be answered that neither a provider nor we failed."""
    token_time_ms: Percentiles
    """Per output token of streams."""
    queue_ms: Percentiles
    """Before the first upstream attempt."""
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class _Grid:
    """The steps of every series; the last one may end after now."""

    start_ms: int
    step_ms: int
    points: int
    now_ms: int

    def seconds(self, number: int) -> float:
        """Returns how long a step has been."""
        start_ms = self.start_ms + number * self.step_ms
        return (min(start_ms + self.step_ms, self.now_ms) - start_ms) / 1000

    @property
    def whole_s(self) -> float:
        """How long the window has been."""
        return (self.now_ms - self.start_ms) / 1000

    @property
    def before_s(self) -> float:
        """How long the window before it is."""
        return self.points * self.step_ms / 1000


@dataclass(frozen=True, slots=True)
class _Found:
    """What the record answered: of each step of the window and of the one before it."""

    grid: _Grid
    before: Sums
    now: Sums
    steps: list[Sums]
    times: Mapping[tuple[str, str, int], Quantiles]
    shadows: Sums

    def rate(self, number: Callable[[Sums, float], float | None]) -> Rate:
        """Returns a number over time; `number` makes it of sums and seconds."""
        return Rate(
            number(self.now, self.grid.whole_s),
            number(self.before, self.grid.before_s),
            [number(step, self.grid.seconds(at)) for at, step in enumerate(self.steps)],
        )

    def percentiles(self, histogram: str) -> Percentiles:
        """Returns a time's percentiles."""
        whole = self.times.get((histogram, WHOLE, LATTER))
        before = self.times.get((histogram, WHOLE, FORMER))
        p50, p95, p99 = whole.values if whole else (None, None, None)
        steps = self.stepwise(histogram)
        return Percentiles(
            p50,
            p95,
            p99,
            before.values[1] if before else None,
            [one.values[1] if one else None for one in steps],
        )

    def stepwise(self, histogram: str) -> list[Quantiles | None]:
        """Returns a histogram's numbers at each step."""
        first, points = self.grid.points, self.grid.points
        return [self.times.get((histogram, WHOLE, at)) for at in range(first, first + points)]


def overview(
    record: Readable,
    *,
    now_ms: int,
    window_s: int = 900,
    points: int = 60,
    state: State,
    ingest_lag_ms: float,
) -> Overview:
    """Returns the numbers of the `window_s` seconds up to `now_ms`, with about `points` steps.

    There are fewer steps, of whole minutes or hours, from a quarter of an hour on when there are many calls.
    """
    window_s = max(1, min(window_s, LONGEST_WINDOW_S))
    points = max(1, min(points, MOST_POINTS, window_s))
    found = _ask(record, now_ms=now_ms, step_ms=-(-window_s * 1000 // points), points=points)
    return Overview(
        now_ms=now_ms,
        window_s=window_s,
        series_start_ms=found.grid.start_ms,
        series_step_ms=found.grid.step_ms,
        state=state,
        ingest_lag_ms=ingest_lag_ms,
        calls=int(found.now["calls"] or 0),
        requests_per_second=found.rate(_per_second("calls")),
        error_rate=found.rate(lambda row, _: _share(_errors(row), row["calls"])),
        client_error_rate=found.rate(lambda row, _: _share(row["client_errors"], row["calls"])),
        first_token_ms=found.percentiles("first_token"),
        latency_ms=found.percentiles("latency"),
        input_tokens_per_second=found.rate(_per_second("input_tokens")),
        output_tokens_per_second=found.rate(_per_second("output_tokens")),
        cost_usd=Cost(
            _cost(found.now),
            _cost(found.before),
            [_cost(step) for step in found.steps],
            int(found.now["unpriced"] or 0),
        ),
        cache=Cached(found.rate(lambda row, _: _share(row["cached"], row["calls"])), found.now["saved_usd"]),
        shadows=Shadows(int(found.shadows["calls"] or 0), _cost(found.shadows)),
        availability=found.rate(lambda row, _: _available(row)),
        token_time_ms=found.percentiles("token_time"),
        queue_ms=found.percentiles("queue"),
        confidence=_confidence(found),
    )


def _ask(record: Readable, *, now_ms: int, step_ms: int, points: int) -> _Found:
    span_ms = step_ms * points
    grid = _Grid(now_ms - span_ms, step_ms, points, now_ms)
    with tallies(record) as tallied:
        if span_ms >= SHORTEST_ROLLED_MS and (
            step_ms >= MINUTE_MS or tallied.count(now_ms - 2 * span_ms, now_ms) > MOST_EXACT
        ):
            grid = _rolled(grid)
        start_ms = grid.start_ms - grid.points * grid.step_ms
        asked = Asked(start_ms, now_ms, grid.step_ms, scope="all", split=grid.points)
        rows, _ = tallied.sums(asked, COUNTERS)
        calls = sum(int(row["calls"] or 0) for row in rows.values())
        times, _ = tallied.quantiles(
            replace(asked, scope="served"), (*TIMES, *LOGPROBS), (0.5, 0.95, 0.99), calls=calls
        )
    steps = [rows.get((WHOLE, at), NOTHING) for at in range(2 * grid.points)]
    return _Found(
        grid,
        _added(steps[: grid.points]),
        _added(steps[grid.points :]),
        steps[grid.points :],
        times,
        _added([rows.get((SHADOWS, at), NOTHING) for at in range(grid.points, 2 * grid.points)]),
    )


def _added(steps: Sequence[Sums]) -> Sums:
    """Returns the sums of several steps; of money, `None` where no step has any."""
    found: dict[str, float | None] = dict(NOTHING)
    for name in COUNTERS:
        known = [number for step in steps if (number := step[name]) is not None]
        is_money = name in MONEY and not any(step["calls"] and step[name] is not None for step in steps)
        found[name] = None if is_money and any(step["calls"] for step in steps) else sum(known)
    return found


def _rolled(grid: _Grid) -> _Grid:
    """Returns steps that roll-ups have: the first may begin a little before the window."""
    step_ms, size = rolled_step(grid.step_ms)
    start_ms = grid.start_ms - grid.start_ms % size
    return _Grid(start_ms, step_ms, -(-(grid.now_ms - start_ms) // step_ms), grid.now_ms)


def _per_second(name: str) -> Callable[[Sums, float], float]:
    return lambda row, seconds: (row[name] or 0.0) / seconds


def _errors(row: Sums) -> float:
    return (row["server_errors"] or 0.0) + (row["provider_errors"] or 0.0)


def _available(row: Sums) -> float | None:
    share = _share(_errors(row), (row["calls"] or 0.0) - (row["client_errors"] or 0.0))
    return None if share is None else 1 - share


def _share(part: float | None, whole: float | None) -> float | None:
    return (part or 0.0) / whole if whole else None


def _cost(row: Sums) -> float | None:
    """Returns US dollars: 0 of no calls, `None` of calls that had no price."""
    cost_usd = row["cost_usd"]
    return 0.0 if cost_usd is None and not row["unpriced"] else cost_usd


def _confidence(found: _Found) -> Confidence:
    rows = [found.times.get((name, WHOLE, LATTER)) for name in LOGPROBS]
    mean, minimum, entropy = (row.mean if row else None for row in rows)
    steps = found.stepwise(LOGPROBS[0])
    return Confidence(
        rows[0].count if rows[0] else 0, mean, minimum, entropy, [one.mean if one else None for one in steps]
    )
