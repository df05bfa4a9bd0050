"""The catalogue of numbers that can be charted, alerted on, aimed at and exported: name, unit, meaning.

Refuses to know how a number is asked of the record. Invariant: a name stays what it is, since alerts,
objectives and saved charts hold it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pilothouse.contracts.errors import InvalidRequestError

__all__ = ["BY", "MEASURES", "METRIC_PREFIX", "By", "Goal", "Measure", "measure_of"]

By = Literal["model", "provider", "deployment", "key", "team", "operation"]
BY: Mapping[str, str] = MappingProxyType(
    {
        "model": "model",
        "provider": "provider",
        "deployment": "deployment",
        "key": "key_id",
        "team": "team",
        "operation": "operation",
    }
)
"""What a number can be told apart by, and narrowed to: the word, and the column that holds it."""
METRIC_PREFIX = "metric."
"""Begins the name of a custom metric."""

Goal = Literal["up", "down", "none"]
Kind = Literal["per_second", "per_hour", "sum", "share", "money", "quantile", "mean", "score", "live"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number and what it is made of."""

    name: str
    unit: str
    """`1/s`, `1`, `ms`, `USD`, `USD/h`, `nat`, or `calls`."""
    title: str
    description: str
    goal: Goal
    """Which way is better."""
    kind: Kind
    top: tuple[str, ...] = ()
    """Names of `store.rollups.COUNTERS` that are added up; or the histogram, or the score's source."""
    less: tuple[str, ...] = ()
    """Counters taken off `top`."""
    bottom: tuple[str, ...] = ()
    """Of a share: what it is a share of; of money: what makes it unknown …"""
    bottom_less: tuple[str, ...] = ()
    """… and what is taken off that."""
    is_rest: bool = False
    """Whether it is 1 less the share."""
    quantile: float = 0.0

    @property
    def counters(self) -> tuple[str, ...]:
        """The sums that it is made of."""
        return tuple(dict.fromkeys((*self.top, *self.less, *self.bottom, *self.bottom_less)))


ERRORS = ("server_errors", "provider_errors")


def _percentile(name: str, histogram: str, quantile: float, what: str, unit: str = "ms") -> Measure:
    percent = round(quantile * 100)
    return Measure(
        name,
        unit,
        f"{what}, {percent}th percentile" if percent != 50 else f"{what}, median",  # noqa: PLR2004 - the middle
        f"{what} that {percent} of 100 calls stay under; of completed calls that went to a deployment.",
        "down",
        "quantile",
        top=(histogram,),
        quantile=quantile,
    )


def _share(
    name: str,
    title: str,
    description: str,
    top: tuple[str, ...],
    goal: Goal = "down",
    *,
    less: tuple[str, ...] = (),
    bottom_less: tuple[str, ...] = (),
    is_rest: bool = False,
) -> Measure:
    return Measure(
        name,
        "1",
        title,
        description,
        goal,
        "share",
        top=top,
        less=less,
        bottom=("calls",),
        bottom_less=bottom_less,
        is_rest=is_rest,
    )


