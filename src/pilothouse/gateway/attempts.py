"""Tries at deployments: sends a call to one, and when it fails goes on to what its trail says.

Refuses to know what an answer looks like. Invariant: after a byte of an answer has left there is no further
try; each attempt is on record once, and ends once in its deployment's vitals.
"""

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from pilothouse.contracts.errors import ApiError, InternalError, InvalidRequestError, UnavailableError
from pilothouse.contracts.events import Attempt, AttemptReason, Outcome
from pilothouse.gateway import record
from pilothouse.gateway.call import Call
from pilothouse.gateway.directory import Route, Target
from pilothouse.gateway.network_faults import fault_of
from pilothouse.gateway.prepare import prepare
from pilothouse.gateway.routing.faults import Blame, Fault
from pilothouse.gateway.routing.vitals import Vitals
from pilothouse.gateway.second import Second
from pilothouse.gateway.trail import Step, Trail
from pilothouse.network.errors import NetworkError, PoolFullError
from pilothouse.network.exchange import Exchange, ResponseHead

if TYPE_CHECKING:
    from asyncio import TimerHandle

    from pilothouse.contracts.traffic import ErrorKind

ENGINE_POLL_S = 0.1
"""How often an engine that does not listen yet is tried."""
NOT_TRANSLATABLE = "not_translatable"
"""The code of what only a provider of another dialect can serve."""
IMPATIENCE_S = 1.0
"""A client that leaves after less says nothing about the deployment, in seconds."""

Ending = Literal["ok"] | Blame


