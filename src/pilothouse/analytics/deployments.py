"""What each deployment did lately: requests, errors, latencies, tokens, cost.

Shadows are among its requests, since it worked on them; cached answers are not, since it did not.

Refuses to know which deployments there are: one that had no call has no numbers. Invariant: a call counts
for the deployment that answered it, or was the last to fail it.
"""

from dataclasses import dataclass

from pilothouse.analytics.classes import MEASURED, SERVER_ERROR, UNPRICED, UPSTREAM
from pilothouse.store.analytics import Analytics

__all__ = ["DeploymentNumbers", "deployment_numbers"]

QUESTION = f"""
    SELECT deployment, count(*), count(*) FILTER ({SERVER_ERROR}),
        quantile_cont(first_token_ms, 0.95) FILTER ({MEASURED} AND is_stream),
        quantile_cont(duration_ms, 0.95) FILTER ({MEASURED}),
        coalesce(sum(output_tokens), 0), sum(cost_usd), count(*) FILTER ({UNPRICED})
    FROM calls WHERE at_ns >= ? AND at_ns < ? AND deployment IS NOT NULL AND {UPSTREAM} GROUP BY 1"""  # noqa: S608 - our own words


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


def deployment_numbers(
    analytics: Analytics, *, now_ms: int, window_s: int = 900
) -> dict[str, DeploymentNumbers]:
    """Returns the numbers of the `window_s` seconds up to `now_ms`, by deployment id."""
    with analytics.reader() as reader:
        rows = reader.execute(
            QUESTION, [(now_ms - window_s * 1000) * 1_000_000, now_ms * 1_000_000]
        ).fetchall()
    return {
        str(name): DeploymentNumbers(
            deployment=str(name),
            requests=requests,
            errors=errors,
            error_rate=errors / requests,
            first_token_p95_ms=first_token_ms,
            latency_p95_ms=latency_ms,
            output_tokens_per_second=tokens / window_s,
            cost_usd=cost_usd,
            unpriced_calls=unpriced,
        )
        for name, requests, errors, first_token_ms, latency_ms, tokens, cost_usd, unpriced in rows
    }
