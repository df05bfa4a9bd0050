"""What each arm of each experiment did, side by side.

Refuses to know which arm is better: that takes a test, and more than these numbers. Invariant: cached answers
and shadows are not among an arm's calls.
"""

from dataclasses import dataclass

from pilothouse.analytics.classes import MEASURED, SERVED, SERVER_ERROR, UNPRICED, UPSTREAM
from pilothouse.store.dialects.dialect import Dialect
from pilothouse.store.dialects.reader import Question, Readable

__all__ = ["QUESTIONS", "ArmNumbers", "ExperimentNumbers", "experiments"]

NAME = "experiments.arms"
QUESTIONS = (NAME,)


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


def experiments(record: Readable, *, now_ms: int, window_s: int) -> list[ExperimentNumbers]:
    """Returns the experiments that had calls in the `window_s` seconds up to `now_ms`."""
    bounds = {"start": (now_ms - window_s * 1000) * 1_000_000, "end": now_ms * 1_000_000}
    with record.reader() as reader:
        rows = reader.rows(Question(NAME, _text(reader.dialect), bounds))
    found: dict[tuple[str, str], ExperimentNumbers] = {}
    for model, name, arm, calls, conversations, errors, *rest in rows:
        place = (str(model), str(name))
        experiment = found.setdefault(place, ExperimentNumbers(*place, []))
        experiment.arms.append(ArmNumbers(str(arm), calls, conversations, errors, errors / calls, *rest))
    return list(found.values())


def _text(dialect: Dialect) -> str:
    first_token = dialect.quantile("first_token_ms", 0.95, where=f"{MEASURED} AND is_stream")
    return f"""
        SELECT model, experiment, arm, count(*), count(DISTINCT conversation_id),
            {dialect.count_if(SERVER_ERROR)}, {first_token},
            {dialect.quantile("duration_ms", 0.95, where=MEASURED)},
            avg(output_tokens) FILTER (WHERE {MEASURED}), sum(cost_usd), {dialect.count_if(UNPRICED)}
        FROM calls
        WHERE at_ns >= $start AND at_ns < $end AND experiment IS NOT NULL AND {SERVED} AND {UPSTREAM}
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""  # noqa: S608 - our own words
