"""A model's retry budget: a share of its calls of the last ten seconds, and a floor.

Refuses to know why something is tried again. Invariant: in any ten seconds there are at most
`floor + ratio * calls` retries, so a provider that is down gets little more than its usual load.
"""

from pilothouse.contracts.traffic import Retries
from pilothouse.gateway.routing.window import Window

SPAN_S = 10.0


class Budget:
    """How many retries, hedges and rescues a model may still make."""

    __slots__ = ("_floor", "_ratio", "_window", "denied_total", "taken_total")

    def __init__(self) -> None:
        self._window = Window(SPAN_S)
        self._ratio = 0.0
        self._floor = 0
        self.taken_total = 0
        self.denied_total = 0

    def obey(self, policy: Retries) -> None:
        """Takes what a new snapshot says."""
        self._ratio, self._floor = policy.budget_ratio, policy.budget_floor

    def called(self, now_s: float) -> None:
        """Counts a call."""
        self._window.add_good(now_s)

    def take(self, now_s: float) -> bool:
        """Takes one retry out, if there is one."""
        window = self._window
        window.look(now_s)
        if window.bad + 1 > self._floor + self._ratio * window.good:
            self.denied_total += 1
            return False
        window.add_bad(now_s)
        self.taken_total += 1
        return True
