"""What roll-ups say is what the rows say, whenever calls came and however far they are rolled up."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilothouse.analytics.tallies import Asked, quantiles, sums
from pilothouse.store.rollups import COUNTERS, HISTOGRAMS, SETTLED_MINUTES, Marks, read_marks

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.integration.analytics.record import NOW_MS, Record

MINUTE_MS = 60_000
HOURS = 7
START_MS = NOW_MS - HOURS * 60 * MINUTE_MS


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    record = Record(tmp_path)
    yield record
    record.close()


def a_call(chance: random.Random) -> dict[str, Any]:
    fate = chance.random()
    kind: dict[str, Any] = {}
    if fate < 0.1:
        kind = {"status": 502, "outcome": "failed", "cost_usd": None, "error_type": "upstream_error"}
    elif fate < 0.2:
        kind = {"status": 400, "outcome": "refused", "cost_usd": None, "deployment": None}
    elif fate < 0.3:
        kind = {"cache": "exact", "saved_usd": 0.25, "cost_usd": 0.0}
    elif fate < 0.4:
        kind = {"shadow_of": "other"}
    return {
        "model": chance.choice(["a", "b", None]), "key_id": chance.choice(["k1", "k2"]),
        "duration_ms": chance.lognormvariate(5, 1), "first_token_ms": chance.lognormvariate(3, 1),
        "last_token_ms": 500.0, "is_stream": chance.random() < 0.5, "input_tokens": chance.randrange(50),
        "output_tokens": chance.randrange(20), "queue_ms": chance.random() * 5,
        "logprob_mean": -chance.random(), "cost_usd": chance.choice([None, 0.5]),
    } | kind  # fmt: skip


def filled(record: Record, *, seed: int) -> None:
    """Adds calls as time goes by, a tenth of them long after they began."""
    chance = random.Random(seed)
    late: list[float] = []
    number = 0
    for minute in range(0, HOURS * 60, 20):
        for _ in range(40):
            number += 1
            ago = (NOW_MS - START_MS) / 1000 - (minute + chance.random() * 20) * 60
            if chance.random() < 0.1:
                late.append(ago)
            else:
                record.add(ago, number, **a_call(chance))
        record.settle(START_MS + (minute + 20) * MINUTE_MS)
        if minute % 120 == 0:
            while late:
                number += 1
                record.add(late.pop(), number, **a_call(chance))
    record.settle()


def marks(record: Record) -> Marks:
    cursor = record.analytics.cursor()
    try:
        return read_marks(cursor)
    finally:
        cursor.close()


def without_rollups(record: Record) -> None:
    cursor = record.analytics.cursor()
    try:
        cursor.execute("DELETE FROM rollups")
    finally:
        cursor.close()


QUESTIONS: list[dict[str, Any]] = [
    {},
    {"by": "model"},
    {"by": "key", "only": {"model": "a"}},
    {"scope": "upstream", "by": "deployment"},
    {"start_ms": START_MS + 12_345, "end_ms": NOW_MS - 98_765},
    {"step_ms": 7 * MINUTE_MS, "start_ms": START_MS - START_MS % MINUTE_MS},
    {"step_ms": 120 * MINUTE_MS, "start_ms": START_MS - START_MS % (60 * MINUTE_MS), "by": "model"},
]


def question(given: dict[str, Any]) -> Asked:
    start_ms, end_ms = given.get("start_ms", START_MS), given.get("end_ms", NOW_MS + 1)
    return Asked(**({"start_ms": start_ms, "end_ms": end_ms, "step_ms": end_ms - start_ms} | given))


def test_sums_are_those_of_the_rows(record: Record) -> None:
    filled(record, seed=1)
    assert marks(record).minutes_until == NOW_MS // MINUTE_MS - SETTLED_MINUTES
    assert marks(record).hours_until == (NOW_MS // MINUTE_MS - SETTLED_MINUTES) // 60 * 60
    rolled = [sums(record.analytics, question(given), tuple(COUNTERS)) for given in QUESTIONS]
    without_rollups(record)
    for given, (found, asked) in zip(QUESTIONS, rolled, strict=True):
        assert "call_minutes" in asked.sql
        exact, plain = sums(record.analytics, question(given), tuple(COUNTERS))
        assert "call_minutes" not in plain.sql
        assert found.keys() == exact.keys()
        for place, row in exact.items():
            assert found[place] == {name: value if value is None else pytest.approx(value) for name, value in row.items()}, (given, place)  # fmt: skip  # noqa: E501


def test_quantiles_are_those_of_the_values(record: Record) -> None:
    filled(record, seed=2)
    cursor = record.analytics.cursor()
    for name, (value, condition) in HISTOGRAMS.items():
        found, asked = quantiles(record.analytics, question({"most_exact": 0}), (name,), (0.5, 0.95, 0.99))
        assert "value_hours" in asked.sql
        rows = cursor.execute(
            f"SELECT {value} FROM calls WHERE shadow_of IS NULL AND {condition} AND ({value}) IS NOT NULL"
        ).fetchall()
        values = [row[0] for row in rows]
        if not values:
            assert found == {}
            continue
        numbers = found[name, "", 0]
        assert numbers.count == len(values)
        assert numbers.mean == pytest.approx(float(np.mean(values)))
        exact = np.quantile(values, (0.5, 0.95, 0.99))
        assert numbers.values == pytest.approx([float(one) for one in exact], rel=0.025, abs=1e-3), name
    cursor.close()


def test_quantiles_by_key_are_read_from_rows(record: Record) -> None:
    filled(record, seed=3)
    found, asked = quantiles(record.analytics, question({"by": "key", "most_exact": 0}), ("latency",), (0.5,))
    assert {label for _, label, _ in found} == {"k1", "k2"}
    assert "value_" not in asked.sql


def test_calls_from_before_there_were_rollups_are_rolled_up_bit_by_bit(record: Record) -> None:
    for number in range(300):
        record.add(number * 900, number, duration_ms=10.0)
    record.projector.tick(NOW_MS)
    assert sums(record.analytics, question({"start_ms": 0}), ())[0]["", 0]["calls"] == 300, "rolled up or not"
    for _ in range(100):
        record.projector.tick(NOW_MS)
    assert marks(record).minutes_until == NOW_MS // MINUTE_MS - SETTLED_MINUTES
    assert sums(record.analytics, question({"start_ms": 0}), ())[0]["", 0]["calls"] == 300
    cursor = record.analytics.cursor()
    rolled = cursor.execute("SELECT sum(calls) FROM call_hours").fetchone()
    oldest = cursor.execute("SELECT min(minute) FROM call_minutes").fetchone()
    cursor.close()
    assert rolled is not None
    assert rolled[0] > 290
    assert oldest is not None
    assert oldest[0] >= marks(record).minutes_from > 0, "minutes are kept for three days"
