"""Measures over time, answered by hand beside them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.analytics.record import NOW_MS, Record

from pilothouse.analytics.measures import MEASURES
from pilothouse.analytics.series import SeriesQuestion, series, value
from pilothouse.analytics.series_routes import csv_of, file_name
from pilothouse.contracts.errors import InvalidRequestError

MINUTE_MS = 60_000


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    record = Record(tmp_path)
    yield record
    record.close()


def asked(record: Record, measure: str, **given: Any) -> float | None:
    (found,) = value(record.analytics, measure, start_ms=NOW_MS - MINUTE_MS, end_ms=NOW_MS, **given).values()
    return found


def question(measure: str, **given: Any) -> SeriesQuestion:
    return SeriesQuestion(measure, NOW_MS - MINUTE_MS, NOW_MS, **({"points": 6} | given))


def test_every_measure_has_an_answer_of_nothing_and_of_something(record: Record) -> None:
    for name in MEASURES.keys() - {"ingest_lag_ms"}:
        assert asked(record, name) in {None, 0.0}, name
        assert len(series(record.analytics, question(name)).lines[0].values) == 6
    record.add(
        5, 1, is_stream=True, duration_ms=100.0, first_token_ms=40.0, last_token_ms=90.0, queue_ms=2.0,
        input_tokens=30, output_tokens=11, logprob_mean=-0.5, logprob_min=-3.0, logprob_entropy=0.7,
    )  # fmt: skip
    record.settle()
    expected = {
        "requests_per_second": 1 / 60, "calls": 1, "error_rate": 0, "availability": 1,
        "provider_error_rate": 0, "client_error_rate": 0, "guardrail_rate": 0, "latency_p50_ms": 100,
        "latency_p95_ms": 100, "latency_p99_ms": 100, "first_token_p50_ms": 40, "first_token_p95_ms": 40,
        "first_token_p99_ms": 40, "token_time_p50_ms": 5, "token_time_p95_ms": 5, "queue_p95_ms": 2,
        "input_tokens_per_second": 0.5, "output_tokens_per_second": 11 / 60, "cost_usd": 0.5,
        "cost_usd_per_hour": 30, "unpriced_share": 0, "cache_share": 0, "saved_usd": 0,
        "confidence_mean": -0.5, "confidence_min": -3, "confidence_entropy": 0.7,
        "feedback_up_share": None, "feedback_count": 0,
    }  # fmt: skip
    assert set(expected) == MEASURES.keys() - {"ingest_lag_ms"}
    for name, number in expected.items():
        assert asked(record, name) == (number if number is None else pytest.approx(number, rel=0.025)), name


def test_whose_fault_an_error_was_is_told_apart(record: Record) -> None:
    failed: dict[str, Any] = {"status": 502, "outcome": "failed", "cost_usd": None}
    for number in range(6):
        record.add(5, number)
    record.add(5, 10, error_type="upstream_error", error_code="upstream_failed", **failed)
    record.add(5, 11, error_type="service_unavailable_error", error_code="unavailable", **failed)
    refused: dict[str, Any] = {"status": 400, "outcome": "refused", "cost_usd": None}
    record.add(5, 12, error_code="invalid_request", **refused)
    record.add(5, 13, error_code="guardrail_blocked", **refused)
    record.settle()
    assert asked(record, "error_rate") == 0.2
    assert asked(record, "provider_error_rate") == 0.1
    assert asked(record, "client_error_rate") == 0.1
    assert asked(record, "guardrail_rate") == 0.1
    assert asked(record, "availability") == 1 - 2 / 8


def test_lines_are_told_apart_and_narrowed(record: Record) -> None:
    record.add(5, 1, model="a", key_id="k1", duration_ms=10.0)
    record.add(5, 2, model="a", key_id="k2", duration_ms=1000.0)
    record.add(25, 3, model="b", key_id="k1")
    record.add(25, 4, model=None, key_id="k1")
    record.settle()
    found = series(record.analytics, question("calls", by="model"))
    assert {line.label: line.values for line in found.lines} == {
        "a": [0, 0, 0, 0, 0, 2],
        "b": [0, 0, 0, 1, 0, 0],
        "none": [0, 0, 0, 1, 0, 0],
    }
    assert (found.start_ms, found.step_ms, found.unit) == (NOW_MS - MINUTE_MS, 10_000, "calls")
    whole: dict[str, Any] = {"start_ms": NOW_MS - MINUTE_MS, "end_ms": NOW_MS}
    assert value(record.analytics, "calls", by="key", only={"model": "a"}, **whole) == {"k1": 1, "k2": 1}
    slow = value(record.analytics, "latency_p95_ms", by="model", only={"key": "k2"}, **whole)
    assert slow == {"a": pytest.approx(1000, rel=0.025)}
    assert "calls" in found.query.sql


def test_money_is_unknown_when_no_price_is(record: Record) -> None:
    record.add(5, 1, cost_usd=None)
    record.settle()
    assert asked(record, "cost_usd") is None
    assert asked(record, "unpriced_share") == 1
    record.add(5, 2)
    record.settle()
    assert asked(record, "cost_usd") == 0.5


def test_what_cannot_be_asked_is_said(record: Record) -> None:
    for wrong in (
        question("no_such"),
        question("calls", by="subject"),
        question("calls", only={"subject": "x"}),
        question("ingest_lag_ms"),
        SeriesQuestion("calls", NOW_MS, NOW_MS),
        SeriesQuestion("calls", 0, NOW_MS),
    ):
        with pytest.raises(InvalidRequestError) as error:
            series(record.analytics, wrong)
        assert error.value.hint
    assert value(record.analytics, "ingest_lag_ms", start_ms=0, end_ms=1, live={"ingest_lag_ms": 7.0}) == {
        "": 7.0
    }


def test_a_chart_is_exported_without_formulas(record: Record) -> None:
    record.add(5, 1, model="=1+1")
    record.settle()
    rows = csv_of(series(record.analytics, question("calls", by="model"))).splitlines()
    assert rows[0] == "start_ms,'=1+1"
    assert rows[-1] == f"{NOW_MS - 10_000},1.0"
    assert len(rows) == 7


def test_a_files_name_holds_nothing_that_breaks_a_header() -> None:
    assert file_name("latency_p95_ms") == "latency_p95_ms.csv"
    assert file_name('metric.a"\r\nset-cookie: x=1 é/..') == "metric.a_set-cookie_x_1_...csv"


def test_long_times_come_in_steps_that_roll_ups_have(record: Record) -> None:
    record.add(5, 1)
    record.settle()
    day = series(record.analytics, SeriesQuestion("calls", NOW_MS - 86_400_000, NOW_MS, points=60))
    assert (day.step_ms, day.start_ms % 3_600_000) == (3_600_000, 0)
    hour = series(record.analytics, SeriesQuestion("calls", NOW_MS - 3_600_000, NOW_MS, points=60))
    assert (hour.step_ms, hour.start_ms % 60_000) == (60_000, 0)
    for found in (day, hour):
        (line,) = found.lines
        assert line.values[-1] == 1
        assert sum(value or 0 for value in line.values) == 1
