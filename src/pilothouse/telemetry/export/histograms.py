"""The conventions' five histograms of generative AI, added up call by call: one book for all who show them.

As a client we count what we asked of an upstream (each try), as a server what was asked of us. Names and
bucket bounds are those of https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/.

Refuses to know formats and the wire. Invariant: the number of series is bounded, whatever names there are:
beyond the bound, values are counted under `other`.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.contracts.events import Attempt, RequestCompleted
from pilothouse.telemetry.prometheus import Exemplar, Family, Histogram

__all__ = ["FIRST_TOKEN", "INSTRUMENTS", "OTHER", "TOKEN_TIME", "Book", "Instrument", "Place", "Series"]

OTHER = "other"
MS_IN_S = 1000.0
NS_IN_S = 1e9
LOWEST_ERROR = 400

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(float(4**power) for power in range(14))
FIRST_TOKEN = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
TOKEN_TIME = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)


class Place(NamedTuple):
    """What a value is told apart by: the conventions' attributes, `None` where one does not apply."""

    operation: str
    provider: str
    model: str
    model_answered: str | None = None
    token_type: str | None = None
    error_type: str | None = None


LABELS = Place(
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "gen_ai_response_model",
    "gen_ai_token_type",
    "error_type",
)
"""The label of each, as Prometheus spells it."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One histogram of the conventions."""

    name: str
    """Without the conventions' first word."""
    unit: str
    bounds: tuple[float, ...]
    family: Family
    """How Prometheus knows it."""


CLIENT_DURATION = Instrument(
    "client.operation.duration",
    "s",
    SECONDS,
    Family("gen_ai_client_operation_duration_seconds", "histogram", "Tries at upstreams, each.", ()),
)
CLIENT_TOKENS = Instrument(
    "client.token.usage",
    "{token}",
    TOKENS,
    Family("gen_ai_client_token_usage", "histogram", "Tokens of a call, as the upstream counted.", ()),
)
SERVER_DURATION = Instrument(
    "server.request.duration",
    "s",
    SECONDS,
    Family("gen_ai_server_request_duration_seconds", "histogram", "Calls, from accepted to answered.", ()),
)
SERVER_FIRST_TOKEN = Instrument(
    "server.time_to_first_token",
    "s",
    FIRST_TOKEN,
    Family("gen_ai_server_time_to_first_token_seconds", "histogram", "Of calls answered whole.", ()),
)
SERVER_TOKEN_TIME = Instrument(
    "server.time_per_output_token",
    "s",
    TOKEN_TIME,
    Family(
        "gen_ai_server_time_per_output_token_seconds", "histogram", "After the first, of whole streams.", ()
    ),
)
INSTRUMENTS = (CLIENT_DURATION, CLIENT_TOKENS, SERVER_DURATION, SERVER_FIRST_TOKEN, SERVER_TOKEN_TIME)


@dataclass(slots=True)
class Series:
    """One histogram's values at one place."""

    counts: list[int]
    total: float = 0.0
    count: int = 0
    lasts: list[tuple[float, float, str] | None] = field(default_factory=list)
    """The last value in each bucket that belongs to a trace, with its time and the trace."""

    @classmethod
    def empty(cls, bounds: tuple[float, ...]) -> "Series":
        """Returns a series without values."""
        buckets = len(bounds) + 1
        return cls([0] * buckets, lasts=[None] * buckets)

    def add(self, bounds: tuple[float, ...], value: float, trace_id: str | None, at_s: float) -> None:
        """Counts a value."""
        bucket = bisect_left(bounds, value)
        self.counts[bucket] += 1
        self.total += value
        self.count += 1
        if trace_id is not None:
            self.lasts[bucket] = (value, at_s, trace_id)

    def shown(self, bounds: tuple[float, ...], labels: dict[str, str]) -> Histogram:
        """Returns it as it is now, for Prometheus."""
        exemplars = [None if last is None else Exemplar(*last) for last in self.lasts]
        return Histogram(bounds, list(self.counts), self.total, labels, exemplars)


