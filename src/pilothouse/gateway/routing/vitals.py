"""What is known of one deployment while it serves: calls under way, latencies, outcomes, its breaker.

One object a deployment id and worker. It is held by the book, not by the directory, so that a new snapshot
finds what the old one knew. Refuses to know requests and answers. Invariant: `in_flight` is the number of
`begin`s that were not ended yet; `is_troubled` is true whenever `allows` could be false for another reason
than room.
"""

from typing import Protocol

from pilothouse.contracts.snapshot import Deployment
from pilothouse.contracts.status import DeploymentStatus
from pilothouse.contracts.traffic import Breaker as Policy
from pilothouse.gateway.routing.breaker import Breaker
from pilothouse.gateway.routing.latency import Latency

NO_BOUND = 1 << 30
LONGEST_HOLD_S = 60.0
"""The longest that a 429's Retry-After is obeyed, in seconds."""


class Waiter(Protocol):
    """An attempt that has not heard a byte yet."""

    @property
    def is_stream(self) -> bool:
        """Whether a stream was asked for."""

    def overdue(self, now_s: float) -> bool:
        """Begins another attempt elsewhere, where that is possible. Returns whether it did."""


class Vitals:
    """The live state of one deployment on one worker."""

    __slots__ = (
        "_limits_in_a_row",
        "breaker",
        "failed_total",
        "heard_at_s",
        "held_until_s",
        "id",
        "in_flight",
        "is_troubled",
        "is_unready",
        "limited_total",
        "most",
        "ok_total",
        "plain",
        "stream",
        "waiting",
    )

    def __init__(self, deployment: str, policy: Policy) -> None:
        self.id = deployment
        self.breaker = Breaker(policy)
        self.stream = Latency()
        self.plain = Latency()
        self.waiting: dict[Waiter, float] = {}
        """Attempts that have heard nothing yet, with the moment they began, oldest first."""
        self.in_flight = 0
        self.most = NO_BOUND
        """`max_concurrency`."""
        self.heard_at_s = 0.0
        """When the last attempt heard its first byte."""
        self.held_until_s = 0.0
        """Closed until then because it said 429."""
        self.is_unready = False
        """An engine of ours that does not answer its health check."""
        self.is_troubled = False
        self.ok_total = 0
        self.failed_total = 0
        self.limited_total = 0
        self._limits_in_a_row = 0

    def obey(self, deployment: Deployment, policy: Policy) -> None:
        """Takes what a new snapshot says."""
        self.most = NO_BOUND if deployment.max_concurrency is None else deployment.max_concurrency
        self.breaker.obey(policy)

    # -- asking ---------------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Whether one more call may be sent at once."""
        return self.in_flight < self.most

    def allows(self, now_s: float) -> bool:
        """Says whether a call may be sent, room left aside."""
        if not self.is_troubled:
            return True
        if self.is_unready or now_s < self.held_until_s:
            return False
        self._look(now_s)
        return self.breaker.allows(now_s)

    # -- one attempt ----------------------------------------------------------------------------------

    def begin(self, waiter: Waiter, now_s: float) -> None:
        """Notes that an attempt is sent."""
        self.in_flight += 1
        self.waiting[waiter] = now_s
        if self.is_troubled:
            self.breaker.begin(now_s)

    def heard(self, waiter: Waiter, now_s: float) -> float:
        """Notes an attempt's first byte. Returns how long it took, in ms; 0 when it was heard before."""
        begun_s = self.waiting.pop(waiter, now_s)
        self.heard_at_s = now_s
        return (now_s - begun_s) * 1000

    def succeeded(self, waiter: Waiter, begun_s: float, now_s: float, taken_ms: float = 0.0) -> None:
        """Ends an attempt that was answered."""
        self.in_flight -= 1
        self.waiting.pop(waiter, None)
        self.ok_total += 1
        self._limits_in_a_row = 0
        self.breaker.succeeded(begun_s, now_s, taken_ms)
        if self.is_troubled:
            self._look(now_s)

    def failed(self, waiter: Waiter, begun_s: float, now_s: float) -> None:
        """Ends an attempt that the deployment is to blame for."""
        self._end(waiter)
        self.failed_total += 1
        self.breaker.failed(begun_s, now_s)
        self._look(now_s)

    def limited(self, waiter: Waiter, begun_s: float, now_s: float, retry_after_s: float | None) -> None:
        """Ends an attempt that met a rate limit: no failure, but nothing more is sent for a while."""
        self._end(waiter)
        self.limited_total += 1
        self.breaker.unknown(begun_s, now_s)
        policy = self.breaker.policy
        if retry_after_s is None:
            retry_after_s = min(policy.open_ms << self._limits_in_a_row, policy.max_open_ms) / 1000
        self._limits_in_a_row = min(self._limits_in_a_row + 1, 16)
        self.held_until_s = max(self.held_until_s, now_s + min(max(0.0, retry_after_s), LONGEST_HOLD_S))
        self._look(now_s)

    def unknown(self, waiter: Waiter, begun_s: float, now_s: float) -> None:
        """Ends an attempt that says nothing about the deployment: cancelled, or a fault of the caller."""
        self._end(waiter)
        self.breaker.unknown(begun_s, now_s)

    def handed_over(self, waiter: Waiter, heir: Waiter) -> None:
        """Notes that another object now waits in the place of `waiter`."""
        begun_s = self.waiting.pop(waiter, None)
        if begun_s is not None:
            self.waiting[heir] = begun_s

    # -- from outside ---------------------------------------------------------------------------------

    def silent(self, now_s: float) -> None:
        """Opens the breaker because calls wait and nothing is heard."""
        self.breaker.trip(now_s, "silence")
        self.is_troubled = True

    def eject(self, now_s: float, limit_ms: float) -> None:
        """Opens the breaker because it is far slower than its siblings."""
        self.breaker.trip(now_s, "outlier", limit_ms)
        self.stream.clear()
        self.plain.clear()
        self.is_troubled = True

    def checked(self, now_s: float, *, is_ready: bool) -> None:
        """Notes what an engine's health check said; one that is back is used at once."""
        if is_ready and self.is_unready:
            self.breaker.close(now_s)
        self.is_unready = not is_ready
        self._look(now_s)

    def status(self, model: str, now_s: float) -> DeploymentStatus:
        """Returns the live gauges."""
        breaker, latency = self.breaker, self.stream if self.stream.count else self.plain
        is_closed = breaker.state == "closed"
        return DeploymentStatus(
            deployment=self.id,
            model=model,
            breaker=breaker.state,
            cause=None if is_closed else breaker.cause,
            is_ejected=not is_closed and breaker.cause == "outlier",
            is_ready=not self.is_unready,
            held_ms=max(0.0, round((self.held_until_s - now_s) * 1000, 1)),
            in_flight=self.in_flight,
            ewma_ms=round(latency.mean_ms, 3) if latency.count else None,
            peak_ms=round(latency.peak_at(now_s), 3) if latency.count else None,
            ok_total=self.ok_total,
            failed_total=self.failed_total,
            limited_total=self.limited_total,
            opened_total=breaker.opened_total,
        )

    def _end(self, waiter: Waiter) -> None:
        self.in_flight -= 1
        self.waiting.pop(waiter, None)

    def _look(self, now_s: float) -> None:
        self.is_troubled = self.is_unready or now_s < self.held_until_s or self.breaker.state != "closed"
