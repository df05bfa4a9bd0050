"""One call under way whose answer is wanted by more than its client: by memory, and by calls equal to it.

Those that join get what has come so far and then what comes, each in its own shape and dialect. If the first
call's client hangs up, the upstream call goes on for the others, and the first is recorded as cancelled with
what it cost. If it fails, all fail with it: it had its retries and fallbacks, and a crowd that starts anew
would only be the load that the failing provider does not need. Refuses to know digests and scopes.
Invariant: each call that joined ends exactly once, and what it is given is exactly what the first got.
"""

from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec

from pilothouse.contracts.errors import ApiError, JournalError, UnavailableError
from pilothouse.contracts.events import Outcome
from pilothouse.gateway import record, wire
from pilothouse.gateway.caching.caches import ModelCache
from pilothouse.gateway.caching.memory import Entry
from pilothouse.gateway.call import Call
from pilothouse.gateway.mirror_end import MirrorEnd
from pilothouse.gateway.occupant import Occupant
from pilothouse.gateway.retell import Retelling

if TYPE_CHECKING:
    from pilothouse.gateway.caching.digest import Meaning

MOST_REPLAYED_BYTES = 1_048_576
"""Of a stream under way that are kept for those who join; a longer one is joined no more."""
MOST_JOINED = 256
"""Calls that one flight carries; the next begins another."""
GOOD_ENDS = frozenset(("stop", "tool_calls", "function_call"))


class Flight:
    """A call, those that joined it, and the cache that takes its answer."""

    __slots__ = (
        "_batches",
        "_bytes",
        "_cache",
        "_digest",
        "_is_stored",
        "_joined",
        "_kept",
        "_leader",
        "meaning",
    )

    def __init__(self, leader: Call, cache: ModelCache, digest: bytes, *, is_stored: bool) -> None:
        self._leader = leader
        self._cache = cache
        self._digest = digest
        self._is_stored = is_stored
        self._joined: list[Retelling] = []
        self._batches: list[bytes] = []
        self._bytes = 0
        self._kept: bytes | None = None
        self.meaning: tuple[Meaning, Any] | None = None
        """Under which the answer is found by meaning, with its vector."""

    # -- those who join -----------------------------------------------------------------------------

    def open(self) -> None:
        """Lets equal calls join from now on."""
        self._cache.flights[self._digest] = self

    def join(self, call: Call) -> bool:
        """Takes a call along. Returns whether there was room."""
        if len(self._joined) >= MOST_JOINED:
            self._shut()
            return False
        self._cache.coalesced_total += 1
        call.is_held = True
        occupant = self._leader.client.occupant
        if occupant is not None and not self.is_wanted():
            occupant.on_client_resumed()  # from now on a slow first client holds nobody up
        joined = Retelling(call, "coalesced", self)
        self._joined.append(joined)
        if self._batches and call.is_stream:
            self._batches = [b"".join(self._batches)]
            self._pass_on(joined, self._batches[0])
        return True

    def left(self) -> None:
        """Stops the upstream call when nobody waits for it any more."""
        leader = self._leader
        if leader.is_abandoned and not leader.is_ended and not self.is_wanted():
            leader.is_abandoned = False
            occupant = leader.client.occupant
            if occupant is not None:
                occupant.on_client_gone()

    def answer_from(self, entry: Entry, *, age_s: float) -> None:
        """Gives everybody an answer that was found by its meaning; the first call was not sent."""
        leader = self._leader
        leader.capture = None
        self._shut()
        self._cache.semantic_total += 1
        if not leader.is_ended:
            leader.price = entry.price
            Retelling(leader, "semantic").whole(entry.body, age_s=age_s)
        for joined in self._take_joined():
            joined.call.price = entry.price
            joined.whole(entry.body, age_s=age_s)

    # -- what the call says (`capture.Capture`) -----------------------------------------------------

    def events(self, batch: bytes) -> None:
        """Passes events on, and keeps them for those who join later."""
        if self._digest in self._cache.flights:
            self._batches.append(batch)
            self._bytes += len(batch)
            if self._bytes > MOST_REPLAYED_BYTES:
                self._shut()
        for joined in self._joined:
            if joined.call.is_stream and not joined.call.is_ended:
                self._pass_on(joined, batch)

    def whole(self, body: bytes) -> None:
        """Keeps the answer until the call has ended."""
        self._kept = body

    def ended(self, outcome: Outcome, error: ApiError | None) -> None:
        """Ends everybody as the call has ended, and keeps a good answer."""
        self._shut()
        body = self._kept
        everybody = self._take_joined()
        if outcome == "completed" and body is not None:
            if self._is_stored and self._is_good(body):
                self._store(body)
            for joined in everybody:
                self._give(joined, body)
            return
        fault = error or UnavailableError(
            "The equal call that this one waited for was broken off.",
            hint="Try again.",
            code="call_broken_off",
        )
        for joined in everybody:
            joined.fail(fault)

    def is_wanted(self) -> bool:
        """Says whether anybody who joined still waits."""
        return any(not joined.call.is_ended for joined in self._joined)

    def abandon(self, occupant: Occupant) -> None:
        """Lets the call go on although its client has gone; who answers it goes on writing, to nobody."""
        nobody = MirrorEnd(_Nobody())
        nobody.occupant = occupant
        self._leader.client = nobody
        self._leader.is_abandoned = True

    # -- inside -------------------------------------------------------------------------------------

    def _shut(self) -> None:
        """Lets nobody join any more."""
        flights = self._cache.flights
        if flights.get(self._digest) is self:
            del flights[self._digest]
        self._batches = []

    def _take_joined(self) -> list[Retelling]:
        joined, self._joined = self._joined, []
        return [each for each in joined if not each.call.is_ended]

    def _pass_on(self, joined: Retelling, batch: bytes) -> None:
        try:
            joined.events(batch, self._leader)
        except JournalError as error:
            joined.call.is_start_recorded = False
            joined.fail(record.unrecorded(error))

    def _give(self, joined: Retelling, body: bytes) -> None:
        joined.call.price = self._leader.price
        if joined.is_begun:
            joined.finish(self._leader, body)
        else:
            joined.whole(body)

    def _is_good(self, body: bytes) -> bool:
        """Says whether an answer may be given again: whole, ended by itself, by the model that was asked."""
        leader = self._leader
        if any(attempt.reason == "fallback" for attempt in leader.attempts):
            return False
        if leader.operation == "embeddings":
            return True
        try:
            choices = wire.decode_answer(body).choices
        except msgspec.DecodeError:
            return False
        is_length_asked = leader.parameters.max_tokens is not None
        return bool(choices) and all(
            choice.finish_reason in GOOD_ENDS or (choice.finish_reason == "length" and is_length_asked)
            for choice in choices
        )

    def _store(self, body: bytes) -> None:
        leader, cache = self._leader, self._cache
        if leader.subject is not None and leader.subject in leader.state.caches.forgotten:
            return
        now_s = perf_counter()
        entry = Entry(
            self._digest,
            body,
            subject=leader.subject,
            price=leader.price,
            created_s=now_s,
            ttl_s=cache.policy.ttl_s,
        )
        if not cache.put(entry, now_s) or self.meaning is None:
            return
        meaning, vector = self.meaning
        entry.text = meaning.text
        more = cache.meanings.add(meaning.bucket, entry, vector)
        cache.answers.grow(entry, more + len(entry.text))


class _Nobody:
    """Counts nothing."""

    shadows: int = 0
