"""Sends embedding requests that arrive together upstream as one, where the model's policy says so.

Those with the same parameters wait for `window_ms`, or until there are `max_inputs`; the answer is taken
apart again. If it is not a good one, each is sent alone, with its own retries: so an input that the provider
refuses fails nobody else, and nobody fares worse than without this. Limits, caches and records are each
call's own. Refuses to know how inputs are put together. Invariant: each call that waits here is answered,
sent, or recorded as cancelled, once.
"""

from time import perf_counter
from typing import TYPE_CHECKING

import msgspec

from pilothouse.contracts.events import Attempt, Outcome
from pilothouse.contracts.traffic import Batching
from pilothouse.gateway import edits, record, wire
from pilothouse.gateway.answers import OK
from pilothouse.gateway.caching.inputs import Inputs, merged, read_inputs, split
from pilothouse.gateway.call import Call
from pilothouse.gateway.directory import Route, Target
from pilothouse.gateway.retell import Retelling
from pilothouse.network.errors import NetworkError, PoolFullError
from pilothouse.network.exchange import Exchange, ResponseHead

if TYPE_CHECKING:
    from asyncio import TimerHandle

RATE_LIMITED = 429
SERVER_ERRORS = 500


def gather(call: Call, route: Route, policy: Batching) -> None:
    """Holds a call to be sent with others, if it can be."""
    inputs = read_inputs(call.request.body)
    if inputs is None or len(inputs.texts) >= policy.max_inputs:
        return
    call.is_held = True
    alike = inputs.alike + (call.arm or "").encode()
    held = route.gathered.get(alike)
    if isinstance(held, Gathered) and held.count + len(inputs.texts) > policy.max_inputs:
        held.depart()
        held = None
    if not isinstance(held, Gathered):
        held = route.gathered[alike] = Gathered(route, alike)
        held.timer = call.state.loop.call_later(policy.window_ms / 1000, held.depart)
    held.add(call, inputs)
    if held.count >= policy.max_inputs:
        held.depart()


