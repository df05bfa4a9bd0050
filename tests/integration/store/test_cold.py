"""Cold days are archived whole, still sealed, before retention drops them."""

import hashlib
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pilothouse.contracts.errors import JournalError
from pilothouse.contracts.events import Content, RequestCompleted
from pilothouse.store.analytics import Analytics, day_of
from pilothouse.store.cold import ColdDays
from pilothouse.store.projector import Projector
from pilothouse.store.retention import Dropped, Retention
from pilothouse.store.settings import KeepSettings, StoreSettings
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.sealing import unseal
from pilothouse.telemetry.settings import JournalSettings

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
SETTINGS = JournalSettings(
    segment_bytes=65536, quota_bytes=20 * 65536, reserve_bytes=0, content_retention_days=10
)
FILES = {"calls", "spans", "scores", "log_records", "metric_points"}


class Bench:
    """A journal with its analytics, their archive and their retention."""

    def __init__(self, folder: Path, *, after_days: int | None = 2) -> None:
        (folder / "master").write_bytes(b"m" * 32)
        self.folder = folder
        self.keyring = Keyring(str(folder / "ring"), str(folder / "master"))
        self.numbers = iter(range(1, 1000))
        self.open(after_days)

    def open(self, after_days: int | None = 2) -> None:
        settings = StoreSettings(
            memory_mb=128, threads=1, archive_after_days=after_days, keep=KeepSettings(spans_days=6)
        )
        self.analytics = Analytics.open(
            str(self.folder / "analytics"), backups=str(self.folder / "backups"), settings=settings, now_ms=0
        )
        self.projector = Projector(str(self.folder / "journal"), self.analytics, content_retention_days=10)
        self.cold = ColdDays(self.analytics, SETTINGS)
        self.retention = Retention(str(self.folder / "journal"), self.analytics, self.projector, SETTINGS)

    def close(self) -> None:
        self.projector.close()
        self.analytics.close()

    def called(self, days_ago: int, subject: str = "ann", *, at_once: bool = True) -> str:
        """Has a call answered then, and puts it on record then or now; returns its day."""
        number = next(self.numbers)
        at_ms = NOW_MS - days_ago * DAY_MS + number  # a run of the journal is known by its millisecond
        journal = Journal.open(
            str(self.folder / "journal"), writer="g", keyring=self.keyring, settings=SETTINGS,
            clock_ns=lambda: at_ms * 1_000_000,
        )  # fmt: skip
        event = RequestCompleted(
            call_id=f"{number:032x}", request_id="r", at_ns=at_ms * 1_000_000, operation="chat",
            status=200, outcome="completed", model="m", subject=subject,
        )  # fmt: skip
        journal.append(event, Content(request=f"said by {subject}".encode()))
        journal.close()
        self.projector.tick(at_ms if at_once else NOW_MS)
        return day_of(event.at_ns)

    def spanned(self, days_ago: int) -> str:
        at_ns = (NOW_MS - days_ago * DAY_MS) * 1_000_000
        self.ask(
            "INSERT INTO spans (trace_id, span_id, at_ns, name, duration_ms, kind, status, has_content) "
            f"VALUES ('t', 's', {at_ns}, 'n', 1, 'other', 'ok', false)"
        )
        return day_of(at_ns)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        cursor = self.analytics.cursor()
        try:
            return cursor.execute(sql).fetchall()
        finally:
            cursor.close()

    def archive(self, now_ms: int = NOW_MS) -> int:
        """Archives all that is due; returns how many days."""
        days = 0
        while self.cold.tick(now_ms):
            days += 1
        return days

    def path(self, day: str, name: str = "") -> Path:
        return self.folder / "analytics" / "archive" / day / name

    def days(self) -> list[str]:
        return sorted(path.name for path in self.path("").glob("*"))

    def manifest(self, day: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path(day, "manifest.json").read_bytes())
        return found

    def rows(self, day: str) -> dict[str, int]:
        """Returns the rows that a day's manifest names, after its files were checked against it."""
        tables = self.manifest(day)["tables"]
        files = {path.stem for path in self.path(day).glob("*.parquet")}
        assert files == set(tables)
        assert {path.name for path in self.path(day).glob("*")} == {f"{name}.parquet" for name in files} | {
            "manifest.json"
        }
        for name, file in tables.items():
            path = self.path(day, f"{name}.parquet")
            assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]
            assert path.stat().st_size == file["size_bytes"]
            assert read(f"SELECT count(*) FROM '{path}'") == [(file["rows"],)]
        return {name: file["rows"] for name, file in tables.items() if file["rows"]}