class Answering:
    """One call's way through its deployments; subclasses answer what comes back."""

    exchange: Exchange | None = None
    timer: "TimerHandle | None" = None
    """Set while the next attempt waits for its time."""
    hedge_timer: "TimerHandle | None" = None
    second: Second | None = None
    """An attempt elsewhere, beside the one under way."""
    trail: Trail | None = None
    vitals: Vitals | None = None
    """Of the deployment at which an attempt is under way."""
    reason: AttemptReason = "first"
    begun_s: float = 0.0
    taken_ms: float = 0.0
    is_heard: bool = False
    """The attempt under way has given a byte."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def start(self, route: Route) -> None:
        """Sends the call to a deployment that the route's strategy chooses.

        Raises:
            ApiError: There is none.
        """
        call, now_s = self.call, perf_counter()
        route.budget.called(now_s)
        call.client.occupant = self
        group = route.whole if call.arm is None else route.group(call.arm)
        target = group.choose(call.affinity, now_s, is_stream=call.is_stream)
        if target is None:
            step = self._start_in_trouble(route, now_s)
            self._send_able(step.target, step.reason)
            return
        self._send_able(target, "first")
        after_ms = route.routing.hedge_after_ms
        if after_ms is not None:
            self.hedge_timer = call.state.loop.call_later(after_ms / 1000, self._hedge)

    # -- what the upstream says ---------------------------------------------------------------------

    def on_head(self, head: ResponseHead) -> None:
        """Hears the status and headers."""
        raise NotImplementedError

    def on_body(self, data: bytes) -> None:
        """Hears the next bytes of the body."""
        raise NotImplementedError

    def on_end(self, error: NetworkError | None) -> None:
        """Hears the end."""
        raise NotImplementedError

    def renew(self) -> None:
        """Forgets what came of an attempt that failed."""
        raise NotImplementedError

    # -- what the client does -----------------------------------------------------------------------

    def on_client_gone(self) -> None:
        """Cancels the upstream call, and records the call as cancelled, unless others wait for its answer."""
        capture = self.call.capture
        if capture is not None and capture.is_wanted():
            capture.abandon(self)
            return
        is_stopping = self.call.state.is_stopping
        blame: Blame = "failed" if self._was_silent() and not is_stopping else "unknown"
        self.release()
        if self.call.is_ended:
            return
        self.note_attempt(None, "cancelled", blame)
        self.cancelled("cut" if is_stopping else "cancelled")

    def on_client_paused(self) -> None:
        """Stops reading the upstream, unless others wait for its answer."""
        capture = self.call.capture
        if self.exchange is not None and (capture is None or not capture.is_wanted()):
            self.exchange.pause()

    def on_client_resumed(self) -> None:
        """Reads the upstream again."""
        if self.exchange is not None:
            self.exchange.resume()

    def cancelled(self, outcome: Outcome) -> None:
        """Records a call whose client hung up, or that was cut because the worker stops."""
        record.end_quietly(self.call, status=record.status_of(self.call), outcome=outcome)

    # -- what the patrol and the timers do ----------------------------------------------------------

    @property
    def is_stream(self) -> bool:
        """Whether a stream was asked for."""
        return self.call.is_stream

    def overdue(self, now_s: float) -> bool:
        """Begins another attempt elsewhere because the deployment has fallen silent."""
        vitals, target, book = self.vitals, self.call.target, self.call.state.book
        if vitals is None or self.is_heard or self.second is not None or target is None:
            return False
        trail = self._trail()
        other = trail.beside(target, now_s)
        if other is not None:
            book.rescues_total += 1
            self._send_beside(other, "retry", is_rescue=True)
            return True
        step = trail.fallback("outage", now_s)
        if step is not None:
            self._send_beside(step.target, "fallback", is_rescue=True)
        return step is not None

    def overtaken(self, second: Second) -> None:
        """Gives up the attempt under way, because the second one answers first."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.cancel()
        self.note_attempt(None, "overtaken", "failed" if second.is_rescue else "unknown")
        self._take_over(second)

    # -- inside -------------------------------------------------------------------------------------

    def release(self) -> None:
        """Gives up what is under way upstream."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self._drop_second()
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.cancel()

    def heard(self, *, is_answer: bool) -> float:
        """Notes the attempt's first byte. Returns the moment.

        Args:
            is_answer: Whether it is an answer, and not a refusal: then it is timed, and ends the race.
        """
        now_s = perf_counter()
        self.is_heard = True
        vitals = self.vitals
        if vitals is not None:
            taken_ms = vitals.heard(self, now_s)
            if is_answer:
                self.taken_ms = taken_ms
                (vitals.stream if self.call.is_stream else vitals.plain).add(taken_ms, now_s)
                if self.second is not None or self.hedge_timer is not None:
                    self._drop_second()
        return now_s

    def note_attempt(self, status: int | None, error_code: str | None, ending: Ending) -> None:
        """Ends the attempt under way: on the call's record, and in its deployment's vitals."""
        call, vitals, target = self.call, self.vitals, self.call.target
        if vitals is None or target is None:
            return
        now_s = perf_counter()
        self.vitals = None
        if ending == "ok":
            vitals.succeeded(self, self.begun_s, now_s, self.taken_ms)
        elif ending == "failed":
            vitals.failed(self, self.begun_s, now_s)
        elif ending == "unknown":
            vitals.unknown(self, self.begun_s, now_s)
        begun_s = self.begun_s
        started_ms = (begun_s - call.request.started_s) * 1000
        duration_ms = (now_s - begun_s) * 1000
        call.attempts += (
            Attempt(
                target.deployment, target.provider, status, error_code, started_ms, duration_ms, self.reason
            ),
        )

    def failed(self, error: NetworkError) -> None:
        """Goes on after an error on the way out."""
        assert self.call.target is not None
        self.exchange = None
        self.fail(fault_of(error, self.call.target))

    def fail(self, fault: Fault) -> None:
        """Goes on to what may be tried next, else ends the call with the fault's error."""
        step = self.next_step(fault)
        if step is not None:
            self.go(step)
        elif self.second is not None:
            self._promote()
        elif not self._wait_for_engine(fault):
            if self.trail is not None:
                fault = self.trail.verdict(fault)
            self.give_up(fault.error, message=fault.message)

    def next_step(self, fault: Fault) -> Step | None:
        """Ends the attempt under way in a fault. Returns what is tried next; not while a second one runs."""
        target, vitals = self.call.target, self.vitals
        assert target is not None
        now_s = perf_counter()
        if vitals is not None and fault.blame == "limited":
            vitals.limited(self, self.begun_s, now_s, fault.error.retry_after_s)
        self.note_attempt(fault.status, fault.error.code[:64], fault.blame)
        if self.second is not None:
            return None
        return self._trail().after(fault, target, now_s)

    def go(self, step: Step) -> None:
        """Tries again, now or after a wait."""
        self.renew()
        self.exchange = None
        if step.wait_s:
            self.timer = self.call.state.loop.call_later(
                step.wait_s, self._send_or_give_up, step.target, step.reason
            )
        else:
            self._send_or_give_up(step.target, step.reason)

    def give_up(self, error: ApiError, *, message: str | None = None) -> None:
        """Ends the call with an error as its whole answer."""
        self.release()
        record.refuse(self.call, error, outcome="failed", message=message)

    def _trail(self) -> Trail:
        """Returns what was tried, made at the first trouble."""
        if self.trail is None:
            assert self.call.route is not None
            self.trail = Trail(self.call, self.call.route)
        return self.trail

    def _start_in_trouble(self, route: Route, now_s: float) -> Step:
        """Returns where a call goes whose deployments are all broken, held by a 429, or full."""
        group = route.group(self.call.arm)
        if not group.mains:
            raise UnavailableError(
                f"The model {route.name!r} has no deployment in service.",
                hint="Give one of its deployments a weight above 0.",
            )
        kind: ErrorKind = "rate_limit" if group.held_s(now_s) else "outage"
        step = self._trail().fallback(kind, now_s) if route.fallbacks else None
        if step is not None:
            return step
        target = group.least_bad(now_s)
        if target is None:
            raise UnavailableError(
                f"The deployments of {route.name!r} have as many calls under way as they may.",
                hint="Try again in a moment.",
                code="at_capacity",
                retry_after_s=1,
            )
        return Step(target, "first")

    def _wait_for_engine(self, fault: Fault) -> bool:
        """Tries an engine that does not listen yet again in a moment, for as long as it may take to start."""
        call, target = self.call, self.call.target
        if target is None or not target.is_engine or not fault.is_unsent:
            return False
        waited_s = perf_counter() - call.request.started_s
        if waited_s >= call.state.settings.deadlines.engine_start_s:
            return False
        call.attempts = call.attempts[:-1]  # all its polls are one attempt
        self.renew()
        self.timer = call.state.loop.call_later(ENGINE_POLL_S, self._send_or_give_up, target, self.reason)
        return True

    def _send_or_give_up(self, target: Target, reason: AttemptReason) -> None:
        self.timer = None
        self._guarded(lambda: self._send_able(target, reason))

    def _guarded(self, act: Callable[[], None]) -> None:
        """Does what the event loop asks for; a fault of ours ends the call and not the worker."""
        try:
            act()
        except ApiError as error:
            self.give_up(error)
        except Exception as error:  # noqa: BLE001 - the border of the process: called by the event loop
            self.give_up(InternalError(f"The gateway met a fault of its own ({type(error).__name__})."))

    def _send_able(self, target: Target, reason: AttemptReason) -> None:
        """Sends to `target`, or if it does not speak what the call needs, to the next that does."""
        while True:
            try:
                self._send(target, reason)
            except InvalidRequestError as error:
                if error.code != NOT_TRANSLATABLE:
                    raise
                fault = Fault(error, kind=None, blame="unknown", is_elsewhere=True, is_unsent=True)
                step = self._trail().after(fault, target, perf_counter())
                if step is None:
                    raise
                target = step.target
            else:
                return

    def _send(self, target: Target, reason: AttemptReason) -> None:
        call = self.call
        call.target = target
        call.provider, call.deployment, call.price = target.provider, target.deployment, target.price
        exchange = Exchange(prepare(call, target), self, call.state.deadlines)
        now_s = perf_counter()
        if not call.queue_ms:
            call.queue_ms = (now_s - call.request.started_s) * 1000
        self.reason = reason
        self.begun_s = now_s
        self.is_heard = False
        vitals = self.vitals = target.vitals
        vitals.begin(self, now_s)
        self.exchange = exchange
        try:
            target.origin.send(exchange)
        except PoolFullError as error:
            call.state.loop.call_soon(self._not_sent, exchange, error)

    def _not_sent(self, exchange: Exchange, error: PoolFullError) -> None:
        if self.exchange is exchange:
            self.failed(error)

    # -- the second attempt -------------------------------------------------------------------------

    def _hedge(self) -> None:
        """Begins a second attempt, because the first has given no byte for as long as it may."""
        self.hedge_timer = None
        target, call = self.call.target, self.call
        if self.vitals is None or self.is_heard or self.second is not None or target is None:
            return
        other = self._trail().beside(target, perf_counter())
        if other is not None:
            call.state.book.hedges_total += 1
            self._send_beside(other, "hedge", is_rescue=False)

    def _send_beside(self, target: Target, reason: AttemptReason, *, is_rescue: bool) -> None:
        second = Second(self, target, reason, is_rescue=is_rescue)
        self.second = second
        try:
            second.send(prepare(self.call, target))
        except (ApiError, PoolFullError):
            self.second = None
            second.give_up(None, "not_sent", "unknown")

    def _drop_second(self) -> None:
        if self.hedge_timer is not None:
            self.hedge_timer.cancel()
            self.hedge_timer = None
        second, self.second = self.second, None
        if second is not None:
            second.give_up(None, "overtaken", "unknown")

    def _promote(self) -> None:
        """Makes the second attempt the one under way, because the first has failed."""
        second = self.second
        assert second is not None
        self.renew()
        self._take_over(second)
        if second.head is not None:
            self.on_head(second.head)

    def _take_over(self, second: Second) -> None:
        call, target = self.call, second.target
        self.second = None
        call.target = target
        call.provider, call.deployment, call.price = target.provider, target.deployment, target.price
        self.exchange, self.reason, self.begun_s = second.exchange, second.reason, second.begun_s
        self.is_heard = False
        self.vitals = target.vitals
        target.vitals.handed_over(second, self)
        if self.exchange is not None:
            self.exchange.receiver = self

    def _was_silent(self) -> bool:
        """Says whether the attempt under way has waited for longer than its deployment usually takes."""
        vitals, trail, route = self.vitals, self.trail, self.call.route
        if vitals is None or self.is_heard or route is None:
            return False
        route = route if trail is None else trail.route
        patience_s = route.whole.patience_s(route.routing, is_stream=self.call.is_stream, is_suspect=True)
        return perf_counter() - self.begun_s > max(IMPATIENCE_S, patience_s)
