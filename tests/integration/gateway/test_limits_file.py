"""The file of counters and the books of money, without a gateway around them."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pilothouse.contracts.events import Attempt, RequestCompleted
from pilothouse.contracts.home import Home
from pilothouse.contracts.snapshot import KeyRecord, Snapshot
from pilothouse.contracts.traffic import Limits
from pilothouse.gateway.limits import books
from pilothouse.gateway.limits.cells import digest_of, row_halves
from pilothouse.gateway.limits.meter import Meter, Moment
from pilothouse.gateway.limits.table import Table, open_table
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.settings import JournalSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOON_NS = round(datetime(2026, 5, 23, 12, tzinfo=UTC).timestamp() * 1e9)
HOUR_NS = 3_600_000_000_000
BUDGETS = Limits(budget_day_usd=100.0, budget_month_usd=1000.0)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    for folder in ("run", "journal", "keys"):
        (tmp_path / folder).mkdir()
    return Home(str(tmp_path))


@pytest.fixture
def spend(home: Home) -> "Iterator[Callable[..., None]]":
    """Gives `spend(at_ns, usd)`: a call of `key_a` on record."""
    Path(home.master_key).write_bytes(os.urandom(32))
    journal = Journal.open(
        home.journal,
        writer="gateway-0",
        keyring=Keyring(home.keyring, home.master_key),
        settings=JournalSettings(segment_bytes=1 << 20, quota_bytes=64 << 20, reserve_bytes=0),
    )

    def record(at_ns: int, usd: float, key: str = "key_a") -> None:
        attempts = (Attempt("quiet/0", "vendor"),)
        journal.append(
            RequestCompleted(
                "c" * 32, "r", at_ns, "chat", 200, "completed", key_id=key, cost_usd=usd, attempts=attempts
            )
        )

    yield record
    journal.close()


def obey(meter: Meter, limits: Limits, now_ns: int, key: str = "key_a") -> None:
    record = KeyRecord(id=key, digest=b"", limits=limits)
    snapshot = Snapshot(version=1, revision=1, created_at_ms=0, keys=(record,), models=(), providers=())
    meter.obey(snapshot, Moment(1000.0, now_ns))


def finish(meter: Meter, home: Home, now_ns: int) -> None:
    waiting = meter.unfinished()
    spans = books.spans_of(meter.counting, waiting, now_ns)
    books.take_in(meter.counting, waiting, books.gather(home.journal, spans, lambda: None), now_ns)


def spent(meter: Meter, now_ns: int) -> tuple[float | None, float | None]:
    (entry,) = meter.usage(Moment(1000.0, now_ns))
    return entry.day_usd, entry.month_usd


def test_a_new_budget_knows_its_day_and_its_month(home: Home, spend: "Callable[..., None]") -> None:
    for hours, usd in ((-24 * 30, 8.0), (-24 * 3, 4.0), (-13, 2.0), (-11, 1.0)):
        spend(NOON_NS + hours * HOUR_NS, usd)
    spend(NOON_NS - HOUR_NS, 32.0, "key_b")
    spend(NOON_NS + HOUR_NS, 64.0)  # after the budget was there: counted as it is spent, not from the journal
    meter = Meter(home, window_s=60.0)
    obey(meter, BUDGETS, NOON_NS)
    finish(meter, home, NOON_NS)
    assert spent(meter, NOON_NS) == (1.0, 7.0)
    assert meter.unfinished() == []


def test_sums_beside_the_file_spare_the_reading(home: Home, spend: "Callable[..., None]") -> None:
    spend(NOON_NS - 2 * HOUR_NS, 1.0)
    meter = Meter(home, window_s=60.0)
    obey(meter, BUDGETS, NOON_NS - HOUR_NS)
    finish(meter, home, NOON_NS - HOUR_NS)
    books.write_book(home.budgets, meter.sums(lambda: NOON_NS - HOUR_NS))
    spend(NOON_NS - HOUR_NS // 2, 2.0)
    meter.close()
    Path(home.counters).unlink()
    again = Meter(home, window_s=60.0)
    obey(again, BUDGETS, NOON_NS)
    assert spent(again, NOON_NS) == (1.0, 1.0)  # known at once
    finish(again, home, NOON_NS)
    assert spent(again, NOON_NS) == (3.0, 3.0)  # and once, what came since


def test_a_budget_taken_away_and_given_back_counts_anew(home: Home, spend: "Callable[..., None]") -> None:
    meter = Meter(home, window_s=60.0)
    obey(meter, BUDGETS, NOON_NS - 3 * HOUR_NS)
    finish(meter, home, NOON_NS - 3 * HOUR_NS)
    obey(meter, Limits(requests_per_minute=5), NOON_NS - 2 * HOUR_NS)
    spend(NOON_NS - HOUR_NS, 5.0)
    obey(meter, BUDGETS, NOON_NS)
    finish(meter, home, NOON_NS)
    assert spent(meter, NOON_NS) == (5.0, 5.0)


def under_way(table: Table) -> int:
    made = table.cells.make_row(digest_of("key", "key_a"))
    assert made is not None
    return table.cells.under_way(row_halves(made[0]))


def test_a_slot_is_given_back_when_its_worker_is_gone(home: Home) -> None:
    one, other = (open_table(home.counters, 60.0, now_ns=1, rows=64) for _ in range(2))
    assert (one.slot, other.slot) == (0, 1)
    assert one.be_keeper()
    assert not other.be_keeper()
    made = other.cells.make_row(digest_of("key", "key_a"))
    assert made is not None
    other.cells.halves[row_halves(made[0]) + other.slot] = 3
    assert one.free_dead_slots() == 0
    assert under_way(one) == 3
    other.close()
    assert one.free_dead_slots() == 1
    assert under_way(one) == 0
    assert open_table(home.counters, 60.0, now_ns=1, rows=64).slot == 1


@pytest.mark.parametrize("harm", ["missing", "short", "other boot", "other window", "garbage"])
def test_a_file_that_cannot_be_used_is_replaced_and_never_truncated(harm: str, home: Home) -> None:
    path = Path(home.counters)
    table = open_table(home.counters, 60.0, now_ns=1, boot=b"b" * 16, rows=64)
    table.cells.make_row(digest_of("key", "key_a"))
    boot, window_s = b"b" * 16, 60.0
    if harm == "missing":
        path.unlink()
    elif harm == "short":
        path.with_name("short").write_bytes(b"PHCNT01\n")
        path.with_name("short").rename(path)
    elif harm == "other boot":
        boot = b"c" * 16
    elif harm == "other window":
        window_s = 30.0
    else:
        _overwrite(path)
    fresh = open_table(home.counters, window_s, now_ns=1, boot=boot, rows=64)
    assert fresh.cells.rows_in_use() == []
    assert fresh.is_in_place()
    assert not table.is_in_place()
    assert table.cells.row_of(digest_of("key", "key_a")) is not None  # what was mapped is still there
    assert open_table(home.counters, window_s, now_ns=1, boot=boot, rows=64).slot == 1


def _overwrite(path: Path) -> None:
    """Spoils the header in place, as a stray writer would."""
    with path.open("r+b") as file:
        file.write(b"spoilt!!")
