"""What each deployment did lately: requests, errors, latencies, tokens, cost.

Shadows are among its requests, since it worked on them; cached answers are not, since it did not.

Refuses to know which deployments there are: one that had no call has no numbers. Invariant: a call counts
for the deployment that answered it, or was the last to fail it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pilothouse.analytics.cover import MINUTE_MS, SHORTEST_ROLLED_MS
from pilothouse.analytics.tallies import MOST_EXACT, NOBODY, Asked, Quantiles, tallies
from pilothouse.store.dialects.reader import Readable

__all__ = ["DeploymentNumbers", "deployment_numbers"]

COUNTERS = (
    "calls", "server_errors", "provider_errors", "client_errors", "input_tokens", "output_tokens", "cost_usd",
    "unpriced",
)  # fmt: skip
TIMES = ("first_token", "latency", "token_time", "queue", "logprob_mean")


@dataclass(frozen=True, slots=True)
class DeploymentNumbers:
    """One deployment over a window."""

    deployment: str
    requests: int = 0
    errors: int = 0
    error_rate: float | None = None
    first_token_p95_ms: float | None = None
    latency_p95_ms: float | None = None
    output_tokens_per_second: float = 0.0
    cost_usd: float | None = None
    """`None` when no price was known."""
    unpriced_calls: int = 0
    requests_per_second: float = 0.0
    availability: float | None = None
    """Share of the calls that could be answered that were."""
    token_time_p95_ms: float | None = None
    """Per output token of streams."""
    queue_p95_ms: float | None = None
    confidence_mean: float | None = None
    """Mean log-probability of the tokens, where recorded."""


def deployment_numbers(record: Readable, *, now_ms: int, window_s: int = 900) -> dict[str, DeploymentNumbers]:
    """Returns the numbers of the `window_s` seconds up to `now_ms`, by deployment id."""
    start_ms = now_ms - window_s * 1000
    asked = Asked(start_ms, now_ms, window_s * 1000, by="deployment", scope="upstream")
    with tallies(record) as tallied:
        rows, _ = tallied.sums(asked, COUNTERS)
        calls = sum(int(row["calls"] or 0) for row in rows.values())
        if window_s * 1000 >= SHORTEST_ROLLED_MS and calls > MOST_EXACT:
            start_ms -= start_ms % MINUTE_MS  # no need to read a part of a minute
            asked = replace(asked, start_ms=start_ms, step_ms=now_ms - start_ms)
        times, _ = tallied.quantiles(asked, TIMES, (0.95,), calls=calls)
    return {name: _numbers(name, row, times, window_s) for (name, _), row in rows.items() if name != NOBODY}


def _numbers(
    name: str,
    row: Mapping[str, float | None],
    times: Mapping[tuple[str, str, int], Quantiles],
    window_s: int,
) -> DeploymentNumbers:
    counts = {counter: int(row[counter] or 0) for counter in COUNTERS}
    errors = counts["server_errors"] + counts["provider_errors"]
    could = counts["calls"] - counts["client_errors"]
    found = {time: times.get((time, name, 0)) for time in TIMES}
    p95 = {time: one.values[0] if one else None for time, one in found.items()}
    confidence = found["logprob_mean"]
    return DeploymentNumbers(
        deployment=name,
        requests=counts["calls"],
        errors=errors,
        error_rate=errors / counts["calls"],
        first_token_p95_ms=p95["first_token"],
        latency_p95_ms=p95["latency"],
        output_tokens_per_second=counts["output_tokens"] / window_s,
        cost_usd=row["cost_usd"],
        unpriced_calls=counts["unpriced"],
        requests_per_second=counts["calls"] / window_s,
        availability=1 - errors / could if could else None,
        token_time_p95_ms=p95["token_time"],
        queue_p95_ms=p95["queue"],
        confidence_mean=confidence.mean if confidence else None,
    )
