"""Counts of what went on record since this process started, for Prometheus.

Shadows and cached answers have counters of their own, so that they flatter no rate and no latency.

Refuses to know where calls come from. Invariant: the number of series is bounded, whatever names clients
ask for: beyond the bound, calls are counted under `other`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal, NamedTuple

from pilothouse.api.engine_metrics import EngineTimes
from pilothouse.contracts.events import RequestCompleted
from pilothouse.telemetry.export.histograms import OTHER, Book, Instrument, Series
from pilothouse.telemetry.prometheus import Family, Sample
from pilothouse.telemetry.settings import PrometheusSettings

LATENCY_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
OVERHEAD_BOUNDS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)
DURATION = Family("pilothouse_request_duration_seconds", "histogram", "From accepted to answered.", ())
FIRST_TOKEN = Family("pilothouse_first_token_seconds", "histogram", "From accepted to first token.", ())
OVERHEAD = Family(
    "pilothouse_overhead_seconds",
    "histogram",
    "Of calls answered whole: their time in which no upstream worked on them, queues included.",
    (),
)
LOWEST_ERROR = 400
LOWEST_SERVER_ERROR = 500

ErrorKind = Literal["provider", "server", "guardrail", "client"]


class Place(NamedTuple):
    """What counts are told apart by."""

    model: str = ""
    provider: str = ""
    deployment: str = ""
    team: str = ""
    key: str = ""


@dataclass(slots=True)
class _Counts:
    by_outcome: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_error: Counter[ErrorKind] = field(default_factory=Counter)
    by_cache: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    saved_usd: float = 0.0
    shadows: int = 0
    shadow_cost_usd: float = 0.0

    def add(self, call: RequestCompleted) -> None:
        if call.shadow_of is not None:
            self.shadows += 1
            self.shadow_cost_usd += call.cost_usd or 0.0
            return
        self.by_outcome[str(call.status), call.outcome] += 1
        if (kind := error_kind(call)) is not None:
            self.by_error[kind] += 1
        if call.cache is not None:
            self.by_cache[call.cache] += 1
            self.saved_usd += call.saved_usd or 0.0
            return
        self.input_tokens += call.input_tokens or 0
        self.output_tokens += call.output_tokens or 0
        self.cached_tokens += call.cached_tokens or 0
        if call.cost_usd is not None:
            self.cost_usd += call.cost_usd
        elif call.outcome in {"completed", "cut"}:
            self.unpriced += 1


def error_kind(call: RequestCompleted) -> ErrorKind | None:
    """Returns whose error a call was, in the words of `store/call_classes.py`; `None` for no error."""
    if call.status >= LOWEST_SERVER_ERROR or call.outcome in {"failed", "cut"}:
        return "provider" if call.error_type == "upstream_error" else "server"
    if call.status >= LOWEST_ERROR:
        return "guardrail" if (call.error_code or "").startswith("guardrail") else "client"
    return None


def overhead_ms(call: RequestCompleted) -> float | None:
    """Returns the time of a call in which no upstream worked on it, `None` when none ever did."""
    if not call.attempts:
        return None
    if len(call.attempts) == 1:
        return max(0.0, call.duration_ms - call.attempts[0].duration_ms)
    busy, reached = 0.0, 0.0
    for start, end in sorted((one.started_ms, one.started_ms + one.duration_ms) for one in call.attempts):
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return max(0.0, call.duration_ms - busy)


class _Times:
    """One histogram of ours, by model and provider."""

    def __init__(self, family: Family, bounds: tuple[float, ...], most: int) -> None:
        self._as = Instrument(family.name, "s", bounds, family)
        self._most = most
        self._series: dict[tuple[str, str], Series] = {}

    def add(self, place: Place, milliseconds: float, call: RequestCompleted) -> None:
        at = place.model, place.provider
        if at not in self._series and len(self._series) >= self._most:
            at = OTHER, OTHER
        bounds = self._as.bounds
        found = self._series.get(at)
        if found is None:
            found = self._series[at] = Series.empty(bounds)
        found.add(bounds, milliseconds / 1000, call.trace_id, call.at_ns / 1e9)

    def family(self) -> Family:
        samples = [
            found.shown(self._as.bounds, {"model": model, "provider": provider})
            for (model, provider), found in self._series.items()
        ]
        return Family(self._as.family.name, "histogram", self._as.family.help, samples)


class Counters:
    """Counts calls. Written by the projector's thread, read by any."""

    def __init__(self, settings: PrometheusSettings | None = None) -> None:
        settings = settings or PrometheusSettings()
        self._has_keys = settings.label_keys
        self._most = most = settings.most_series
        self._counts: dict[Place, _Counts] = {}
        self._times = {
            "duration": _Times(DURATION, LATENCY_BOUNDS_S, most),
            "first_token": _Times(FIRST_TOKEN, LATENCY_BOUNDS_S, most),
            "overhead": _Times(OVERHEAD, OVERHEAD_BOUNDS_S, most),
        }
        self.book = Book(most)
        """The conventions' histograms; read it under `lock`."""
        self._engines = EngineTimes(most)
        self.lock = Lock()

    def add(self, calls: Iterable[RequestCompleted]) -> None:
        """Counts calls."""
        with self.lock:
            for call in calls:
                place = self._place(call)
                self._at(place).add(call)
                for attempt in call.attempts:
                    tried = Place(place[0], attempt.provider, attempt.deployment, place[3], place[4])
                    self._at(tried).attempts[attempt.reason] += 1
                self._time(place, call)
                self.book.add(call)
                self._engines.add(call)

    def families(self) -> list[Family]:
        """Returns the counts as metrics."""
        with self.lock:
            counts = [(self._labels(place), one) for place, one in self._counts.items()]
            return [
                *_calls(counts),
                *_amounts(counts),
                *_special(counts),
                *(times.family() for times in self._times.values()),
                *self.book.families(),
            ]

    def engine_families(self) -> list[Family]:
        """Returns the times to tokens of engines of ours, under vLLM's names."""
        with self.lock:
            return self._engines.families()

    def _time(self, place: Place, call: RequestCompleted) -> None:
        if call.shadow_of is not None or call.cache is not None:
            return
        self._times["duration"].add(place, call.duration_ms, call)
        if call.first_token_ms is not None:
            self._times["first_token"].add(place, call.first_token_ms, call)
        if call.outcome == "completed" and (ours_ms := overhead_ms(call)) is not None:
            self._times["overhead"].add(place, ours_ms, call)

    def _place(self, call: RequestCompleted) -> Place:
        team, key = call.team or "", (call.key_id or "") if self._has_keys else ""
        # A name that was never routed is whatever a client typed, so it is no label.
        if call.deployment is None and call.cache is None:
            return Place(team=team, key=key)
        return Place(call.model or "", call.provider or "", call.deployment or "", team, key)

    def _at(self, place: Place) -> _Counts:
        found = self._counts.get(place)
        if found is None:
            if len(self._counts) >= self._most:
                place = Place(OTHER, OTHER, OTHER, OTHER, OTHER if self._has_keys else "")
            found = self._counts.setdefault(place, _Counts())
        return found

    def _labels(self, place: Place) -> dict[str, str]:
        labels = place._asdict()
        if not self._has_keys:
            del labels["key"]
        return labels


