"""What is put on record goes to ClickHouse once: whoever dies when, whatever is away how long."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.analytics.record import NOW_MS, Record
from tests.integration.clickhouse.both import KEEP

from pilothouse.analytics.calls import get_call, list_calls
from pilothouse.contracts.errors import UnavailableError
from pilothouse.contracts.events import Content, FeedbackGiven
from pilothouse.store.clickhouse_client import ClickHouseLink
from pilothouse.store.clickhouse_reader import ClickHouseRecord
from pilothouse.store.clickhouse_schema import SHIPPED, make_tables, statements
from pilothouse.store.outbox import Outbox
from pilothouse.store.scores import join_feedback
from pilothouse.store.settings import StoreSettings
from pilothouse.store.shipping import Shipper

SAID = Content(request=b'{"messages": []}', response=b'{"choices": []}')


class Dying:
    """A client that dies at its `at`-th insert, before it or after it."""

    def __init__(self, client: Any, at: int, *, is_sent: bool) -> None:
        self._client = client
        self._left = at
        self._is_sent = is_sent
        self.command, self.query = client.command, client.query

    def raw_insert(self, *given: Any, **named: Any) -> Any:
        self._left -= 1
        if self._left == 0 and not self._is_sent:
            raise ConnectionResetError("before")
        answer = self._client.raw_insert(*given, **named)
        if self._left == 0:
            raise ConnectionResetError("after: the answer is lost")
        return answer


@pytest.fixture
def record(tmp_path: Path, clickhouse_settings: StoreSettings) -> Iterator[Record]:
    made = Record(tmp_path, url=clickhouse_settings.url)
    yield made
    made.close()


def shipper(record: Record, client: Any, settings: StoreSettings) -> Shipper:
    make_tables(client, "pilothouse", KEEP)
    link = ClickHouseLink(settings, None)
    link.use(client)
    return Shipper(record.analytics, link)


def count(client: Any, table: str) -> tuple[int, int]:
    key = {"calls": "call_id", "content": "call_id", "scores": "score_id"}[table]
    (found,) = client.query(f"SELECT count(), uniqExact({key}) FROM pilothouse.{table}").result_rows
    return int(found[0]), int(found[1])


def test_calls_and_their_words_arrive(
    record: Record, client: Any, clickhouse_settings: StoreSettings
) -> None:
    for number in range(50):
        record.add(number * 5000, number, SAID if number % 2 else None, trace_id=f"{number:032x}")
    record.settle()
    sending = shipper(record, client, clickhouse_settings)
    while sending.tick(NOW_MS):
        pass
    link = ClickHouseLink(clickhouse_settings, None)
    link.use(client)
    there = ClickHouseRecord(link)
    assert list_calls(there, limit=100) == list_calls(record.analytics, limit=100)
    assert get_call(there, "r7", keyring=record.keyring) == get_call(
        record.analytics, "r7", keyring=record.keyring
    )
    assert there.days() == record.analytics.days()
    assert sending.waiting_rows == 0
    assert record.analytics.outbox is not None
    assert list(record.analytics.outbox.folder.iterdir()) == []


def test_a_destroyed_key_erases_what_is_in_clickhouse(
    record: Record, client: Any, clickhouse_settings: StoreSettings
) -> None:
    record.add(1, 1, SAID)
    record.settle()
    shipper(record, client, clickhouse_settings).tick(NOW_MS)
    record.keyring.destroy("ann")
    link = ClickHouseLink(clickhouse_settings, None)
    link.use(client)
    found = get_call(ClickHouseRecord(link), "r1", keyring=record.keyring)
    assert found.content.state == "erased"


@pytest.mark.parametrize(("at", "dies"), [(1, "before"), (1, "after"), (2, "before"), (2, "after")])
def test_nothing_is_missing_or_doubled_after_a_death_while_sending(
    record: Record, client: Any, clickhouse_settings: StoreSettings, at: int, dies: str
) -> None:
    for number in range(20):
        record.add(number * 20_000, number, SAID)
    record.settle()
    dying = shipper(record, Dying(client, at, is_sent=dies == "after"), clickhouse_settings)
    with pytest.raises((ConnectionResetError, UnavailableError)):
        dying.tick(NOW_MS)
    record.add(0, 99, SAID)
    record.settle()
    after = shipper(record, client, clickhouse_settings)
    while after.tick(NOW_MS):
        pass
    assert count(client, "calls") == (21, 21)
    assert count(client, "content") == (21, 21)


def test_what_was_not_committed_is_not_sent(
    record: Record, client: Any, clickhouse_settings: StoreSettings
) -> None:
    record.add(1, 1)
    record.settle()
    outbox = record.analytics.outbox
    assert outbox is not None
    cursor = record.analytics.cursor()
    cursor.execute("BEGIN")
    cursor.execute("INSERT INTO calls BY NAME SELECT * REPLACE ('other' AS call_id) FROM calls")
    outbox.collect(cursor)
    assert len(list(outbox.folder.iterdir())) == 2
    cursor.execute("ROLLBACK")
    Outbox(record.analytics.folder, cursor)
    assert len(list(outbox.folder.iterdir())) == 1
    cursor.close()
    shipper(record, client, clickhouse_settings).tick(NOW_MS)
    assert count(client, "calls") == (1, 1)


def test_a_large_transaction_is_collected_whole(record: Record) -> None:
    """DuckDB numbers the rows of an open transaction apart: the outbox stands on that."""
    record.add(1, 1)
    record.settle()
    outbox = record.analytics.outbox
    assert outbox is not None
    cursor = record.analytics.cursor()
    cursor.execute("BEGIN")
    cursor.execute("INSERT INTO trace_hints SELECT range, 1 FROM range(300000)")
    outbox.collect(cursor)
    rows = cursor.execute("SELECT count FROM outbox WHERE table_name = 'trace_hints'").fetchall()
    cursor.execute("ROLLBACK")
    cursor.close()
    assert rows == [(300_000,)]


def test_the_record_goes_on_while_clickhouse_is_away(
    record: Record, client: Any, clickhouse_settings: StoreSettings
) -> None:
    settings = StoreSettings(url="clickhouse://nobody@127.0.0.1:1/x")
    away = Shipper(record.analytics, ClickHouseLink(settings, "hunter2"))
    record.add(1, 1)
    record.settle()
    with pytest.raises(UnavailableError) as caught:
        away.tick(NOW_MS)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    record.add(0, 2)
    record.settle()
    assert len(list_calls(record.analytics).data) == 2
    after = shipper(record, client, clickhouse_settings)
    while after.tick(NOW_MS):
        pass
    assert count(client, "calls") == (2, 2)


def test_feedback_is_sent_when_it_is_joined_to_its_call(
    record: Record, client: Any, clickhouse_settings: StoreSettings
) -> None:
    at_ns = NOW_MS * 1_000_000
    for number, request in ((1, "r1"), (2, "of nobody")):
        given = FeedbackGiven(
            feedback_id=f"f{number}", at_ns=at_ns, request_id=request, kind="thumbs", value=1.0
        )
        record.journal.append(given, None)
    record.add(1, 1)
    record.settle()
    sending = shipper(record, client, clickhouse_settings)
    sending.tick(NOW_MS)
    assert count(client, "scores") == (0, 0)
    cursor = record.analytics.cursor()
    join_feedback(cursor, now_ms=NOW_MS)
    cursor.close()
    sending.tick(NOW_MS + 2000)
    sending.tick(NOW_MS + 4000)
    rows = client.query("SELECT score_id, call_id IS NOT NULL FROM pilothouse.scores").result_rows
    assert [tuple(row) for row in rows] == [("f1", 1)]
    sending.tick(NOW_MS + 2 * 3_600_000)
    assert count(client, "scores") == (2, 2)


def test_tables_are_brought_forward(client: Any) -> None:
    for days in (8000, 8001):
        keep = dict.fromkeys(KEEP, days)
        make_tables(client, "pilothouse", keep)
        text = client.query("SHOW CREATE TABLE pilothouse.spans").result_rows[0][0]
        assert f"toIntervalDay({days})" in text
    client.command("ALTER TABLE pilothouse.spans DROP COLUMN tool")
    make_tables(client, "pilothouse", KEEP)
    assert client.query("SELECT tool FROM pilothouse.spans").result_rows == []


def test_each_class_is_kept_for_its_own_time() -> None:
    keep = {"metadata": 5, "content": 3, "spans": 7, "scores": 11, "metric_points": 13, "logs": 17}
    made = statements("db", keep)
    for table in SHIPPED:
        (create,) = [one for one in made if one.startswith(f"CREATE TABLE IF NOT EXISTS `db`.{table.name} ")]
        assert f"INTERVAL {keep[table.retained_as]} DAY DELETE" in create
