"""Step 7: the cache. Answers a call with what was answered before, lets it join an equal one, or lets it on.

    exact       the same request, by its digest               caching/digest.py, caching/memory.py
    coalesced   the same request, under way now               flight.py
    semantic    a request that means the same                 caching/meanings.py, caching/words.py
    batching    embeddings that arrive together are one       gather.py

Who shares answers is the policy's scope; a call whose content must not be recorded shares with no other key,
whatever the scope. The request's `cache-control` is obeyed: `no-cache` and `max-age` ask for a fresh answer,
`no-store` keeps the call out altogether. Refuses to know how an answer is told. Invariant: a model without a
policy costs one test, and no answer crosses its scope.
"""

import re
from time import perf_counter
from typing import TYPE_CHECKING

from pilothouse.gateway import record
from pilothouse.gateway.caching.caches import ModelCache
from pilothouse.gateway.caching.digest import (
    Document,
    Meaning,
    digest_of,
    meaning_of,
    read_document,
    scope_of,
    seed_of,
)
from pilothouse.gateway.caching.words import is_reworded
from pilothouse.gateway.call import Call
from pilothouse.gateway.flight import Flight
from pilothouse.gateway.gather import gather
from pilothouse.gateway.retell import MISS, Retelling

if TYPE_CHECKING:
    from pilothouse.contracts.events import Outcome

BEYOND_CHAT = frozenset(("thinking", "reasoning", "include"))
"""Members of other dialects that ask for what a chat cannot hold (signed thoughts): an answer would lose that
when it is told again."""
SERVE = "serve"
"""The purpose of calls that may be cached: tests and judges say another, and want the model itself."""
EMBED_S = 0.15
"""How long a call waits for its meaning; then it goes on as a miss."""
_MAX_AGE = re.compile(rb"(?:^|[ ,])max-age=(\d{1,9})(?:$|[ ,])")


def cache(call: Call) -> None:
    """Answers a call out of the cache of its model, holds it for others, or lets it on."""
    route = call.route
    assert route is not None
    if route.is_plain:
        return
    if route.caching is not None:
        _look(call, route.caching)
    if route.batching is not None and not call.is_held and call.operation == "embeddings":
        gather(call, route, route.batching)


def _look(call: Call, held: ModelCache) -> None:
    wish = call.request.headers.get(b"cache-control", b"").lower()
    scope = scope_of(
        held.policy.scope,
        key_id=call.key_id,
        team=call.team,
        is_recorded=call.policy.content != "none",
    )
    document = None
    if scope is not None and b"no-store" not in wish and call.purpose == SERVE:
        document = _document(call, is_shared=scope[0] != "key")
    if scope is None or document is None:
        call.limit_lines += MISS
        return
    seed = seed_of(held.fingerprint, scope, call.dialect, call.operation, call.arm or "")
    digest = digest_of(seed, document)
    is_fresh = b"no-cache" in wish
    max_age_s = _max_age_s(wish)
    if not is_fresh and _is_answered(call, held, digest, max_age_s):
        return
    call.limit_lines += MISS
    held.misses_total += 1
    flight = Flight(call, held, digest, is_stored=held.keeps)
    call.capture = flight
    if is_fresh:
        return
    if held.policy.coalesce:
        flight.open()
    if held.is_semantic and call.operation == "chat":
        meaning = meaning_of(seed, document)
        if meaning is not None:
            Lookup(call, held, flight, meaning, max_age_s).begin()


def _is_answered(call: Call, held: ModelCache, digest: bytes, max_age_s: float) -> bool:
    """Answers from memory, or joins an equal call. Returns whether it did either."""
    now_s = call.request.started_s
    entry = held.answers.find(digest, now_s) if held.keeps else None
    if entry is not None and now_s - entry.created_s <= max_age_s:
        held.exact_total += 1
        call.is_held = True
        call.price = entry.price
        if call.is_stream and not entry.events:
            held.answers.spell(entry)
        age_s = max(0.0, now_s - entry.created_s)
        Retelling(call, "exact").whole(entry.body, age_s=age_s, events=entry.events)
        return True
    flight = held.flights.get(digest) if held.policy.coalesce else None
    return isinstance(flight, Flight) and flight.join(call)


def _document(call: Call, *, is_shared: bool) -> Document | None:
    """Returns what is asked for, or `None` when its answer must not be told to another call."""
    if call.only_native is not None:
        return None
    document = read_document(call.original or call.request.body, is_shared=is_shared)
    if document is None or (call.speaks is not None and not BEYOND_CHAT.isdisjoint(document)):
        return None
    return document


def _max_age_s(wish: bytes) -> float:
    found = _MAX_AGE.search(wish)
    return float(found.group(1)) if found is not None else float("inf")


class Lookup:
    """A call that waits for its meaning."""

    __slots__ = ("_call", "_flight", "_held", "_max_age_s", "_meaning")

    def __init__(
        self, call: Call, held: ModelCache, flight: Flight, meaning: Meaning, max_age_s: float
    ) -> None:
        self._call = call
        self._held = held
        self._flight = flight
        self._meaning = meaning
        self._max_age_s = max_age_s

    def begin(self) -> None:
        """Asks the embedding model."""
        call = self._call
        call.is_held = True
        call.client.occupant = self
        call.state.embedder.embed(
            self._held.policy.embedder, self._meaning.text, within_s=EMBED_S, done=self.heard
        )

    def heard(self, values: list[float] | None) -> None:
        """Answers with what means the same, or lets the call on."""
        call = self._call
        if call.is_ended:
            return
        call.client.occupant = None
        if not self._is_answered(values):
            call.go_on(call)

    def _is_answered(self, values: list[float] | None) -> bool:
        held, now_s, meaning = self._held, perf_counter(), self._meaning
        vector = held.meanings.unit(values) if values is not None else None
        if vector is None:
            held.embedder_misses_total += 1
            return False
        self._flight.meaning = (meaning, vector)
        for entry in held.meanings.near(meaning.bucket, vector, held.policy.threshold):
            age_s = max(0.0, now_s - entry.created_s)
            if entry.expires_s <= now_s or age_s > self._max_age_s:
                continue
            if is_reworded(meaning.text, entry.text):
                held.answers.use(entry)
                held.misses_total -= 1
                self._flight.answer_from(entry, age_s=age_s)
                return True
        return False

    # -- the client's side (`occupant.Occupant`) ----------------------------------------------------

    def on_client_gone(self) -> None:
        """Records the call as cancelled, unless others wait with it."""
        call = self._call
        if self._flight.is_wanted():
            self._flight.abandon(self)
            return
        outcome: Outcome = "cut" if call.state.is_stopping else "cancelled"
        record.end_quietly(call, status=record.status_of(call), outcome=outcome)

    def on_client_paused(self) -> None:
        """Does nothing: nothing was written yet."""

    def on_client_resumed(self) -> None:
        """Does nothing."""