Counted = list[tuple[dict[str, str], _Counts]]


def _calls(counts: Counted) -> list[Family]:
    ended = [
        Sample(count, {**labels, "status": status, "outcome": outcome})
        for labels, one in counts
        for (status, outcome), count in one.by_outcome.items()
    ]
    errors = [
        Sample(count, {**labels, "kind": kind})
        for labels, one in counts
        for kind, count in one.by_error.items()
    ]
    tries = [
        Sample(count, {**labels, "reason": reason})
        for labels, one in counts
        for reason, count in one.attempts.items()
    ]
    return [
        Family("pilothouse_requests_total", "counter", "Calls that have ended.", ended),
        Family(
            "pilothouse_errors_total",
            "counter",
            "Calls that were wrong, by whose doing: provider, server (ours), guardrail, client.",
            errors,
        ),
        Family("pilothouse_attempts_total", "counter", "Tries at deployments, by why they were made.", tries),
    ]


def _amounts(counts: Counted) -> list[Family]:
    # Where only tries were counted, nothing has ended: there is nothing to add up.
    ended = [(labels, one) for labels, one in counts if one.by_outcome]
    return [
        _counter("pilothouse_input_tokens_total", "Tokens read.", ((a, b.input_tokens) for a, b in ended)),
        _counter("pilothouse_output_tokens_total", "Tokens made.", ((a, b.output_tokens) for a, b in ended)),
        _counter(
            "pilothouse_cached_tokens_total",
            "Tokens read from caches.",
            ((a, b.cached_tokens) for a, b in ended),
        ),
        _counter(
            "pilothouse_cost_usd_total", "Known cost in US dollars.", ((a, b.cost_usd) for a, b in ended)
        ),
        _counter(
            "pilothouse_unpriced_calls_total", "Calls of unknown cost.", ((a, b.unpriced) for a, b in ended)
        ),
    ]


def _special(counts: Counted) -> list[Family]:
    """Returns what is counted apart: cached answers, shadows."""
    hits = [
        Sample(count, {**labels, "kind": kind})
        for labels, one in counts
        for kind, count in one.by_cache.items()
    ]
    shadows = [(labels, one) for labels, one in counts if one.shadows]
    return [
        Family(
            "pilothouse_cache_hits_total", "counter", "Calls answered from what was answered before.", hits
        ),
        _counter(
            "pilothouse_saved_usd_total",
            "What cached answers would have cost.",
            ((labels, one.saved_usd) for labels, one in counts if one.by_cache),
        ),
        _counter(
            "pilothouse_shadow_requests_total",
            "Copies of calls whose answers nobody saw; in no other counter but attempts.",
            ((labels, one.shadows) for labels, one in shadows),
        ),
        _counter(
            "pilothouse_shadow_cost_usd_total",
            "Known cost of such copies in US dollars.",
            ((labels, one.shadow_cost_usd) for labels, one in shadows),
        ),
    ]


def _counter(name: str, text: str, values: Iterable[tuple[dict[str, str], float]]) -> Family:
    return Family(name, "counter", text, [Sample(value, labels) for labels, value in values])