def read(sql: str) -> list[tuple[Any, ...]]:
    """Asks as any reader of Parquet would."""
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_days_that_are_over_for_long_enough_are_archived_once(bench: Bench) -> None:
    cold, spanned = bench.called(4), bench.spanned(3)
    bench.called(4)
    warm = bench.called(2)  # ended less than two days ago
    assert bench.archive() == 2
    assert bench.days() == [cold, spanned]
    assert bench.rows(cold) == {"calls": 2, "content": 2}
    assert bench.rows(spanned) == {"spans": 1}
    assert set(bench.manifest(spanned)["tables"]) == FILES
    assert read(f"SELECT model, at_ns FROM '{bench.path(cold, 'calls.parquet')}'") == bench.ask(
        f"SELECT model, at_ns FROM calls WHERE at_ns // 86400000000000 < {(NOW_MS // DAY_MS) - 3} ORDER BY 2"
    )
    codecs = read(f"SELECT DISTINCT compression FROM parquet_metadata('{bench.path(cold, 'calls.parquet')}')")
    assert codecs == [("ZSTD",)]
    assert {path.stat().st_mode & 0o077 for path in bench.path("").rglob("*")} == {0}
    assert bench.archive(NOW_MS + HOUR_MS) == 0
    assert bench.archive(NOW_MS + DAY_MS) == 1
    assert bench.days() == [cold, spanned, warm]
    assert bench.ask("SELECT count(*) FROM calls") == [(3,)]


def test_a_destroyed_key_erases_archived_content_too(bench: Bench) -> None:
    bench.called(4, "ann")
    day = bench.called(4, "bob")
    bench.archive()
    bench.keyring.destroy("ann")
    sealed = read(
        f"SELECT call_id, subject, sealed FROM '{bench.path(day, 'content.parquet')}' ORDER BY call_id"
    )
    assert [subject for _, subject, _ in sealed] == ["ann", "bob"]
    assert not any(b"said by" in path.read_bytes() for path in bench.path(day).glob("*"))
    (anns, _, gone), (bobs, _, kept) = sealed
    assert bench.keyring.find("ann") is None
    with pytest.raises(JournalError):
        unseal(bench.keyring.key("ann"), anns, gone)  # a new key of hers opens nothing of before
    assert unseal(bench.keyring.key("bob"), bobs, kept).request == b"said by bob"


def test_late_rows_have_a_day_archived_again_until_its_rows_begin_to_go(bench: Bench) -> None:
    day = bench.called(4)
    bench.spanned(4)
    bench.archive()
    before = bench.path(day, "spans.parquet").stat().st_ino
    bench.called(4, at_once=False)
    assert bench.archive(NOW_MS + 60_000) == 0  # at most once an hour
    assert bench.archive(NOW_MS + HOUR_MS) == 1
    assert bench.rows(day) == {"calls": 2, "content": 2, "spans": 1}
    assert bench.path(day, "spans.parquet").stat().st_ino == before
    bench.retention.tick(NOW_MS + 3 * DAY_MS)
    assert bench.ask("SELECT count(*) FROM spans") == [(0,)]
    bench.called(4, at_once=False)
    assert bench.archive(NOW_MS + 3 * DAY_MS) == 1
    assert bench.rows(day) == {"calls": 3, "content": 3, "spans": 1}


def test_retention_waits_for_the_archive(bench: Bench) -> None:
    first, second = bench.spanned(9), bench.spanned(8)
    held = bench.called(9)
    assert bench.retention.tick(NOW_MS) == Dropped()
    assert bench.cold.tick(NOW_MS)  # the first day alone
    assert bench.retention.tick(NOW_MS).rows == 1
    assert bench.archive() == 1
    assert bench.retention.tick(NOW_MS).rows == 1
    assert (bench.rows(first), bench.rows(second)) == ({"calls": 1, "content": 1, "spans": 1}, {"spans": 1})
    assert bench.archive(NOW_MS + HOUR_MS) == 0
    assert bench.rows(held)["spans"] == 1


