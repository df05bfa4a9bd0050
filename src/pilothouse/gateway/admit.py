"""Step 6: is there a place for it now. Lets a call on, or lets it wait by its priority.

A key has a class; a caller may lower its own with `x-pilothouse-priority`, never raise it. Refuses to know
how a deployment is chosen. Invariant: a call that was let in is taken off the count when it is settled,
however it ends; one that waits ends by being let in, shed, or given up by its client.
"""

from time import perf_counter
from typing import TYPE_CHECKING

from pilothouse.contracts.errors import RateLimitedError
from pilothouse.gateway import record
from pilothouse.gateway.admission.gatekeeper import CLASS_NAMES, RANKS, Guest
from pilothouse.gateway.call import Call
from pilothouse.gateway.directory import Route

if TYPE_CHECKING:
    from pilothouse.contracts.events import Outcome
    from pilothouse.gateway.admission.line import Entry

PRIORITY_HEADER = b"x-pilothouse-priority"


def admit(call: Call) -> None:
    """Lets the call on when the worker and a deployment have room, else holds it."""
    key, route = call.key, call.route
    assert route is not None
    if key is not None:
        call.priority = key.priority
    wish = call.request.headers.get(PRIORITY_HEADER)
    if wish is not None:
        _lower(call, wish)
    gatekeeper = call.state.gatekeeper
    if not gatekeeper.must_wait(route.name) and has_place(route):
        gatekeeper.running += 1
        call.is_admitted = True
        return
    Waiting(call).begin()


def has_place(route: Route) -> bool:
    """Says whether a deployment that may be chosen has room; where none may be, the choice is routing's."""
    is_full = False
    for target in route.targets:
        vitals = target.vitals
        if vitals.is_troubled and not vitals.allows(perf_counter()):
            continue
        if vitals.in_flight < vitals.most:
            return True
        is_full = is_full or vitals.most > 0
    return not is_full


class Waiting:
    """A call in the queue, as its client's connection and the gatekeeper see it."""

    __slots__ = ("_call", "_entry")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._entry: Entry[Guest] | None = None

    def begin(self) -> None:
        """Takes a place in the queue."""
        call = self._call
        assert call.route is not None
        call.is_held = True
        call.client.occupant = self
        self._entry = call.state.gatekeeper.queue(self, call.route.name, call.priority)

    # -- the gatekeeper's calls ---------------------------------------------------------------------

    def has_place(self) -> bool:
        """Says whether a deployment can take it."""
        assert self._call.route is not None
        return has_place(self._call.route)

    def let_in(self, waited_s: float) -> None:  # noqa: ARG002 - the record has it as `queue_ms` from the attempt
        """Goes on with the call."""
        call = self._call
        call.client.occupant = None
        call.is_admitted = True
        call.go_on(call)

    def shed(self, why: str, retry_after_s: float) -> None:
        """Refuses the call."""
        call = self._call
        call.client.occupant = None
        call.queue_ms = record.since_ms(call)
        record.refuse(
            call,
            RateLimitedError(
                f"Too many calls are under way, and {why}.",
                hint=f"Try again in {retry_after_s:.0f} s; this call's priority is {call.priority!r}.",
                code="overloaded",
                retry_after_s=retry_after_s,
            ),
        )

    # -- the client's calls -------------------------------------------------------------------------

    def on_client_gone(self) -> None:
        """Leaves the queue."""
        call = self._call
        if self._entry is not None:
            call.state.gatekeeper.gone(self._entry)
        call.queue_ms = record.since_ms(call)
        outcome: Outcome = "cut" if call.state.is_stopping else "cancelled"
        record.end_quietly(call, status=record.CLIENT_CLOSED, outcome=outcome)

    def on_client_paused(self) -> None:
        """Nothing is being sent."""

    def on_client_resumed(self) -> None:
        """Nothing is being sent."""


def _lower(call: Call, wish: bytes) -> None:
    """Takes a caller's wish for a lower class; one that is unknown or higher changes nothing."""
    name = wish.decode("latin-1").strip().lower()
    for each in CLASS_NAMES:
        if each == name and RANKS[each] > RANKS[call.priority]:
            call.priority = each
