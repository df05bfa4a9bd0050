"""The live tail's server-sent events: which calls, how many in a flood, each rendered once for all who watch.

Refuses to know HTTP, and who may watch. Invariant: whoever may no longer watch is sent no further call, and
what is left out is counted.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from pilothouse.analytics.calls import CallFilter, call_of_event
from pilothouse.contracts.events import RequestCompleted

__all__ = ["Rendering", "Watched", "Watcher", "events"]

KEEP_ALIVE_S = 15.0
PAUSE_S = 0.75
"""How long a thinned tail rests after a batch: nobody reads faster, and each message costs the gateway."""
FEW_CALLS = 5
"""A batch this small is no flood: the next one may follow at once."""
ALL_CALLS = CallFilter()
MOST_KEPT = 512
"""Renderings kept: those who watch are rarely more than a second apart."""


class Watcher(Protocol):
    """One who watches calls get on record."""

    is_closed: bool
    lost: int
    """How many calls were dropped because they were not taken in time."""

    async def take(self, timeout_s: float) -> list[RequestCompleted]:
        """Waits for calls, and returns those there are."""


class Watched(Protocol):
    """What can be watched."""

    def watch(self) -> AbstractContextManager[Watcher]:
        """Gives a new watcher, until it is left."""


class Rendering:
    """Calls as events, each made once. Used on the event loop only."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def of(self, event: RequestCompleted, names: Mapping[str, str]) -> bytes:
        """Returns a call as an event."""
        kept = self._kept.get(event.call_id)
        if kept is None:
            shown = msgspec.json.encode(call_of_event(event, names))
            kept = self._kept[event.call_id] = b"event: call\ndata: " + shown + b"\n\n"
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return kept


async def events(
    tail: Watched,
    rendering: Rendering,
    *,
    look_up: Callable[[], Mapping[str, str] | None],
    only: CallFilter,
    most: int | None,
) -> AsyncIterator[bytes]:
    """Yields what is sent to one who watches, until they may no longer or the tail ends.

    Args:
        tail: What is watched.
        rendering: Shared by all who watch.
        look_up: Returns the keys' names by id, `None` when this one may no longer watch; may block.
        only: Which calls.
        most: So many calls in a batch at most, the newest; then batches are some time apart.
    """
    lost = 0
    with tail.watch() as watcher:
        yield b": these are the calls that get on record from now on\n\n"
        while not watcher.is_closed:
            arrived: Sequence[RequestCompleted] = await watcher.take(KEEP_ALIVE_S)
            names = await asyncio.to_thread(look_up)
            if names is None:
                return
            wanted = arrived if only == ALL_CALLS else _matching(arrived, only, names)
            skipped, lost = watcher.lost - lost, watcher.lost
            if most is not None and len(wanted) > most:
                skipped += len(wanted) - most
                wanted = wanted[-most:]
            said = b"".join([rendering.of(event, names) for event in wanted])
            if most is not None and skipped:
                said += b"event: skipped\ndata: %d\n\n" % skipped
            # Also when all calls were of another kind: a silent connection is closed on the way.
            yield said or b": still here\n\n"
            if most is not None and len(arrived) > FEW_CALLS:
                await asyncio.sleep(PAUSE_S)


def _matching(
    arrived: Sequence[RequestCompleted], only: CallFilter, names: Mapping[str, str]
) -> list[RequestCompleted]:
    return [event for event in arrived if only.matches(call_of_event(event, names))]
