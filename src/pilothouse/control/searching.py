"""The text index of this home: its key, and the job that fills it.

Refuses to know what is looked for. Invariant: the job has a keyring of its own, since one is for one thread.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.contracts.home import Home
from pilothouse.store.analytics import Analytics
from pilothouse.store.search_index import Indexer, SearchIndex, load_search_key
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.prometheus import Family, Sample
from pilothouse.worker import Job

INDEXING_S = 0.1
"""Between slices of 512 rows: at most 5,000 rows a second, about a sixth of a core."""


MOST_SKIPPED = 30
"""Slices left out at most while there is a burst of telemetry to put on record."""


class _Polite:
    """Lets what puts rows on record go first: rows that are not indexed yet can be found all the same."""

    def __init__(self, tick: Callable[[int], bool], is_busy: Callable[[], bool]) -> None:
        self._tick = tick
        self._is_busy = is_busy
        self._skipped = 0

    def tick(self, now_ms: int) -> bool:
        if self._is_busy() and self._skipped < MOST_SKIPPED:
            self._skipped += 1
            return False
        self._skipped = 0
        return self._tick(now_ms)


@dataclass(frozen=True, slots=True)
class Searching:
    """The index for who asks, the indexer for who asks how far it is, and its job."""

    index: SearchIndex
    indexer: Indexer
    job: Job

    def families(self, _now_ms: int) -> list[Family]:
        """Returns how far the index is, as metrics."""
        return [
            Family(
                "pilothouse_text_index_rows_total",
                "counter",
                "Rows of content whose words were indexed since the start.",
                [Sample(self.indexer.rows_total)],
            ),
            Family(
                "pilothouse_text_index_waiting_rows",
                "gauge",
                "Rows of content that are not indexed yet; a search reads them directly.",
                [Sample(self.indexer.behind)],
            ),
        ]


def searching(home: Home, analytics: Analytics, is_busy: Callable[[], bool]) -> Searching:
    """Makes the index of a home ready; while `is_busy`, it is filled slowly.

    Raises:
        ConfigurationError: the index's key cannot be read.
    """
    key = load_search_key(home.search_key)
    # Two: the indexer's hashes are cached by another thread than the askers'.
    indexer = Indexer(analytics, SearchIndex(key), Keyring(home.keyring, home.master_key))
    return Searching(
        SearchIndex(key), indexer, Job("text_index", _Polite(indexer.tick, is_busy).tick, INDEXING_S)
    )
