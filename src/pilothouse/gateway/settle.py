"""The end of what a call holds: its place, its reserved tokens, its count of calls under way, its cost.

Called by `record.end` and nowhere else, so it happens once however a call ends. Refuses to know answers.
Invariant: a call that was not made gives back all that it reserved; one whose usage is not known keeps it.
"""

from time import perf_counter, time_ns

from pilothouse.contracts.events import Outcome
from pilothouse.gateway.call import Call
from pilothouse.gateway.figures import cost_usd
from pilothouse.gateway.limits.gate import NANO, Gate, Ticket
from pilothouse.gateway.limits.recount import was_let_in


def settle(call: Call, outcome: Outcome) -> None:
    """Gives back what a call holds."""
    if call.is_admitted:
        call.is_admitted = False
        assert call.route is not None
        call.state.gatekeeper.left(call.route.name)
    ticket = call.ticket
    if ticket is not None:
        call.ticket = None
        _settle(call, ticket, outcome)


def _settle(call: Call, ticket: Ticket, outcome: Outcome) -> None:
    meter, gates = call.state.meter, ticket.gates
    is_made = was_let_in(outcome, has_attempts=bool(call.attempts))
    if is_made and ticket.held is None and not _is_open_ended(gates):
        return
    counting = meter.counting
    has_window = has_tokens = has_money = False
    for gate in gates:
        has_window = has_window or gate.has_window
        has_tokens = has_tokens or gate.tokens >= 0
        has_money = has_money or gate.has_money
        if gate.concurrency >= 0:
            counting.leave(gate)
    used = _used(call, outcome) if is_made else 0
    cost = 0.0
    if has_money and is_made and call.cache is None:
        cost = cost_usd(call.tokens, call.price) or 0.0
    if ticket.held is not None:
        for held in ticket.held:
            held.settle(used, is_made=is_made)
    if cost or (has_tokens and used is not None) or (has_window and not is_made):
        if gates[0].cells is not counting.cells:
            gates = meter.current(gates)  # the file was replaced while the call was under way
        now_s, now_ns = perf_counter(), time_ns()
        counting.settle(
            gates, ticket, used=used, is_made=is_made, nano_usd=round(cost * NANO), now_s=now_s, now_ns=now_ns
        )


def _is_open_ended(gates: tuple[Gate, ...]) -> bool:
    for gate in gates:  # noqa: SIM110 - any() over a generator costs five times as much
        if gate.is_open_ended:
            return True
    return False


def _used(call: Call, outcome: Outcome) -> int | None:
    """Returns the tokens that a call used, or `None` when nobody said."""
    tokens = call.tokens
    if call.cache is not None:
        return 0
    if tokens.input is not None or tokens.output is not None:
        return (tokens.input or 0) + (tokens.output or 0)
    return 0 if outcome == "failed" else None
