"""The gatekeeper of one worker: counts the calls it works on, and lets waiting ones in as others end.

Refuses to know HTTP and the record: what is done with a call that is let in or shed is passed in. Invariant:
a call that was let in is counted until `left`; while somebody waits, a timer runs.
"""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from typing import Final, Protocol

from pilothouse.contracts.traffic import Admission, Priority
from pilothouse.gateway.admission.line import Entry, WaitingRoom

SWEEP_S: Final = 0.025
"""How often those that have waited too long are looked for, and places that came free unseen."""
RANKS: Final[dict[Priority, int]] = {"high": 0, "normal": 1, "low": 2}
CLASS_NAMES: Final[tuple[Priority, ...]] = ("high", "normal", "low")
WAITS_MS: Final = (30_000, 10_000, 5_000)
SHORTEST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 60.0
MOST_LINES: Final = 2_000


class Guest(Protocol):
    """A call as the gatekeeper sees it."""

    def has_place(self) -> bool:
        """Says whether a deployment of its model can take it."""

    def let_in(self, waited_s: float) -> None:
        """Goes on with it."""

    def shed(self, why: str, retry_after_s: float) -> None:
        """Refuses it."""


class Gatekeeper:
    """One worker's admission."""

    __slots__ = (
        "_clock_s",
        "_is_letting_in",
        "_loop",
        "_timer",
        "most",
        "queue_calls",
        "room",
        "running",
        "shed_total",
        "waits_s",
    )

    def __init__(self, loop: AbstractEventLoop, clock_s: Callable[[], float]) -> None:
        self._loop = loop
        self._clock_s = clock_s
        self._timer: TimerHandle | None = None
        self._is_letting_in = False
        self.room: WaitingRoom[Guest] = WaitingRoom()
        self.running = 0
        self.shed_total = 0
        self.most = 0
        self.queue_calls = 0
        self.waits_s: tuple[float, ...] = ()
        self.obey(Admission())

    def obey(self, policy: Admission) -> None:
        """Puts a policy in force."""
        self.most = policy.in_flight
        self.queue_calls = policy.queue_calls
        self.waits_s = tuple(
            [policy.queue_ms.get(name, WAITS_MS[rank]) / 1000 for name, rank in RANKS.items()]
        )

    def must_wait(self, model: str) -> bool:
        """Says whether the worker can take no more, or others wait for the same model."""
        if self.running >= self.most:
            return True
        if not self.room.waiting:
            return False
        line = self.room.lines.get(model)
        return line is not None and line.waiting > 0

    def queued(self) -> dict[Priority, int]:
        """Returns how many wait, by class."""
        by_class = self.room.by_class
        return {name: by_class[rank] for name, rank in RANKS.items() if by_class[rank]}

    def queue(self, guest: Guest, model: str, priority: Priority) -> Entry[Guest]:
        """Lets a call wait, or sheds it or another. Returns its place."""
        rank, now_s = RANKS[priority], self._clock_s()
        if len(self.room.lines) > MOST_LINES:
            self.room.keep(set())
        entry, leaves = self.room.enter(
            guest, model, rank, now_s=now_s, wait_s=self.waits_s[rank], most=self.queue_calls
        )
        if leaves is not None:
            self._shed(leaves, "the queue is full", now_s)
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP_S, self._sweep)
        self._soon()  # others may wait for models that are full while this one's is not
        return entry

    def left(self, model: str) -> None:
        """Notes that a call which was let in has ended."""
        self.running -= 1
        if self.room.waiting:
            line = self.room.lines.get(model)
            if line is not None:
                line.drained(self._clock_s())
            self._soon()

    def gone(self, entry: Entry[Guest]) -> None:
        """Forgets one that waits: its client has hung up."""
        self.room.remove(entry)

    def _soon(self) -> None:
        """Lets others in once the call that ends now has let go of all it held."""
        if not self._is_letting_in:
            self._is_letting_in = True
            self._loop.call_soon(self._let_in)

    def _let_in(self) -> None:
        self._is_letting_in = False
        while self.running < self.most:
            entry = self.room.next(_has_place)
            if entry is None:
                return
            self.running += 1
            entry.item.let_in(self._clock_s() - entry.since_s)

    def _sweep(self) -> None:
        self._timer = None
        now_s = self._clock_s()
        for entry in self.room.expired(now_s):
            self._shed(entry, "its turn did not come in time", now_s)
        self._let_in()
        if self.room.waiting:
            self._timer = self._loop.call_later(SWEEP_S, self._sweep)

    def _shed(self, entry: Entry[Guest], why: str, now_s: float) -> None:
        self.shed_total += 1
        wait_s = entry.line.wait_s(entry.rank, now_s)
        if wait_s is None:
            wait_s = self.waits_s[entry.rank]
        entry.item.shed(why, min(max(wait_s, SHORTEST_RETRY_S), LONGEST_RETRY_S))


def _has_place(guest: Guest) -> bool:
    return guest.has_place()
