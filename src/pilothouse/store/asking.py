"""Gives up the questions of one who has left: what a request asks the record is stopped with the request.

Refuses to know HTTP and databases. Invariant: what is asked outside `asking` or inside `for_everybody` is
stopped by nobody.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

from pilothouse.contracts.errors import UnavailableError

__all__ = ["Asking", "asking", "check", "for_everybody", "stoppable"]

_current: ContextVar["Asking | None"] = ContextVar("asking", default=None)


class Asking:
    """All that one request asks, from whatever threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._stops: list[Callable[[], None]] = []
        self.is_over = False

    def give_up(self) -> None:
        """Stops what is being asked, and refuses what would be asked from now on."""
        with self._lock:
            self.is_over = True
            for stop in self._stops:
                stop()

    @contextmanager
    def stoppable(self, stop: Callable[[], None]) -> Iterator[None]:
        """Has `stop` called when it is given up meanwhile."""
        with self._lock:
            self._stops.append(stop)
        try:
            yield
        finally:
            with self._lock:
                self._stops.remove(stop)


@contextmanager
def asking() -> Iterator[Asking]:
    """Gives what the caller can give up: all that is asked within, threads started from here included."""
    one = Asking()
    token = _current.set(one)
    try:
        yield one
    finally:
        _current.reset(token)


@contextmanager
def for_everybody() -> Iterator[None]:
    """Has what is asked within go on when the one who asked first leaves: others wait for it too."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def stoppable(stop: Callable[[], None]) -> Iterator[None]:
    """Has `stop` called when whoever asks here leaves meanwhile."""
    one = _current.get()
    if one is None:
        yield
        return
    with one.stoppable(stop):
        yield


def check() -> None:
    """Refuses to ask for one who has left.

    Raises:
        UnavailableError: he has.
    """
    one = _current.get()
    if one is not None and one.is_over:
        raise UnavailableError("nobody waits for the answer any more", code="caller_left")
