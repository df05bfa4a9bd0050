"""The names of all questions to the record, in one list, so that one test runs each on every dialect.

Refuses to know their texts: each stands beside the function that asks it. Invariant: a question that is asked
and not named here fails the tests.
"""

from pilothouse.analytics import calls, experiments, scores_asked, tallies

__all__ = ["QUESTIONS"]

QUESTIONS: tuple[str, ...] = (
    *calls.QUESTIONS,
    *experiments.QUESTIONS,
    *scores_asked.QUESTIONS,
    *tallies.QUESTIONS,
)