class Book:
    """All series. Not for several threads: its owner holds a lock."""

    def __init__(self, most_series: int = 500) -> None:
        self._most = most_series
        self._series: dict[str, dict[Place, Series]] = {one.name: {} for one in INSTRUMENTS}
        self._plain: dict[tuple[str | None, ...], dict[str, Series]] = {}

    def add(self, call: RequestCompleted) -> None:
        """Counts a call; a copy of one (a shadow) only as the client that we were."""
        if _is_plain(call):
            self._add_plain(call)
        else:
            self._add_any(call)

    def _add_plain(self, call: RequestCompleted) -> None:
        """Counts a call as nearly all are: it finds all of its series at once."""
        (attempt,) = call.attempts
        at = (call.operation, call.provider, call.model, call.model_answered, attempt.provider)
        found = self._plain.get(at)
        if found is None:
            found = {}
            if len(self._plain) < self._most:
                self._plain[at] = found
        trace_id, at_s = call.trace_id, call.at_ns / NS_IN_S
        for name, value in _values(call, attempt):
            series = found.get(name)
            if series is None:
                series = found[name] = self._find(*_place_of(name, call, attempt))
            series.add(BOUNDS[name], value, trace_id, at_s)

    def _add_any(self, call: RequestCompleted) -> None:
        for attempt in call.attempts:
            self._add(CLIENT_DURATION, _tried(call, attempt), attempt.duration_ms / MS_IN_S, call)
        if call.cache is None and call.provider is not None:
            self._tokens(call)
        if call.shadow_of is not None:
            return
        place = _served(call)
        self._add(SERVER_DURATION, place, call.duration_ms / MS_IN_S, call)
        if call.cache is not None or place.error_type is not None:
            return
        if call.first_token_ms is not None:
            self._add(SERVER_FIRST_TOKEN, place, call.first_token_ms / MS_IN_S, call)
        if (each_ms := _token_time_ms(call)) is not None:
            self._add(SERVER_TOKEN_TIME, place, each_ms / MS_IN_S, call)

    @property
    def size(self) -> int:
        """How many series there are."""
        return sum(len(series) for series in self._series.values())

    def families(self) -> list[Family]:
        """Returns the histograms for Prometheus."""
        return [
            Family(
                one.family.name,
                "histogram",
                one.family.help,
                [found.shown(one.bounds, _labels(place)) for place, found in self._series[one.name].items()],
            )
            for one in INSTRUMENTS
        ]

    def series(self, instrument: Instrument) -> Iterable[tuple[Place, Series]]:
        """Returns an instrument's series by place."""
        return self._series[instrument.name].items()

    def _tokens(self, call: RequestCompleted) -> None:
        place = _client(call)
        if call.input_tokens is not None:
            self._add(CLIENT_TOKENS, place._replace(token_type="input"), float(call.input_tokens), call)  # noqa: S106 - no password
        if call.output_tokens is not None:
            self._add(CLIENT_TOKENS, place._replace(token_type="output"), float(call.output_tokens), call)  # noqa: S106 - no password

    def _add(self, instrument: Instrument, place: Place, value: float, call: RequestCompleted) -> None:
        found = self._find(instrument, place)
        found.add(instrument.bounds, value, call.trace_id, call.at_ns / NS_IN_S)

    def _find(self, instrument: Instrument, place: Place) -> Series:
        known = self._series[instrument.name]
        found = known.get(place)
        if found is None:
            if len(known) >= self._most:
                place = Place(place.operation, OTHER, OTHER, OTHER, place.token_type)
            found = known.setdefault(place, Series.empty(instrument.bounds))
        return found


INPUT, OUTPUT = "input", "output"
BOUNDS = {**{one.name: one.bounds for one in INSTRUMENTS}, INPUT: TOKENS, OUTPUT: TOKENS}
"""The bounds of each value of a plain call; tokens are two values of one instrument."""
BY_NAME = {**{one.name: one for one in INSTRUMENTS}, INPUT: CLIENT_TOKENS, OUTPUT: CLIENT_TOKENS}


def _is_plain(call: RequestCompleted) -> bool:
    """Says whether a call was answered at the first try, and is nobody's copy."""
    return (
        len(call.attempts) == 1
        and call.status < LOWEST_ERROR
        and call.error_type is None
        and call.error_code is None
        and call.cache is None
        and call.shadow_of is None
        and call.deployment is not None
        and call.provider is not None
        and call.attempts[0].error_code is None
    )


def _values(call: RequestCompleted, attempt: Attempt) -> Iterator[tuple[str, float]]:
    """Yields the values of a plain call."""
    yield CLIENT_DURATION.name, attempt.duration_ms / MS_IN_S
    yield SERVER_DURATION.name, call.duration_ms / MS_IN_S
    if call.input_tokens is not None:
        yield INPUT, call.input_tokens
    if call.output_tokens is not None:
        yield OUTPUT, call.output_tokens
    if call.first_token_ms is not None:
        yield SERVER_FIRST_TOKEN.name, call.first_token_ms / MS_IN_S
        if (each_ms := _token_time_ms(call)) is not None:
            yield SERVER_TOKEN_TIME.name, each_ms / MS_IN_S


def _place_of(name: str, call: RequestCompleted, attempt: Attempt) -> tuple[Instrument, Place]:
    """Returns where a value of a plain call counts."""
    if name == CLIENT_DURATION.name:
        return CLIENT_DURATION, _tried(call, attempt)
    token_type = name if name in {INPUT, OUTPUT} else None
    return BY_NAME[name], _client(call)._replace(token_type=token_type)


def _client(call: RequestCompleted) -> Place:
    return Place(call.operation, call.provider or "", call.model or "", call.model_answered)


def _tried(call: RequestCompleted, attempt: Attempt) -> Place:
    error = attempt.error_code
    if error is None and attempt.status is not None and attempt.status >= LOWEST_ERROR:
        error = str(attempt.status)
    answered = call.model_answered if error is None else None
    return Place(call.operation, attempt.provider, call.model or "", answered, error_type=error)


def _served(call: RequestCompleted) -> Place:
    """Returns where a call counts; a name that was never routed is whatever a client typed, so no label."""
    error = call.error_code or call.error_type
    if error is None and call.status >= LOWEST_ERROR:
        error = str(call.status)
    if call.deployment is None and call.cache is None:
        return Place(call.operation, "", "", error_type=error)
    return Place(call.operation, call.provider or "", call.model or "", call.model_answered, error_type=error)


def _token_time_ms(call: RequestCompleted) -> float | None:
    first, last, tokens = call.first_token_ms, call.last_token_ms, call.output_tokens
    if not call.is_stream or first is None or last is None or tokens is None or tokens <= 1 or last < first:
        return None
    return (last - first) / (tokens - 1)


def _labels(place: Place) -> dict[str, str]:
    return {name: value for name, value in zip(LABELS, place, strict=True) if name and value is not None}
