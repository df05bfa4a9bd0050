"""The numbers an operator looks at first: rates, errors, latencies, tokens and cost, now and just before.

Shadows are no calls of anybody's: they are in no rate, latency or cost but in `shadows`. Cached answers are
calls, but not in latencies and tokens: they are in `cache`.

Refuses to know engines and processes: their state is handed in. Invariant: every series has one value for
each step of the window, and `None` where there was no call to measure.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pilothouse.analytics.classes import CLIENT_ERROR, MEASURED, SERVED, SERVER_ERROR, UNPRICED, UPSTREAM
from pilothouse.store.analytics import Analytics

__all__ = ["Cached", "Cost", "Level", "Overview", "Percentiles", "Rate", "Shadows", "State", "overview"]

Level = Literal["ok", "degraded", "down"]

LONGEST_WINDOW_S = 31 * 86_400
MOST_POINTS = 720

MOST_MEASURED = 1_000_000
"""Of more calls than this, percentiles are taken from an even sample of about so many."""

COUNTS = f"""
    SELECT (at_ns - $start) // $step, count(*), count(*) FILTER ({SERVER_ERROR}),
        count(*) FILTER ({CLIENT_ERROR}), coalesce(sum(input_tokens) FILTER ({UPSTREAM}), 0),
        coalesce(sum(output_tokens) FILTER ({UPSTREAM}), 0), sum(cost_usd), count(*) FILTER ({UNPRICED}),
        count(*) FILTER (NOT {UPSTREAM}), sum(saved_usd)
    FROM calls WHERE at_ns >= $start AND at_ns < $end AND {SERVED} GROUP BY 1"""  # noqa: S608 - our own words
WHOLE = f"""
    SELECT at_ns >= $middle, quantile_cont(first_token_ms, [0.5, 0.95, 0.99]) FILTER (is_stream),
        quantile_cont(duration_ms, [0.5, 0.95, 0.99])
    FROM calls WHERE at_ns >= $start AND at_ns < $end AND {SERVED} AND {MEASURED}"""  # noqa: S608 - as above
STEPS = f"""
    SELECT (at_ns - $middle) // $step, quantile_cont(first_token_ms, 0.95) FILTER (is_stream),
        quantile_cont(duration_ms, 0.95)
    FROM calls WHERE at_ns >= $middle AND at_ns < $end AND {SERVED} AND {MEASURED}"""  # noqa: S608 - as above
SHADOWS = f"""
    SELECT count(*), sum(cost_usd), count(*) FILTER ({UNPRICED})
    FROM calls WHERE at_ns >= $middle AND at_ns < $end AND NOT {SERVED}"""  # noqa: S608 - as above


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


@dataclass(slots=True)
class _Counts:
    calls: int = 0
    errors: int = 0
    client_errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    unpriced: int = 0
    cached: int = 0
    saved_usd: float | None = None

    def add(self, other: "_Counts") -> None:
        self.calls += other.calls
        self.errors += other.errors
        self.client_errors += other.client_errors
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        if other.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + other.cost_usd
        self.unpriced += other.unpriced
        self.cached += other.cached
        if other.saved_usd is not None:
            self.saved_usd = (self.saved_usd or 0.0) + other.saved_usd

    @property
    def cost(self) -> float | None:
        return 0.0 if self.cost_usd is None and not self.unpriced else self.cost_usd


@dataclass(frozen=True, slots=True)
class _Found:
    """What the record answered: counts of both windows by step, percentiles of each whole and step."""

    counts: dict[int, _Counts]
    whole: dict[bool, tuple[Any, ...]]
    steps: dict[int, tuple[Any, ...]]
    shadows: Shadows


def overview(
    analytics: Analytics,
    *,
    now_ms: int,
    window_s: int = 900,
    points: int = 60,
    state: State,
    ingest_lag_ms: float,
) -> Overview:
    """Returns the numbers of the `window_s` seconds up to `now_ms`, with `points` steps."""
    window_s = max(1, min(window_s, LONGEST_WINDOW_S))
    points = max(1, min(points, MOST_POINTS, window_s))
    step_ms = -(-window_s * 1000 // points)
    found = _ask(analytics, now_ms=now_ms, step_ms=step_ms, points=points)
    now, before = _Counts(), _Counts()
    for number, counts in found.counts.items():
        (now if number >= points else before).add(counts)
    steps = [found.counts.get(points + number, _Counts()) for number in range(points)]
    span_s, step_s = step_ms * points / 1000, step_ms / 1000

    def per_second(name: str) -> Rate:
        return Rate(
            getattr(now, name) / span_s,
            getattr(before, name) / span_s,
            [getattr(step, name) / step_s for step in steps],
        )

    def share(name: str) -> Rate:
        return Rate(_share(now, name), _share(before, name), [_share(step, name) for step in steps])

    return Overview(
        now_ms=now_ms,
        window_s=window_s,
        series_start_ms=now_ms - step_ms * points,
        series_step_ms=step_ms,
        state=state,
        ingest_lag_ms=ingest_lag_ms,
        calls=now.calls,
        requests_per_second=per_second("calls"),
        error_rate=share("errors"),
        client_error_rate=share("client_errors"),
        first_token_ms=_percentiles(found, points, 0),
        latency_ms=_percentiles(found, points, 1),
        input_tokens_per_second=per_second("input_tokens"),
        output_tokens_per_second=per_second("output_tokens"),
        cost_usd=Cost(now.cost, before.cost, [step.cost for step in steps], now.unpriced),
        cache=Cached(share("cached"), now.saved_usd),
        shadows=found.shadows,
    )


def _ask(analytics: Analytics, *, now_ms: int, step_ms: int, points: int) -> _Found:
    end, step = now_ms * 1_000_000, step_ms * 1_000_000
    middle, start = end - step * points, end - 2 * step * points
    with analytics.reader() as reader:
        rows = reader.execute(COUNTS, {"start": start, "end": end, "step": step}).fetchall()
        counts = {int(row[0]): _Counts(*row[1:]) for row in rows}
        every = 1 + (sum(step.calls for step in counts.values()) - 1) // MOST_MEASURED
        ending = f"{f' AND hash(at_ns) % {every} = 0' if every > 1 else ''} GROUP BY 1"
        bounds = {"middle": middle, "end": end}
        whole = reader.execute(WHOLE + ending, bounds | {"start": start}).fetchall()
        steps = reader.execute(STEPS + ending, bounds | {"step": step}).fetchall()
        copies = reader.execute(SHADOWS, bounds).fetchone()
    calls, cost_usd, unpriced = copies or (0, None, 0)
    shadows = Shadows(calls, 0.0 if cost_usd is None and not unpriced else cost_usd)
    return _Found(
        counts,
        {bool(row[0]): row[1:] for row in whole},
        {int(row[0]): row[1:] for row in steps},
        shadows,
    )


def _share(counts: _Counts, name: str) -> float | None:
    return getattr(counts, name) / counts.calls if counts.calls else None


def _percentiles(found: _Found, points: int, column: int) -> Percentiles:
    nothing = (None, None)
    p50, p95, p99 = found.whole.get(True, nothing)[column] or (None, None, None)
    _, previous_p95, _ = found.whole.get(False, nothing)[column] or (None, None, None)
    return Percentiles(
        p50, p95, p99, previous_p95, [found.steps.get(number, nothing)[column] for number in range(points)]
    )
