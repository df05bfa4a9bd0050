"""Step 5: may it still. Counts the call against the limits of its key, its team and its model.

Refuses to know how limits are counted. Invariant: a call without limits costs a look at one attribute; one
that was let in holds a ticket, which is settled once (`settle`).
"""

from time import perf_counter
from typing import TYPE_CHECKING

from pilothouse.contracts.errors import UnavailableError
from pilothouse.gateway import record
from pilothouse.gateway.call import Call
from pilothouse.gateway.limits.gate import MOST_IN_A_WINDOW, Gate, Refusal, Ticket
from pilothouse.gateway.limits.wording import error_of, header_lines, reset_text

if TYPE_CHECKING:
    from pilothouse.contracts.events import Outcome

BYTES_A_TOKEN = 4
"""About as many bytes of a request's JSON make a token, so that an estimate costs a division."""
USUAL_OUTPUT_TOKENS = 256
"""Reserved for an answer whose length the request does not bound."""


def spend(call: Call) -> None:
    """Lets the call pass all of its gates, holds it until a lease is here, or refuses it."""
    meter = call.state.meter
    if not meter.is_on:
        return
    assert call.route is not None
    gates = meter.gates_of(call.key_id, call.team, call.route.name)
    if not gates:
        return
    least, wish = tokens_of(call)
    shared = meter.shared
    if shared is None:
        _enter(call, gates, least, wish)
        return
    now_s = perf_counter()
    verdict = shared.check(meter.counting, gates, least, wish, now_s)
    if isinstance(verdict, Refusal):
        _refuse(call, gates, verdict)
    elif verdict == "wait":
        if call.has_waited:
            _refuse(call, gates, shared.refusal_after_answer(gates, least, wish, now_s))
        AwaitingLease(call).begin()
    elif verdict == "alone" and meter.counters.on_loss == "closed":
        raise UnavailableError(
            "The store that counts the limits of all hosts does not answer.",
            hint="This gateway is told to refuse limited calls then (`limits.on_loss: closed`).",
            code="counters_unavailable",
            retry_after_s=1,
        )
    else:
        ticket = _enter(call, gates, least, wish)
        if verdict == "go":
            ticket.held = shared.take(gates, least, wish)


def tokens_of(call: Call) -> tuple[int, int]:
    """Returns the tokens that a call asks for, and those it may well use."""
    asked = call.parameters
    least = len(call.request.body) // BYTES_A_TOKEN + 1
    if call.operation == "embeddings":
        return least, least
    answers = max(1, asked.n or 1)
    if asked.max_tokens is not None:
        least = min(MOST_IN_A_WINDOW, least + max(0, asked.max_tokens) * answers)
        return least, least
    return least, min(MOST_IN_A_WINDOW, least + USUAL_OUTPUT_TOKENS * answers)


def _enter(call: Call, gates: tuple[Gate, ...], least: int, wish: int) -> Ticket:
    meter, request = call.state.meter, call.request
    counting = meter.counting
    refusal, bucket, standing = counting.enter(gates, least, wish, now_s=perf_counter(), now_ns=request.at_ns)
    if refusal is not None:
        _refuse(call, gates, refusal)
    if standing.requests_limit >= 0 or standing.tokens_limit >= 0:
        reset = meter.longest_text
        if call.dialect == "anthropic":
            reset = reset_text("anthropic", meter.longest_s, request.at_ns)
        call.limit_lines = header_lines(standing, call.dialect, reset)
    ticket = call.ticket = Ticket(gates, bucket, least, wish)
    return ticket


def _refuse(call: Call, gates: tuple[Gate, ...], refusal: Refusal) -> None:
    """Raises the error of a refusal, with the headers that say where the caller stands."""
    meter, now_s = call.state.meter, perf_counter()
    meter.limited_total += 1
    standing, reset_s = meter.counting.standing(gates, now_s)
    reset = reset_text(call.dialect, reset_s, call.request.at_ns)
    call.limit_lines = header_lines(standing, call.dialect, reset)
    raise error_of(refusal)


class AwaitingLease:
    """A call that waits until the shared store has answered, as its client's connection sees it."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def begin(self) -> None:
        """Holds the call."""
        call = self._call
        assert call.state.meter.shared is not None
        call.is_held = call.has_waited = True
        call.client.occupant = self
        call.state.meter.shared.wait(self.go_on)

    def go_on(self) -> None:
        """Takes this step once more."""
        call = self._call
        if call.is_ended:
            return
        call.client.occupant = None
        call.next_step -= 1
        call.go_on(call)

    def on_client_gone(self) -> None:
        """Gives the call up."""
        call = self._call
        outcome: Outcome = "cut" if call.state.is_stopping else "cancelled"
        record.end_quietly(call, status=record.CLIENT_CLOSED, outcome=outcome)

    def on_client_paused(self) -> None:
        """Nothing is being sent."""

    def on_client_resumed(self) -> None:
        """Nothing is being sent."""
