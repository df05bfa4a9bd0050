"""What each arm of each experiment did, side by side.

Refuses to know which arm is better: that takes a test, and more than these numbers. Invariant: cached answers
and shadows are not among an arm's calls.
"""

from dataclasses import dataclass

from pilothouse.analytics.classes import MEASURED, SERVED, SERVER_ERROR, UNPRICED, UPSTREAM
from pilothouse.store.analytics import Analytics

__all__ = ["ArmNumbers", "ExperimentNumbers", "experiments"]

QUESTION = f"""
    SELECT model, experiment, arm, count(*), count(DISTINCT conversation_id),
        count(*) FILTER ({SERVER_ERROR}),
        quantile_cont(first_token_ms, 0.95) FILTER ({MEASURED} AND is_stream),
        quantile_cont(duration_ms, 0.95) FILTER ({MEASURED}), avg(output_tokens) FILTER ({MEASURED}),
        sum(cost_usd), count(*) FILTER ({UNPRICED})
    FROM calls
    WHERE at_ns >= ? AND at_ns < ? AND experiment IS NOT NULL AND {SERVED} AND {UPSTREAM}
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class ArmNumbers:
    """One arm over a window."""

    arm: str
    calls: int
    conversations: int
    errors: int
    error_rate: float
    first_token_p95_ms: float | None
    latency_p95_ms: float | None
    output_tokens_mean: float | None
    cost_usd: float | None
    """`None` when no price was known."""
    unpriced_calls: int


@dataclass(frozen=True, slots=True)
class ExperimentNumbers:
    """One experiment of one model."""

    model: str
    experiment: str
    arms: list[ArmNumbers]


def experiments(analytics: Analytics, *, now_ms: int, window_s: int) -> list[ExperimentNumbers]:
    """Returns the experiments that had calls in the `window_s` seconds up to `now_ms`."""
    with analytics.reader() as reader:
        rows = reader.execute(
            QUESTION, [(now_ms - window_s * 1000) * 1_000_000, now_ms * 1_000_000]
        ).fetchall()
    found: dict[tuple[str, str], ExperimentNumbers] = {}
    for model, name, arm, calls, conversations, errors, *rest in rows:
        place = (str(model), str(name))
        experiment = found.setdefault(place, ExperimentNumbers(*place, []))
        experiment.arms.append(ArmNumbers(str(arm), calls, conversations, errors, errors / calls, *rest))
    return list(found.values())
