"""Tries at deployments: sends a call to one, and on failure to the next, or waits for an engine to start.

Refuses to know what an answer looks like. Invariant: a second deployment is tried only when nothing was
sent to the first; after a byte of an answer there is no second try.
"""

from time import perf_counter
from typing import TYPE_CHECKING

from pilothouse.contracts.errors import (
    ApiError,
    InternalError,
    UnavailableError,
    UpstreamError,
    UpstreamTimeoutError,
)
from pilothouse.contracts.events import Attempt, Outcome
from pilothouse.gateway import record
from pilothouse.gateway.call import Call
from pilothouse.gateway.directory import Route, Target
from pilothouse.gateway.prepare import prepare
from pilothouse.network.errors import (
    BadResponseError,
    ConnectError,
    DeadlineError,
    NetworkError,
    PoolFullError,
    TruncatedError,
)
from pilothouse.network.exchange import Exchange, ResponseHead

if TYPE_CHECKING:
    from asyncio import TimerHandle

ENGINE_POLL_S = 0.1
"""How often an engine that does not listen yet is tried."""


class Answering:
    """One call's way through its deployments; subclasses answer what comes back."""

    exchange: Exchange | None = None
    timer: "TimerHandle | None" = None
    tried: set[str] | None = None
    attempt_ms: float = 0.0

    def __init__(self, call: Call) -> None:
        self.call = call

    def start(self, route: Route) -> None:
        """Sends the call to a deployment chosen by weight.

        Raises:
            ApiError: There is none, or its queue is full.
        """
        target = route.choose()
        if target is None:
            raise UnavailableError(
                f"The model {route.name!r} has no deployment in service.",
                hint="Give one of its deployments a weight above 0.",
            )
        self._send(target)
        self.call.client.occupant = self

    def adopt(self, other: "Answering") -> None:
        """Takes over from another answer, in the middle of an exchange."""
        self.exchange, other.exchange = other.exchange, None
        self.tried, self.attempt_ms = other.tried, other.attempt_ms
        if self.exchange is not None:
            self.exchange.receiver = self
        self.call.client.occupant = self

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

    # -- what the client does -----------------------------------------------------------------------

    def on_client_gone(self) -> None:
        """Cancels the upstream call, and records the call as cancelled."""
        self.release()
        if self.call.is_ended:
            return
        self.note_attempt(None, "cancelled")
        self.cancelled("cut" if self.call.state.is_stopping else "cancelled")

    def on_client_paused(self) -> None:
        """Stops reading the upstream."""
        if self.exchange is not None:
            self.exchange.pause()

    def on_client_resumed(self) -> None:
        """Reads the upstream again."""
        if self.exchange is not None:
            self.exchange.resume()

    def cancelled(self, outcome: Outcome) -> None:
        """Records a call whose client hung up, or that was cut because the worker stops."""
        record.end_quietly(self.call, status=record.status_of(self.call), outcome=outcome)

    # -- inside -------------------------------------------------------------------------------------

    def release(self) -> None:
        """Gives up what is under way upstream."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.cancel()

    def note_attempt(self, status: int | None, error_code: str | None = None) -> None:
        """Adds the attempt that has just ended to the call's record."""
        call, target = self.call, self.call.target
        if target is None:
            return
        duration = record.since_ms(call) - self.attempt_ms
        call.attempts += (
            Attempt(target.deployment, target.provider, status, error_code, self.attempt_ms, duration),
        )

    def failed(self, error: NetworkError) -> None:
        """Goes on to another deployment where that is safe, else ends the call with an error."""
        target = self.call.target
        assert target is not None
        self.exchange = None
        answer = api_error(error, target)
        is_unsent = isinstance(error, ConnectError) or (
            isinstance(error, DeadlineError) and error.phase == "connect"
        )
        if is_unsent and self._try_again(target, answer.code):
            return
        self.note_attempt(None, answer.code)
        self.give_up(answer)

    def give_up(self, error: ApiError, *, message: str | None = None) -> None:
        """Ends the call with an error as its whole answer."""
        self.release()
        record.refuse(self.call, error, outcome="failed", message=message)

    def _try_again(self, target: Target, code: str) -> bool:
        call = self.call
        assert call.route is not None
        self.tried = self.tried or set()
        self.tried.add(target.deployment)
        other = call.route.next_after(self.tried)
        if other is not None:
            self.note_attempt(None, code)
            return self._send_or_give_up(other)
        waited_s = perf_counter() - call.request.started_s
        if not target.is_engine or waited_s >= call.state.settings.deadlines.engine_start_s:
            return False
        self.timer = call.state.loop.call_later(ENGINE_POLL_S, self._send_or_give_up, target)
        return True

    def _send_or_give_up(self, target: Target) -> bool:
        self.timer = None
        try:
            self._send(target)
        except ApiError as error:
            self.give_up(error)
        except Exception as error:  # noqa: BLE001 - the border of the process: called by the event loop
            self.give_up(InternalError(f"The gateway met a fault of its own ({type(error).__name__})."))
        return True

    def _send(self, target: Target) -> None:
        call = self.call
        call.target = target
        call.provider, call.deployment, call.price = target.provider, target.deployment, target.price
        exchange = Exchange(prepare(call, target), self, call.state.deadlines)
        now_ms = record.since_ms(call)
        self.attempt_ms = now_ms
        if not call.queue_ms:
            call.queue_ms = now_ms
        try:
            target.origin.send(exchange)
        except PoolFullError as error:
            raise UnavailableError(
                f"Too many calls already wait for {target.provider!r}.", hint="Try again.", retry_after_s=1
            ) from error
        self.exchange = exchange


def api_error(error: NetworkError, target: Target) -> ApiError:
    """Returns what a client is told of an error on the way out; addresses stay in the log."""
    provider = target.provider
    if isinstance(error, DeadlineError):
        if error.phase == "wait":
            return UnavailableError(
                f"No connection to {provider!r} came free in time.", hint="Try again.", retry_after_s=1
            )
        return UpstreamTimeoutError(
            f"The provider {provider!r} did not answer in time.", hint="Try again, or ask for fewer tokens."
        )
    if isinstance(error, ConnectError):
        if target.is_engine:
            return UnavailableError(
                f"The engine of {target.deployment!r} is not ready.",
                hint="It is starting or has stopped; the console's list of models says which.",
                code="engine_not_ready",
                retry_after_s=2,
            )
        return UpstreamError(
            f"The provider {provider!r} could not be reached.",
            hint="Ask the operator to check its base_url and the network.",
            code="upstream_unreachable",
        )
    if isinstance(error, BadResponseError):
        return bad_answer(target)
    what = "in the middle of its answer" if isinstance(error, TruncatedError) else "before it answered"
    return UpstreamError(
        f"The provider {provider!r} closed the connection {what}.", hint="Try again.", code="upstream_reset"
    )


def bad_answer(target: Target) -> ApiError:
    """Returns the error for an answer that is none."""
    return UpstreamError(
        f"The provider {target.provider!r} answered with something that is not an answer.",
        hint="Ask the operator to check that its base_url leads to an OpenAI-compatible server.",
        code="upstream_bad_answer",
    )
