"""The way of one call once something went wrong: what is tried next, and what that costs.

    a retry      at a deployment of the same model that was not tried, at once; else at the same one, after
                 a back-off; within the number of attempts, the deadline and the model's retry budget
    a fallback   at the first model of the list for this kind of error that can take the call

Refuses to know sockets and answers. Invariant: a call tries no fallback twice, and begins nothing after its
deadline; a fault of the caller is never tried again at the same model.
"""

from random import random
from typing import NamedTuple

from pilothouse.contracts.events import AttemptReason
from pilothouse.contracts.traffic import ErrorKind
from pilothouse.gateway.call import Call
from pilothouse.gateway.directory import Route, Target
from pilothouse.gateway.routing.backoff import backoff_s
from pilothouse.gateway.routing.faults import Fault


class Step(NamedTuple):
    """What is tried next."""

    target: Target
    reason: AttemptReason
    wait_s: float = 0.0


class Trail:
    """What one call has tried. It is made at the first trouble: most calls have none."""

    __slots__ = ("_call", "_names", "_retries", "_tried", "first", "route")

    def __init__(self, call: Call, route: Route) -> None:
        self._call = call
        self._names = {route.name}
        self._retries = 0
        self._tried: set[str] = set()
        self.route = route
        """The model that is being tried."""
        self.first: Fault | None = None
        """What went wrong first."""

    def after(self, fault: Fault, target: Target, now_s: float) -> Step | None:
        """Returns what is tried after a fault at `target`, or `None` when nothing is."""
        self._tried.add(target.deployment)
        if self.first is None:
            self.first = fault
        if not self._is_in_time(now_s):
            return None
        if fault.is_retryable:
            step = self._retry(fault, target, now_s)
            if step is not None:
                return step
        return None if fault.kind is None else self.fallback(fault.kind, now_s)

    def beside(self, target: Target, now_s: float) -> Target | None:
        """Returns where a second attempt may be made while one at `target` is under way, or `None`."""
        self._tried.add(target.deployment)
        call = self._call
        if not self._is_in_time(now_s):
            return None
        group = self.route.group(call.arm if self.route is call.route else None)
        other = group.choose(call.affinity, now_s, self._tried, is_stream=call.is_stream)
        if other is None or not self.route.budget.take(now_s):
            return None
        self._tried.add(other.deployment)
        return other

    def fallback(self, kind: ErrorKind, now_s: float) -> Step | None:
        """Returns the first model of the asked one's list for `kind` that can take the call, or `None`."""
        call = self._call
        assert call.route is not None
        for name in call.route.fallbacks.get(kind, ()):
            route = call.state.directory.route(name)
            if name in self._names or route is None or not _does(route, call):
                continue
            self._names.add(name)
            target = route.whole.choose(call.affinity, now_s, self._tried, is_stream=call.is_stream)
            if target is not None:
                self.route = route
                self._retries = 0
                call.state.book.fallbacks_total += 1
                return Step(target, "fallback")
        return None

    def verdict(self, last: Fault) -> Fault:
        """Returns which fault the caller is told: what it can mend itself before what it cannot."""
        first = self.first
        return first if first is not None and first.kind in {"context_length", "content_filter"} else last

    def _retry(self, fault: Fault, target: Target, now_s: float) -> Step | None:
        call, route = self._call, self.route
        policy = route.routing.retries
        if self._retries >= policy.attempts:
            return None
        group = route.group(call.arm if route is call.route else None)
        other = group.choose(call.affinity, now_s, self._tried, is_stream=call.is_stream)
        wait_s = 0.0
        if other is None:
            other = self._again(fault, target, now_s)
            if other is None:
                return None
            held_s = max(0.0, other.vitals.held_until_s - now_s)
            wait_s = max(backoff_s(policy, self._retries, random()), held_s)  # noqa: S311 - a spread in time
            if not self._is_in_time(now_s + wait_s):
                return None
        is_free = fault.is_unsent and other is not target
        if not is_free and not route.budget.take(now_s):
            return None
        self._retries += 1
        call.state.book.retries_total += 1
        return Step(other, "retry", wait_s)

    def _again(self, fault: Fault, target: Target, now_s: float) -> Target | None:
        """Returns a deployment that was tried before and may be tried once more."""
        if fault.is_elsewhere or (fault.is_unsent and target.is_engine):
            return None
        call, vitals = self._call, target.vitals
        group = self.route.group(call.arm if self.route is call.route else None)
        found = group.choose(call.affinity, now_s, is_stream=call.is_stream)
        if found is not None or fault.blame != "limited":
            return found
        is_soon = (vitals.held_until_s - now_s) * 1000 <= self.route.routing.retries.cap_ms
        return target if is_soon and vitals.breaker.allows(now_s) else None

    def _is_in_time(self, now_s: float) -> bool:
        call = self._call
        assert call.route is not None
        return (now_s - call.request.started_s) * 1000 < call.route.routing.retries.deadline_ms


def _does(route: Route, call: Call) -> bool:
    return route.kind is None or (route.kind == "embedding") == (call.operation == "embeddings")