class Gathered:
    """Embedding calls that are sent as one."""

    __slots__ = (
        "_alike",
        "_begun_s",
        "_calls",
        "_exchange",
        "_head",
        "_inputs",
        "_parts",
        "_route",
        "_size",
        "_target",
        "count",
        "timer",
    )

    def __init__(self, route: Route, alike: bytes) -> None:
        self._route = route
        self._alike = alike
        self._calls: list[Call] = []
        self._inputs: list[Inputs] = []
        self.count = 0
        """Inputs."""
        self.timer: TimerHandle | None = None
        self._target: Target | None = None
        self._exchange: Exchange | None = None
        self._begun_s = 0.0
        self._head: ResponseHead | None = None
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, call: Call, inputs: Inputs) -> None:
        """Takes a call along."""
        self._calls.append(call)
        self._inputs.append(inputs)
        self.count += len(inputs.texts)
        call.client.occupant = Waiting(call, self)

    def left(self) -> None:
        """Gives the upstream call up when nobody waits for it any more."""
        if self._exchange is not None and all(call.is_ended for call in self._calls):
            self._exchange.cancel()
            self._exchange = None
            self._end("unknown", None, "cancelled")

    def depart(self) -> None:
        """Sends what is here, and lets others gather anew."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self._route.gathered.get(self._alike) is self:
            del self._route.gathered[self._alike]
        waiting = [
            (call, own) for call, own in zip(self._calls, self._inputs, strict=True) if not call.is_ended
        ]
        self._calls, self._inputs = [call for call, _ in waiting], [own for _, own in waiting]
        if len(waiting) < 2 or not self._is_sent():  # noqa: PLR2004 - one alone goes the usual way
            self._send_singly()

    # -- what the upstream says (`network.exchange.Receiver`) ---------------------------------------

    def on_head(self, head: ResponseHead) -> None:
        """Keeps the head."""
        self._head = head
        if self._target is not None:
            self._target.vitals.heard(self, perf_counter())

    def on_body(self, data: bytes) -> None:
        """Keeps a piece of the body, up to the limit."""
        self._parts.append(data)
        self._size += len(data)
        if self._size > self._calls[0].state.max_answer_bytes and self._exchange is not None:
            self._exchange.cancel()
            self._end("failed", None, "upstream_bad_answer")
            self._send_singly()

    def on_end(self, error: NetworkError | None) -> None:
        """Gives each call its part, or sends each alone."""
        self._exchange = None
        head, body = self._head, b"".join(self._parts)
        self._parts = []
        if error is not None or head is None:
            self._end("failed", None, "upstream_reset")
        elif head.status == OK:
            bodies = self._split(body)
            if bodies is not None:
                self._end("ok", OK, None)
                self._answer(bodies)
                return
            self._end("failed", OK, "upstream_bad_answer")
        else:
            self._end(_blame(head), head.status, "batch_refused", head)
        self._send_singly()

    # -- what the patrol asks (`routing.vitals.Waiter`) ---------------------------------------------

    @property
    def is_stream(self) -> bool:
        """Embeddings are never streamed."""
        return False

    def overdue(self, now_s: float) -> bool:
        """Does nothing: what waits too long is sent singly at its deadline."""
        del now_s
        return False

    # -- inside -------------------------------------------------------------------------------------

    def _is_sent(self) -> bool:
        """Sends all as one. Returns whether there was anywhere to send it."""
        first, now_s = self._calls[0], perf_counter()
        target = self._route.group(first.arm).choose(first.affinity, now_s, is_stream=False)
        if target is None or target.dialect is not None or first.asked is None:
            return False
        body = merged(first.request.body, self._inputs)
        body = edits.replace_model(body, edits.name_as_json(first.asked.model), target.model_json)
        if target.drops:
            body = edits.drop_members(body, target.drops)
        request = b"%b%d\r\n%b\r\n%b" % (target.heads["embeddings"], len(body), first.names, body)
        exchange = Exchange(request, self, first.state.deadlines)
        try:
            target.origin.send(exchange)
        except PoolFullError:
            return False
        self._exchange, self._target, self._begun_s = exchange, target, now_s
        target.vitals.begin(self, now_s)
        for call in self._calls:
            call.target = target
            call.provider, call.deployment, call.price = target.provider, target.deployment, target.price
            call.queue_ms = (now_s - call.request.started_s) * 1000
        return True

    def _end(
        self, ending: str, status: int | None, error_code: str | None, head: ResponseHead | None = None
    ) -> None:
        """Ends the attempt: in the deployment's vitals, and on each call's record."""
        target, now_s = self._target, perf_counter()
        if target is None:
            return
        self._target = None
        vitals = target.vitals
        if ending == "ok":
            vitals.succeeded(self, self._begun_s, now_s)
        elif ending == "limited":
            said = head.get(b"retry-after") if head is not None else None
            after_s = float(said) if said is not None and said.isdigit() else None
            vitals.limited(self, self._begun_s, now_s, after_s)
        elif ending == "failed":
            vitals.failed(self, self._begun_s, now_s)
        else:
            vitals.unknown(self, self._begun_s, now_s)
        took_ms = (now_s - self._begun_s) * 1000
        for call in self._calls:
            started_ms = (self._begun_s - call.request.started_s) * 1000
            attempt = Attempt(target.deployment, target.provider, status, error_code, started_ms, took_ms)
            call.attempts = (*call.attempts, attempt)

    def _split(self, body: bytes) -> list[bytes] | None:
        try:
            return split(body, self._inputs)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _answer(self, bodies: list[bytes]) -> None:
        for call, body in zip(self._calls, bodies, strict=True):
            if not call.is_ended:
                assert call.route is not None
                own = edits.replace_model(body, _model_of(body), call.route.model_json)
                Retelling(call, None).whole(own)

    def _send_singly(self) -> None:
        for call in self._calls:
            if not call.is_ended:
                call.client.occupant = None
                call.go_on(call)


class Waiting:
    """One call among those gathered, as its client's connection sees it."""

    __slots__ = ("_call", "_gathered")

    def __init__(self, call: Call, gathered: Gathered) -> None:
        self._call = call
        self._gathered = gathered

    def on_client_gone(self) -> None:
        """Records the call as cancelled; the others go on."""
        call = self._call
        outcome: Outcome = "cut" if call.state.is_stopping else "cancelled"
        record.end_quietly(call, status=record.status_of(call), outcome=outcome)
        self._gathered.left()

    def on_client_paused(self) -> None:
        """Does nothing: nothing was written yet."""

    def on_client_resumed(self) -> None:
        """Does nothing."""


def _blame(head: ResponseHead) -> str:
    if head.status == RATE_LIMITED:
        return "limited"
    return "failed" if head.status >= SERVER_ERRORS else "unknown"


def _model_of(body: bytes) -> bytes:
    """Returns the name of the model that answered, as JSON."""
    return bytes(wire.decode_members(body)["model"])
