"""The live tail: passes each call on record from the projector's thread to whoever watches.

Refuses to know what a call is. Invariant: a slow watcher loses the oldest calls and is told so; it never
holds up the projector or another watcher.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

MOST_WAITING = 1000
"""Items kept for one watcher that does not keep up."""

Item = TypeVar("Item")


class Watcher(Generic[Item]):
    """What one watcher has not yet taken. Used on the event loop only."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque(maxlen=MOST_WAITING)
        self._has_news = asyncio.Event()
        self.is_closed = False
        self.lost = 0
        """How many items were dropped because they were not taken in time."""

    def give(self, items: Sequence[Item]) -> None:
        """Adds items."""
        self.lost += max(0, len(self._items) + len(items) - MOST_WAITING)
        self._items.extend(items)
        self._has_news.set()

    def close(self) -> None:
        """Ends the tail for this watcher."""
        self.is_closed = True
        self._has_news.set()

    async def take(self, timeout_s: float) -> list[Item]:
        """Waits for items, `timeout_s` at most, and returns all there are."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._has_news.wait()
        items = list(self._items)
        self._items.clear()
        if not self.is_closed:
            self._has_news.clear()
        return items


class Tail(Generic[Item]):
    """All watchers of one process."""

    def __init__(self) -> None:
        self._watchers: set[Watcher[Item]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    @contextmanager
    def watch(self) -> Iterator[Watcher[Item]]:
        """Gives a new watcher, which gets everything until it is left. Called on the event loop."""
        self._loop = asyncio.get_running_loop()
        watcher = Watcher[Item]()
        if self._is_closed:
            watcher.close()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    @property
    def is_watched(self) -> bool:
        """Says whether anybody watches."""
        return bool(self._watchers)

    def give(self, items: Sequence[Item]) -> None:
        """Passes items to every watcher; called from any thread."""
        if items and self._watchers and self._loop is not None:
            with suppress(RuntimeError):  # The loop has ended, and with it everybody who watched.
                self._loop.call_soon_threadsafe(self._give, items)

    def close(self) -> None:
        """Ends all tails, those opened later too. Called on the event loop."""
        self._is_closed = True
        for watcher in self._watchers:
            watcher.close()

    def _give(self, items: Sequence[Item]) -> None:
        for watcher in self._watchers:
            watcher.give(items)
