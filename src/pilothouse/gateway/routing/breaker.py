"""A circuit breaker: closed while a deployment works, open after it failed, half-open while a probe is out.

    closed ──(failures in a row, share of failures, silence, far slower than its siblings)──> open
    open ──(its time is over: the next call is the probe)──> half_open
    half_open ──(an answer)──> closed
    half_open ──(a failure)──> open, for twice as long, up to `max_open_ms`

Outcomes of calls that began before the last change of state say nothing about now and are not counted.
Refuses to know what a failure is, and what time it is. Invariant: it never stays without letting a probe
through for longer than `max_open_ms`; a probe that is not answered is followed by another after a second.
"""

from typing import Literal

from pilothouse.contracts.traffic import Breaker as Policy
from pilothouse.gateway.routing.window import Window

State = Literal["closed", "open", "half_open"]
Cause = Literal["failures", "silence", "outlier"]

PROBE_EVERY_S = 1.0
"""How long a probe may be out before the next one is let through."""


class Breaker:
    """The breaker of one deployment. Times are seconds on one monotonic clock."""

    __slots__ = (
        "_closed_at_s",
        "_open_ms",
        "cause",
        "changed_at_s",
        "consecutive",
        "limit_ms",
        "next_probe_s",
        "opened_total",
        "policy",
        "state",
        "window",
    )

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.state: State = "closed"
        self.cause: Cause = "failures"
        """Why it opened last."""
        self.window = Window(policy.window_s)
        self.consecutive = 0
        self.changed_at_s = 0.0
        """When it was opened, when the probe went out, or when it was closed."""
        self.next_probe_s = 0.0
        """From when on a call is let through, unless it is closed."""
        self.limit_ms = 0.0
        """What a probe of an outlier must keep to close it."""
        self.opened_total = 0
        self._open_ms = 0.0
        self._closed_at_s = 0.0

    def obey(self, policy: Policy) -> None:
        """Takes a new policy; counts are kept unless their span has changed."""
        if policy.window_s != self.policy.window_s:
            self.window = Window(policy.window_s)
        self.policy = policy

    def allows(self, now_s: float) -> bool:
        """Says whether a call may be sent."""
        return self.state == "closed" or now_s >= self.next_probe_s

    def begin(self, now_s: float) -> None:
        """Notes that a call is sent; while open, and when its time is over, that call is the probe."""
        if self.state == "closed" or now_s < self.next_probe_s:
            return
        if self.state == "open":
            self.state = "half_open"
            self.changed_at_s = now_s
        self.next_probe_s = now_s + PROBE_EVERY_S

    def succeeded(self, begun_s: float, now_s: float, taken_ms: float = 0.0) -> None:
        """Notes an answer to a call that was sent at `begun_s`."""
        if self.state == "closed":
            self.consecutive = 0
            self.window.add_good(now_s)
        elif begun_s >= self.changed_at_s or self.cause == "silence":
            if self.cause == "outlier" and taken_ms > self.limit_ms > 0:
                self._open(now_s, self.cause)
            else:
                self.close(now_s)

    def failed(self, begun_s: float, now_s: float) -> None:
        """Notes the failure of a call that was sent at `begun_s`."""
        if self.state == "open" or begun_s < self.changed_at_s:
            return
        if self.state == "half_open":
            self._open(now_s, self.cause)
            return
        self.consecutive += 1
        window, policy = self.window, self.policy
        window.add_bad(now_s)
        calls = window.good + window.bad
        if self.consecutive >= policy.consecutive or (
            calls >= policy.min_calls and window.bad >= policy.error_ratio * calls
        ):
            self._open(now_s, "failures")

    def unknown(self, begun_s: float, now_s: float) -> None:
        """Notes that a call ended without saying anything about the deployment; a probe is then repeated."""
        if self.state == "half_open" and begun_s >= self.changed_at_s:
            self.next_probe_s = now_s

    def trip(self, now_s: float, cause: Cause, limit_ms: float = 0.0) -> None:
        """Opens at once, from outside."""
        if self.state == "open":
            return
        self.limit_ms = limit_ms
        self._open(now_s, cause)

    def close(self, now_s: float) -> None:
        """Closes at once."""
        if self.state == "closed":
            return
        self.state = "closed"
        self.changed_at_s = self._closed_at_s = now_s
        self.consecutive = 0
        self.window.clear()

    def _open(self, now_s: float, cause: Cause) -> None:
        policy = self.policy
        is_repeated = self.state == "half_open" or now_s - self._closed_at_s < policy.window_s
        doubled = self._open_ms * 2 if is_repeated and self._open_ms else policy.open_ms
        self._open_ms = min(doubled, policy.max_open_ms)
        self.state = "open"
        self.cause = cause
        self.changed_at_s = now_s
        self.next_probe_s = now_s + self._open_ms / 1000
        self.opened_total += 1
