"""Counts of what went on record since this process started, for Prometheus.

Shadows and cached answers have counters of their own, so that they flatter no rate and no latency.

Refuses to know where calls come from. Invariant: the number of series is bounded, whatever names clients
ask for: beyond the bound, calls are counted under `other`.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock

from pilothouse.contracts.events import RequestCompleted
from pilothouse.telemetry.prometheus import Family, Histogram, Sample

MOST_SERIES = 500
OTHER = "other"

LATENCY_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

Place = tuple[str, str]
"""Model and provider."""


@dataclass(slots=True)
class _Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_S) + 1))
    total_s: float = 0.0

    def add(self, milliseconds: float) -> None:
        seconds = milliseconds / 1000
        self.counts[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self.total_s += seconds

    def sample(self, labels: dict[str, str]) -> Histogram:
        return Histogram(LATENCY_BOUNDS_S, list(self.counts), self.total_s, labels)


@dataclass(slots=True)
class _Series:
    by_outcome: dict[tuple[str, str], int] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    duration: _Histogram = field(default_factory=_Histogram)
    first_token: _Histogram = field(default_factory=_Histogram)
    by_cache: dict[str, int] = field(default_factory=dict)
    saved_usd: float = 0.0
    shadows: int = 0
    shadow_cost_usd: float = 0.0
    attempts: dict[str, int] = field(default_factory=dict)

    def add(self, call: RequestCompleted) -> None:
        if call.shadow_of is not None:
            self.shadows += 1
            self.shadow_cost_usd += call.cost_usd or 0.0
            return
        outcome = (str(call.status), call.outcome)
        self.by_outcome[outcome] = self.by_outcome.get(outcome, 0) + 1
        if call.cache is not None:
            self.by_cache[call.cache] = self.by_cache.get(call.cache, 0) + 1
            self.saved_usd += call.saved_usd or 0.0
            return
        self.input_tokens += call.input_tokens or 0
        self.output_tokens += call.output_tokens or 0
        self.cached_tokens += call.cached_tokens or 0
        if call.cost_usd is not None:
            self.cost_usd += call.cost_usd
        elif call.outcome in {"completed", "cut"}:
            self.unpriced += 1
        self.duration.add(call.duration_ms)
        if call.first_token_ms is not None:
            self.first_token.add(call.first_token_ms)


class Counters:
    """Counts calls by model and provider. Written by the projector's thread, read by any."""

    def __init__(self) -> None:
        self._series: dict[Place, _Series] = {}
        self._lock = Lock()

    def add(self, calls: Iterable[RequestCompleted]) -> None:
        """Counts calls."""
        with self._lock:
            for call in calls:
                self._at(call).add(call)
                for attempt in call.attempts:
                    tried = self._series_of((call.model or "", attempt.provider)).attempts
                    tried[attempt.reason] = tried.get(attempt.reason, 0) + 1

    def families(self) -> list[Family]:
        """Returns the counts as metrics."""
        with self._lock:
            series = [
                ({"model": model, "provider": provider}, one)
                for (model, provider), one in self._series.items()
            ]
            requests = [
                Sample(count, {**labels, "status": status, "outcome": outcome})
                for labels, one in series
                for (status, outcome), count in one.by_outcome.items()
            ]
            durations = [one.duration.sample(labels) for labels, one in series]
            first_tokens = [one.first_token.sample(labels) for labels, one in series]
            amounts = [
                (labels, one.input_tokens, one.output_tokens, one.cached_tokens) for labels, one in series
            ]
            costs = [(labels, one.cost_usd, one.unpriced) for labels, one in series]
            special = _special(series)
        return [
            Family("pilothouse_requests_total", "counter", "Calls that have ended.", requests),
            _counter("pilothouse_input_tokens_total", "Tokens read.", [(a[0], a[1]) for a in amounts]),
            _counter("pilothouse_output_tokens_total", "Tokens made.", [(a[0], a[2]) for a in amounts]),
            _counter(
                "pilothouse_cached_tokens_total", "Tokens read from caches.", [(a[0], a[3]) for a in amounts]
            ),
            _counter("pilothouse_cost_usd_total", "Known cost in US dollars.", [(c[0], c[1]) for c in costs]),
            _counter(
                "pilothouse_unpriced_calls_total", "Calls of unknown cost.", [(c[0], c[2]) for c in costs]
            ),
            *special,
            Family(
                "pilothouse_request_duration_seconds", "histogram", "From accepted to answered.", durations
            ),
            Family(
                "pilothouse_first_token_seconds", "histogram", "From accepted to first token.", first_tokens
            ),
        ]

    def _at(self, call: RequestCompleted) -> _Series:
        # A name that was never routed is whatever a client typed, so it is no label.
        was_routed = call.deployment is not None or call.cache is not None
        place = (call.model or "", call.provider or "") if was_routed else ("", "")
        return self._series_of(place)

    def _series_of(self, place: Place) -> _Series:
        found = self._series.get(place)
        if found is None:
            if len(self._series) >= MOST_SERIES:
                place = (OTHER, OTHER)
            found = self._series.setdefault(place, _Series())
        return found


def _special(series: list[tuple[dict[str, str], _Series]]) -> list[Family]:
    """Returns what is counted apart: attempts, cached answers, shadows."""
    tries = [
        Sample(count, {**labels, "reason": reason})
        for labels, one in series
        for reason, count in one.attempts.items()
    ]
    hits = [
        Sample(count, {**labels, "kind": kind})
        for labels, one in series
        for kind, count in one.by_cache.items()
    ]
    saved = [(labels, one.saved_usd) for labels, one in series if one.by_cache]
    shadows = [(labels, one.shadows, one.shadow_cost_usd) for labels, one in series if one.shadows]
    return [
        Family("pilothouse_attempts_total", "counter", "Tries at deployments, by why they were made.", tries),
        Family(
            "pilothouse_cache_hits_total", "counter", "Calls answered from what was answered before.", hits
        ),
        _counter("pilothouse_saved_usd_total", "What cached answers would have cost.", saved),
        _counter(
            "pilothouse_shadow_requests_total",
            "Copies of calls whose answers nobody saw; in no other counter but attempts.",
            [(labels, count) for labels, count, _ in shadows],
        ),
        _counter(
            "pilothouse_shadow_cost_usd_total",
            "Known cost of such copies in US dollars.",
            [(labels, cost_usd) for labels, _, cost_usd in shadows],
        ),
    ]


def _counter(name: str, text: str, values: Iterable[tuple[dict[str, str], float]]) -> Family:
    return Family(name, "counter", text, [Sample(value, labels) for labels, value in values])
