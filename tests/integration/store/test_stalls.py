"""While the database stalls, intake goes on: the journal takes what comes, and the record catches up."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pilothouse.contracts.events import Content
from pilothouse.store.analytics import Analytics

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.integration.analytics.record import NOW_MS, Record

WITHIN_S = 60


class Stalling:
    """A connection whose commits wait until they are let go, as at a checkpoint on a slow disk."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.reached = threading.Event()
        self.released = threading.Event()

    def execute(self, sql: str, *parameters: object) -> duckdb.DuckDBPyConnection:
        if sql == "COMMIT":
            self.reached.set()
            assert self.released.wait(WITHIN_S)
        return self._connection.execute(sql, *parameters)

    def register(self, name: str, rows: object) -> None:
        self._connection.register(name, rows)

    def unregister(self, name: str) -> None:
        self._connection.unregister(name)

    def close(self) -> None:
        self._connection.close()


class StallingAnalytics(Analytics):
    """Gives the projector a connection that stalls."""

    stalling: Stalling | None = None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        made = super().cursor()
        if self.stalling is None:
            self.stalling = Stalling(made)
            return self.stalling  # type: ignore[return-value] # it has what the projector uses
        return made


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    record = Record(tmp_path, kind=StallingAnalytics)
    yield record
    record.close()


def test_the_journal_takes_calls_while_a_commit_is_stuck(record: Record) -> None:
    assert isinstance(record.analytics, StallingAnalytics)
    stalling = record.analytics.stalling
    assert stalling is not None
    record.add(5, 1, Content(request=b"before"))
    ticking = threading.Thread(target=record.settle)
    ticking.start()
    assert stalling.reached.wait(WITHIN_S)
    for number in range(2, 502):
        record.add(5, number, Content(request=b"meanwhile"))
    assert record.journal.events_total == 501, "each was written before `append` came back"
    assert ticking.is_alive(), "the commit is stuck still"
    with record.analytics.reader() as reader:
        assert reader.execute("SELECT count(*) FROM calls").fetchone() == (0,), "questions are answered too"
    stalling.released.set()
    ticking.join(WITHIN_S)
    record.settle(NOW_MS)
    with record.analytics.reader() as reader:
        assert reader.execute("SELECT count(DISTINCT call_id) FROM calls").fetchone() == (501,)
