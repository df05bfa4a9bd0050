"""The names of all questions to the record, in one list, so that one test asks each of every dialect.

Refuses to know their texts: each stands beside the function that asks it. Invariant: a question that is asked
and not named here fails that test, as one that is named and not asked.
"""

from pilothouse.analytics import (
    below,
    calls,
    confidence,
    conversations,
    cost,
    experiments,
    feedback,
    known_values,
    record_contents,
    scores_asked,
    tallies,
    trace_detail,
    trace_matches,
    trace_rows,
    trace_times,
)
from pilothouse.store import search_index

__all__ = ["EMBEDDED_ONLY", "QUESTIONS"]

EMBEDDED_ONLY: tuple[str, ...] = search_index.QUESTIONS
"""Questions about what only the embedded files have: the blind index of words."""
QUESTIONS: tuple[str, ...] = (
    *below.QUESTIONS,
    *calls.QUESTIONS,
    *confidence.QUESTIONS,
    *conversations.QUESTIONS,
    *cost.QUESTIONS,
    *experiments.QUESTIONS,
    *feedback.QUESTIONS,
    *known_values.QUESTIONS,
    *record_contents.QUESTIONS,
    *scores_asked.QUESTIONS,
    *tallies.QUESTIONS,
    *trace_detail.QUESTIONS,
    *trace_matches.QUESTIONS,
    *trace_rows.QUESTIONS,
    *trace_times.QUESTIONS,
)
