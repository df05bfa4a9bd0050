"""The job that says things of calls on record: joins feedback to its calls, evaluates custom metrics.

Refuses to know how either is done. Invariant: it works on what is committed, so doing it again changes
nothing; what it does holds up neither intake nor answers.
"""

from collections.abc import Sequence
from typing import Protocol

from pilothouse.contracts.events import RequestCompleted
from pilothouse.store.analytics import Analytics
from pilothouse.store.scores import join_feedback

__all__ = ["JUDGING_S", "Evaluator", "Folded", "Judging"]

JUDGING_S = 1.0
EAGER_TICKS = 10
"""Feedback's call is looked up so many times at once …"""
SELDOM_MS = 30_000
"""… and then each so many milliseconds, for a week."""


class Evaluator(Protocol):
    """Whoever evaluates custom metrics."""

    def give(self, calls: Sequence[RequestCompleted]) -> None:
        """Takes calls that got on record; from the projector's thread."""

    def tick(self, now_ms: int) -> bool:
        """Evaluates what was given; returns whether there is more."""


class Folded(Protocol):
    """Whoever folds feedback in."""

    @property
    def feedback_total(self) -> int:
        """Items of feedback folded in so far."""


class Judging:
    """Ticked from one thread."""

    def __init__(self, analytics: Analytics, folded: Folded, evaluator: Evaluator | None = None) -> None:
        self._analytics = analytics
        self._folded = folded
        self._evaluator = evaluator
        self._seen = -1
        self._eager = 0
        self._looked_at_ms = 0

    def give(self, calls: Sequence[RequestCompleted]) -> None:
        """Takes calls that got on record; from the projector's thread."""
        if self._evaluator is not None:
            self._evaluator.give(calls)

    def tick(self, now_ms: int) -> bool:
        """Does what is due; returns whether there is more at once."""
        self._join(now_ms)
        return self._evaluator is not None and self._evaluator.tick(now_ms)

    def _join(self, now_ms: int) -> None:
        total = self._folded.feedback_total
        if total != self._seen:
            self._seen, self._eager = total, EAGER_TICKS
        if not self._eager and now_ms - self._looked_at_ms < SELDOM_MS:
            return
        self._eager = max(0, self._eager - 1)
        self._looked_at_ms = now_ms
        cursor = self._analytics.cursor()
        try:
            join_feedback(cursor, now_ms=now_ms)
        finally:
            cursor.close()
