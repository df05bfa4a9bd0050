"""What each deployment did lately: requests, errors, latencies, tokens, cost.

Shadows are among its requests, since it worked on them; cached answers are not, since it did not.

Refuses to know which deployments there are: one that had no call has no numbers. Invariant: a call counts
for the deployment that answered it, or was the last to fail it.
"""

from dataclasses import dataclass

from pilothouse.analytics.classes import MEASURED, SERVER_ERROR, UNPRICED, UPSTREAM
from pilothouse.store.dialects.dialect import Dialect
from pilothouse.store.dialects.reader import Question, Readable

__all__ = ["QUESTIONS", "DeploymentNumbers", "deployment_numbers"]

NAME = "deployments.numbers"
QUESTIONS = (NAME,)


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


def deployment_numbers(record: Readable, *, now_ms: int, window_s: int = 900) -> dict[str, DeploymentNumbers]:
    """Returns the numbers of the `window_s` seconds up to `now_ms`, by deployment id."""
    bounds = {"start": (now_ms - window_s * 1000) * 1_000_000, "end": now_ms * 1_000_000}
    with record.reader() as reader:
        rows = reader.rows(Question(NAME, _text(reader.dialect), bounds))
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


def _text(dialect: Dialect) -> str:
    first_token = dialect.quantile("first_token_ms", 0.95, where=f"{MEASURED} AND is_stream")
    return f"""
        SELECT deployment, count(*), {dialect.count_if(SERVER_ERROR)}, {first_token},
            {dialect.quantile("duration_ms", 0.95, where=MEASURED)},
            coalesce(sum(output_tokens), 0), sum(cost_usd), {dialect.count_if(UNPRICED)}
        FROM calls WHERE at_ns >= $start AND at_ns < $end AND deployment IS NOT NULL AND {UPSTREAM}
        GROUP BY 1"""  # noqa: S608 - our own words
