"""The text index of this home: its key, and the job that fills it.

Refuses to know what is looked for. Invariant: the job has a keyring of its own, since one is for one thread.
"""

from dataclasses import dataclass

from pilothouse.contracts.home import Home
from pilothouse.store.analytics import Analytics
from pilothouse.store.search_index import Indexer, SearchIndex, load_search_key
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.prometheus import Family, Sample
from pilothouse.worker import Job

INDEXING_S = 0.1
"""Between slices of 512 rows: at most 5,000 rows a second, about a sixth of a core."""


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


def searching(home: Home, analytics: Analytics) -> Searching:
    """Makes the index of a home ready.

    Raises:
        ConfigurationError: the index's key cannot be read.
    """
    key = load_search_key(home.search_key)
    # Two: the indexer's hashes are cached by another thread than the askers'.
    indexer = Indexer(analytics, SearchIndex(key), Keyring(home.keyring, home.master_key))
    return Searching(SearchIndex(key), indexer, Job("text_index", indexer.tick, INDEXING_S))
