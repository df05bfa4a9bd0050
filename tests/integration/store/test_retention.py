"""What is past its time goes, what is not projected stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.contracts.events import Content, RequestCompleted
from pilothouse.store.analytics import Analytics
from pilothouse.store.projector import Projector
from pilothouse.store.retention import Dropped, Retention
from pilothouse.store.settings import StoreSettings
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.segments import list_segments
from pilothouse.telemetry.settings import JournalSettings

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000


class Bench:
    """A journal with its analytics and their retention."""

    def __init__(self, folder: Path, settings: JournalSettings) -> None:
        (folder / "master").write_bytes(b"m" * 32)
        self.folder = str(folder / "journal")
        self.settings = settings
        self.keyring = Keyring(str(folder / "ring"), str(folder / "master"))
        self.analytics = Analytics.open(
            str(folder / "analytics"),
            backups=str(folder / "backups"),
            settings=StoreSettings(memory_mb=128, threads=1),
            now_ms=NOW_MS,
        )
        self.projector = Projector(self.folder, self.analytics, content_retention_days=30)
        self.retention = Retention(self.folder, self.analytics, self.projector, settings)

    def journal(self, at_ms: int) -> Journal:
        return Journal.open(
            self.folder,
            writer="g",
            keyring=self.keyring,
            settings=self.settings,
            clock_ns=lambda: at_ms * 1_000_000,
        )

    def write(self, at_ms: int, count: int = 1) -> None:
        journal = self.journal(at_ms)
        for number in range(count):
            event = RequestCompleted(
                call_id=f"{at_ms:012x}7{number:019x}", request_id="r", at_ns=at_ms * 1_000_000,
                operation="chat", status=200, outcome="completed",
            )  # fmt: skip
            journal.append(event, Content(request=b"x" * 1000))
        journal.close()

    def calls(self) -> int:
        cursor = self.analytics.cursor()
        row = cursor.execute("SELECT count(*) FROM calls").fetchone()
        cursor.close()
        assert row
        return int(row[0])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    settings = JournalSettings(segment_bytes=65536, quota_bytes=20 * 65536, reserve_bytes=0)
    bench = Bench(tmp_path, settings)
    yield bench
    bench.projector.close()
    bench.analytics.close()


def test_content_goes_after_30_days_and_metadata_after_13_months(bench: Bench) -> None:
    for days_ago in (400, 100, 31, 29, 0):
        at_ms = NOW_MS - days_ago * DAY_MS
        bench.write(at_ms)
        bench.projector.tick(at_ms)  # each on its own day, as it would have been
    assert (len(bench.analytics.days()), len(list_segments(bench.folder)), bench.calls()) == (5, 5, 5)
    assert bench.retention.tick(NOW_MS) == Dropped(days=3, segments=3, calls=1)
    assert (len(bench.analytics.days()), len(list_segments(bench.folder)), bench.calls()) == (2, 2, 4)
    assert len(bench.projector.positions) == 2
    assert bench.retention.tick(NOW_MS) == Dropped()
    assert bench.projector.tick(NOW_MS).calls == []


def test_what_is_not_projected_or_still_written_is_never_dropped(bench: Bench) -> None:
    living = bench.journal(NOW_MS - 90 * DAY_MS)
    bench.write(NOW_MS - 40 * DAY_MS)
    assert bench.retention.tick(NOW_MS) == Dropped()
    bench.projector.tick(NOW_MS)
    assert bench.retention.tick(NOW_MS) == Dropped(segments=1)
    assert list_segments(bench.folder) == [living.segment]
    living.close()


def test_near_the_quota_the_oldest_projected_segments_go_first(bench: Bench) -> None:
    for number in range(4):
        bench.write(NOW_MS - 4000 + number, count=250)
    before = list_segments(bench.folder)
    assert bench.retention.tick(NOW_MS) == Dropped()
    bench.projector.tick(NOW_MS)
    dropped = bench.retention.tick(NOW_MS)
    after = list_segments(bench.folder)
    assert dropped.segments == len(before) - len(after) > 0
    assert after == before[dropped.segments :]
    assert bench.calls() == 1000
    journal = bench.journal(NOW_MS)
    assert journal.refusal() is None
    journal.close()


def test_each_class_goes_when_its_time_is_up(bench: Bench) -> None:
    cursor = bench.analytics.cursor()
    for days_ago in (1, 50, 200, 500, 1200):
        at_ms = NOW_MS - days_ago * DAY_MS
        at = {"ns": at_ms * 1_000_000, "s": at_ms // 1000, "minute": at_ms // 60_000, "id": str(days_ago)}
        for columns, values in (
            ("spans (trace_id, span_id, at_ns, name, duration_ms, kind, status, has_content)",
             "$id, $id, $ns, 'n', 1, 'other', 'ok', false"),
            ("scores (score_id, at_ns, source, name, version, has_content)",
             "$id, $ns, 'feedback', 'n', 1, false"),
            ("metric_points (at_ns, name, kind, labels)", "$ns, $id, 'gauge', '{}'"),
            ("log_records (at_ns, log_id, has_content)", "$ns, $id, false"),
            ("trace_hints (trace_key, at_s)", "1, $s"),
            ("value_hours (minute, measure, is_shadow, is_cached, bucket, count, total)",
             "$minute, 0, false, false, 1, 1, 1"),
        ):  # fmt: skip
            given = {name: value for name, value in at.items() if f"${name}" in values}
            cursor.execute(f"INSERT INTO {columns} VALUES ({values})", given)
    assert bench.retention.tick(NOW_MS).rows == 3 + 2 + 4 + 4 + 2 + 1
    kept = [
        cursor.execute(f"SELECT count(*) FROM {table}").fetchone()
        for table in ("spans", "scores", "metric_points", "log_records", "trace_hints", "value_hours")
    ]
    cursor.close()
    assert kept == [(2,), (3,), (1,), (1,), (3,), (4,)]
    assert bench.retention.tick(NOW_MS) == Dropped()