_ALL: tuple[Measure, ...] = (
    Measure(
        "requests_per_second", "1/s", "Requests", "Calls a second.", "none", "per_second", top=("calls",)
    ),
    Measure(
        "calls",
        "calls",
        "Calls",
        "Calls that somebody made: shadows are left out.",
        "none",
        "sum",
        top=("calls",),
    ),
    _share("error_rate", "Errors", "Share of calls that a provider or we failed.", ERRORS),
    _share(
        "availability",
        "Availability",
        "Share of the calls that could be answered that neither a provider nor we failed: the callers' own "
        "errors are left out.",
        ERRORS,
        "up",
        bottom_less=("client_errors",),
        is_rest=True,
    ),
    _share(
        "provider_error_rate",
        "Provider errors",
        "Share of calls that a provider failed.",
        ("provider_errors",),
    ),
    _share(
        "client_error_rate",
        "Client errors",
        "Share of calls that were wrong, not allowed, or given up by their caller; guardrails apart.",
        ("client_errors",),
        "none",
        less=("guardrail_blocks",),
    ),
    _share(
        "guardrail_rate",
        "Blocked by guardrails",
        "Share of calls that a guardrail stopped.",
        ("guardrail_blocks",),
        "none",
    ),
    _percentile("latency_p50_ms", "latency", 0.5, "Latency"),
    _percentile("latency_p95_ms", "latency", 0.95, "Latency"),
    _percentile("latency_p99_ms", "latency", 0.99, "Latency"),
    _percentile("first_token_p50_ms", "first_token", 0.5, "Time to first token"),
    _percentile("first_token_p95_ms", "first_token", 0.95, "Time to first token"),
    _percentile("first_token_p99_ms", "first_token", 0.99, "Time to first token"),
    _percentile("token_time_p50_ms", "token_time", 0.5, "Time per output token"),
    _percentile("token_time_p95_ms", "token_time", 0.95, "Time per output token"),
    _percentile("queue_p95_ms", "queue", 0.95, "Time before the upstream call"),
    Measure(
        "input_tokens_per_second",
        "1/s",
        "Input tokens",
        "Tokens read by deployments, a second.",
        "none",
        "per_second",
        top=("input_tokens",),
    ),
    Measure(
        "output_tokens_per_second",
        "1/s",
        "Output tokens",
        "Tokens written by deployments, a second.",
        "none",
        "per_second",
        top=("output_tokens",),
    ),
    Measure(
        "cost_usd",
        "USD",
        "Cost",
        "US dollars spent, where the price is known.",
        "down",
        "money",
        top=("cost_usd",),
        bottom=("unpriced",),
    ),
    Measure(
        "cost_usd_per_hour",
        "USD/h",
        "Cost an hour",
        "US dollars spent an hour, where the price is known.",
        "down",
        "per_hour",
        top=("cost_usd",),
        bottom=("unpriced",),
    ),
    _share("unpriced_share", "Unpriced", "Share of calls whose price is not known.", ("unpriced",)),
    _share("cache_share", "From the cache", "Share of calls answered from the cache.", ("cached",), "up"),
    Measure(
        "saved_usd",
        "USD",
        "Saved by the cache",
        "US dollars that cached answers would have cost, where the price is known.",
        "up",
        "money",
        top=("saved_usd",),
    ),
    Measure(
        "confidence_mean",
        "nat",
        "Confidence",
        "Mean log-probability of the answers' tokens, where recorded; 0 is certain.",
        "up",
        "mean",
        top=("logprob_mean",),
    ),
    Measure(
        "confidence_min",
        "nat",
        "Least confidence",
        "Log-probability of each answer's least likely token, on average, where recorded.",
        "up",
        "mean",
        top=("logprob_min",),
    ),
    Measure(
        "confidence_entropy",
        "nat",
        "Uncertainty",
        "Mean entropy of the likeliest next tokens, where the upstream gives them.",
        "down",
        "mean",
        top=("logprob_entropy",),
    ),
    Measure(
        "feedback_up_share",
        "1",
        "Thumbs up",
        "Share of thumbs that point up.",
        "up",
        "score",
        top=("feedback",),
    ),
    Measure("feedback_count", "1", "Feedback", "Items of feedback.", "none", "score", top=("feedback",)),
    Measure(
        "ingest_lag_ms",
        "ms",
        "Ingest lag",
        "How far the record is behind the gateway, now.",
        "down",
        "live",
    ),
)

MEASURES: Mapping[str, Measure] = MappingProxyType({measure.name: measure for measure in _ALL})
"""The built-in ones, by name."""


def measure_of(name: str) -> Measure:
    """Returns the measure with this name; a custom metric's is `metric.<name>`.

    Raises:
        InvalidRequestError: there is no such measure.
    """
    known = MEASURES.get(name)
    if known is not None:
        return known
    if name.startswith(METRIC_PREFIX) and len(name) > len(METRIC_PREFIX):
        own = name.removeprefix(METRIC_PREFIX)
        return Measure(
            name, "1", own, f"The custom metric {own!r}, on average.", "none", "score", top=("metric",)
        )
    raise InvalidRequestError(
        f"there is no measure {name!r}",
        hint="GET /api/v1/measures lists them; a custom metric is metric.<name>",
        code="unknown_measure",
        param="measure",
    )