def test_archived_content_goes_when_its_time_is_up_and_the_rest_stays(bench: Bench) -> None:
    day = bench.called(9)
    bench.archive()
    later = NOW_MS + DAY_MS
    assert bench.retention.tick(later) == Dropped()
    bench.cold.tick(later)
    assert bench.rows(day) == {"calls": 1, "content": 1}
    later += DAY_MS
    assert bench.retention.tick(later).days == 1
    bench.close()
    bench.open(after_days=None)  # switched off: what is there is still kept no longer than it may be
    bench.cold.tick(later)
    assert bench.rows(day) == {"calls": 1}
    assert set(bench.manifest(day)["tables"]) == FILES


def test_content_past_its_time_is_neither_held_nor_archived(bench: Bench) -> None:
    day = bench.called(12)
    assert bench.retention.tick(NOW_MS).days == 1
    assert bench.archive() == 1
    assert bench.rows(day) == {"calls": 1}


def test_what_would_go_before_it_is_cold_is_archived_in_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, after_days=100)  # spans are kept for six
    day = bench.spanned(6)
    assert bench.archive() == 1
    assert bench.days() == [day]
    bench.close()


def test_nothing_is_archived_or_held_unless_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, after_days=None)
    bench.spanned(9)
    assert not bench.cold.tick(NOW_MS)
    assert bench.days() == []
    assert bench.retention.tick(NOW_MS).rows == 1
    bench.close()


def test_a_manifest_of_a_newer_version_is_left_alone(bench: Bench) -> None:
    day = bench.called(4)
    bench.archive()
    bench.path(day, "manifest.json").write_bytes(b'{"format": "next"}')
    bench.called(4, at_once=False)
    assert bench.archive(NOW_MS + HOUR_MS) == 0
    assert bench.path(day, "manifest.json").read_bytes() == b'{"format": "next"}'


DYING = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from pilothouse.store.analytics import Analytics
    from pilothouse.store.cold import ColdDays
    from pilothouse.store.settings import StoreSettings
    from pilothouse.telemetry.settings import JournalSettings

    folder, now_ms, dies_of, dies_at = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    settings = StoreSettings(memory_mb=128, threads=1, archive_after_days=2)
    analytics = Analytics.open(folder, backups=folder, settings=settings, now_ms=0)
    cold = ColdDays(analytics, JournalSettings(content_retention_days=10))

    def watch(event, arguments):
        if event == dies_of and dies_at in str(arguments):
            os.kill(os.getpid(), 9)

    sys.addaudithook(watch)
    while cold.tick(now_ms):
        pass
    """
)


def test_a_day_is_whole_or_not_there_whoever_dies_when(bench: Bench) -> None:
    day = bench.called(4)
    bench.archive()
    bench.called(4, at_once=False)
    first = bench.called(5)
    for dies_of, dies_at, left in (
        ("os.rename", f"{first}.new'", {f"{first}.new", day}),
        ("os.link", "spans.parquet", {first, day, f"{day}.new"}),
        ("os.rename", f"{day}.old'", {first, day, f"{day}.new"}),
        ("os.rename", f"{day}.new'", {first, f"{day}.old", f"{day}.new"}),
        ("shutil.rmtree", f"{day}.old'", {first, day, f"{day}.old"}),
    ):
        bench.close()
        now = str(NOW_MS + HOUR_MS)
        ended = subprocess.run(
            [sys.executable, "-c", DYING, bench.analytics.folder, now, dies_of, dies_at], check=False
        )
        bench.open()
        assert (ended.returncode, set(bench.days())) == (-9, left)
        for name in left - {f"{first}.new", f"{day}.new"}:
            assert "calls" in bench.rows(name)
    bench.archive(NOW_MS + HOUR_MS)
    assert [(name, bench.rows(name)["calls"]) for name in bench.days()] == [(first, 1), (day, 2)]
