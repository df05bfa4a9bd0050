"""The waiting room: a line for each model, in it a queue for each class, first come first served.

High before normal before low; but every eighth that is let in is the one that has waited longest, whatever
its class, so that a flood of the high ones slows the low ones and never stops them. When the room is full,
the one of the lowest class that has waited longest leaves. Refuses to know calls and clocks. Invariant: who
entered leaves once: taken by `next`, by `expired`, by `enter` of another, or by `remove`.
"""

from collections import deque
from collections.abc import Callable
from math import exp
from typing import Final, Generic, TypeVar

T = TypeVar("T")

CLASSES: Final = 3
TURN_OF_THE_OLDEST: Final = 8
RATE_OVER_S: Final = 5.0
"""Over about how long the rate of calls that end is averaged, in seconds."""


class Entry(Generic[T]):
    """One that waits."""

    __slots__ = ("is_waiting", "item", "line", "rank", "since_s", "until_s")

    def __init__(self, item: T, line: "Line[T]", rank: int, since_s: float, until_s: float) -> None:
        self.item = item
        self.line = line
        self.rank = rank
        """Its class: 0 is the highest."""
        self.since_s = since_s
        self.until_s = until_s
        self.is_waiting = True


class Line(Generic[T]):
    """Those that wait for one model, and how fast calls to it end."""

    __slots__ = ("_rate", "_rate_at_s", "name", "queues", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.queues: tuple[deque[Entry[T]], ...] = tuple([deque() for _ in range(CLASSES)])
        self.waiting = 0
        self._rate = 0.0
        self._rate_at_s = 0.0

    def head(self, rank: int) -> Entry[T] | None:
        """Returns the first of a class that still waits."""
        queue = self.queues[rank]
        while queue:
            if queue[0].is_waiting:
                return queue[0]
            queue.popleft()
        return None

    def drained(self, now_s: float) -> None:
        """Notes that a call has ended while others wait."""
        self._rate = self._decayed(now_s) + 1.0 / RATE_OVER_S
        self._rate_at_s = now_s

    def wait_s(self, rank: int, now_s: float) -> float | None:
        """Returns how long those of this class and above will take, or `None` when nothing has ended yet."""
        rate = self._decayed(now_s)
        ahead = 1 + sum(each.is_waiting for queue in self.queues[: rank + 1] for each in queue)
        return ahead / rate if rate > 1e-3 else None  # noqa: PLR2004 - less than one in a quarter of an hour

    def _decayed(self, now_s: float) -> float:
        return self._rate * exp((self._rate_at_s - now_s) / RATE_OVER_S)


class WaitingRoom(Generic[T]):
    """All lines of one worker."""

    __slots__ = ("_turn", "by_class", "lines", "waiting")

    def __init__(self) -> None:
        self.lines: dict[str, Line[T]] = {}
        self.waiting = 0
        self.by_class = [0] * CLASSES
        self._turn = 0

    def line(self, name: str) -> Line[T]:
        """Returns the line of a model."""
        found = self.lines.get(name)
        if found is None:
            found = self.lines[name] = Line(name)
        return found

    def enter(
        self, item: T, name: str, rank: int, *, now_s: float, wait_s: float, most: int
    ) -> tuple[Entry[T], Entry[T] | None]:
        """Lets one in, and another out when the room is full.

        Returns:
            Its place; and who has to leave, which is the same when it is of a lower class than all that wait.
        """
        entry = Entry(item, self.line(name), rank, now_s, now_s + wait_s)
        leaves: Entry[T] | None = None
        if self.waiting >= most:
            leaves = self._lowest()
            if leaves is None or leaves.rank < rank:
                entry.is_waiting = False
                return entry, entry
            self.remove(leaves)
        entry.line.queues[rank].append(entry)
        entry.line.waiting += 1
        self.waiting += 1
        self.by_class[rank] += 1
        return entry, leaves

    def next(self, has_place: Callable[[T], bool]) -> Entry[T] | None:
        """Takes out the next whose model has a place for it."""
        heads: list[Entry[T]] = []
        for line in self.lines.values():
            if not line.waiting:
                continue
            firsts = [head for rank in range(CLASSES) if (head := line.head(rank)) is not None]
            if firsts and has_place(firsts[0].item):
                heads += firsts
        if not heads:
            return None
        self._turn = (self._turn + 1) % TURN_OF_THE_OLDEST
        chosen = min(heads, key=_age if not self._turn else _rank_and_age)
        self.remove(chosen)
        if not self.waiting:
            self._turn = 0
        return chosen

    def expired(self, now_s: float) -> list[Entry[T]]:
        """Takes out those that have waited as long as their class may."""
        found: list[Entry[T]] = []
        for line in self.lines.values():
            for rank in range(CLASSES if line.waiting else 0):
                while (head := line.head(rank)) is not None and head.until_s <= now_s:
                    self.remove(head)
                    found.append(head)
        return found

    def remove(self, entry: Entry[T]) -> None:
        """Takes one out, if it still waits."""
        if not entry.is_waiting:
            return
        entry.is_waiting = False
        line = entry.line
        line.waiting -= 1
        self.waiting -= 1
        self.by_class[entry.rank] -= 1
        queue = line.queues[entry.rank]
        if queue and queue[0] is entry:
            queue.popleft()
        elif not line.waiting:
            for each in line.queues:
                each.clear()

    def keep(self, names: set[str]) -> None:
        """Forgets the lines of models that are no more, once nobody waits there."""
        for name in [name for name, line in self.lines.items() if not line.waiting and name not in names]:
            del self.lines[name]

    def _lowest(self) -> Entry[T] | None:
        for rank in range(CLASSES - 1, -1, -1):
            if self.by_class[rank]:
                heads = [head for line in self.lines.values() if (head := line.head(rank)) is not None]
                return min(heads, key=_age)
        return None


def _age(entry: Entry[T]) -> float:
    return entry.since_s


def _rank_and_age(entry: Entry[T]) -> tuple[int, float]:
    return entry.rank, entry.since_s
