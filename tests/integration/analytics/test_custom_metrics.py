"""Custom metrics over a small record: values, versions, faults, words, applications' numbers, SQL."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from tests.integration.analytics.record import NOW_MS, Record
from tests.integration.analytics.test_feedback import join, say

from pilothouse.analytics.series import value
from pilothouse.contracts.events import Content, RequestCompleted
from pilothouse.monitors.metrics.desk import MetricDesk
from pilothouse.monitors.metrics.evaluator import Evaluator
from pilothouse.monitors.metrics.settings import MetricSettings
from pilothouse.monitors.metrics.versions import settle_versions, versions_of
from pilothouse.store.state import open_state

START_MS = NOW_MS - 600_000
WORDS = Content(
    request=b'{"messages": [{"role": "user", "content": "How much?"}]}',
    response=b'{"choices": [{"message": {"content": "As an AI I say {}"}}], "usage": {"total": 7}}',
)


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    record = Record(tmp_path)
    yield record
    record.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_state(str(tmp_path / "state.db"), backups=str(tmp_path / "b"), now_ms=NOW_MS)
    yield engine
    engine.dispose()


def evaluator(
    record: Record, engine: Engine, metrics: dict[str, MetricSettings], now_ms: int = NOW_MS
) -> Evaluator:
    versions = settle_versions(engine, metrics, now_ms=now_ms)
    return Evaluator(record.analytics, record.keyring, metrics, versions)


def compute(record: Record, job: Evaluator, calls: list[RequestCompleted]) -> None:
    record.settle()
    job.give(calls)
    while job.tick(NOW_MS):
        pass


def read(record: Record, measure: str, **more: Any) -> dict[str, float | None]:
    return value(record.analytics, measure, start_ms=START_MS, end_ms=NOW_MS, **more)


def test_an_expression_is_computed_of_each_call_and_is_a_measure(record: Record, engine: Engine) -> None:
    calls = [record.add(10, n, cost_usd=0.5 * n, output_tokens=10, model=f"m{n % 2}") for n in range(4)]
    calls.append(record.add(10, 8, cost_usd=None))
    calls.append(record.add(10, 9, cost_usd=1.0, output_tokens=0))
    calls.append(record.add(10, 10, cost_usd=99.0, output_tokens=1, shadow_of="x"))
    calls.append(record.add(10, 11, cost_usd=99.0, output_tokens=1, purpose="test"))
    metrics = {"per_token": MetricSettings(expression="cost_usd / output_tokens", unit="USD", goal="down")}
    job = evaluator(record, engine, metrics)
    compute(record, job, calls)
    assert read(record, "metric.per_token") == {"": pytest.approx(0.075)}
    assert read(record, "metric.per_token", by="model") == {"m0": 0.05, "m1": pytest.approx(0.1)}
    (view,) = MetricDesk(job, engine).views(NOW_MS)
    assert (view.values, view.unknown, view.faults) == (4, 1, {"division_by_zero": 1})
    assert (view.unit, view.kind) == ("USD", "number")
    assert view.recent_mean == pytest.approx(0.075)
    families = {family.name: family for family in MetricDesk(job, engine).families(NOW_MS)}
    missing = families["pilothouse_custom_metric_missing_total"].samples
    assert {(one.labels["reason"], one.value) for one in missing if hasattr(one, "value")} == {
        ("unknown", 1),
        ("division_by_zero", 1),
    }
    (measure,) = MetricDesk(job, engine).measures()
    assert (measure.name, measure.unit, measure.goal) == ("metric.per_token", "USD", "down")


def test_words_are_read_for_the_metric_and_stored_nowhere(record: Record, engine: Engine) -> None:
    calls = [record.add(10, 0, WORDS), record.add(10, 1), record.add(10, 2, WORDS, subject="bob")]
    record.settle()
    record.keyring.destroy("bob")
    metrics = {
        "disclaims": MetricSettings(expression='matches(answer, "(?i)as an ai")'),
        "total": MetricSettings(expression='number(json(body, "$.usage.total"))'),
        "asked": MetricSettings(expression="length(question)", where="has(question)"),
    }
    job = evaluator(record, engine, metrics)
    compute(record, job, calls)
    assert read(record, "metric.disclaims") == {"": 1.0}
    assert read(record, "metric.total") == {"": 7.0}
    assert read(record, "metric.asked") == {"": 9.0}
    views = {view.name: view for view in MetricDesk(job, engine).views(NOW_MS)}
    assert (views["disclaims"].values, views["disclaims"].unknown) == (1, 2)
    assert (views["asked"].values, views["asked"].unknown) == (1, 0)
    with record.analytics.reader() as reader:
        rows = reader.execute("SELECT * FROM scores WHERE source = 'metric'").fetchall()
    assert "How much" not in str(rows)


def test_a_changed_meaning_is_a_new_version_and_the_old_series_stays(record: Record, engine: Engine) -> None:
    calls = [record.add(10, 0, output_tokens=10)]
    first = {"size": MetricSettings(expression="output_tokens")}
    compute(record, evaluator(record, engine, first), calls)
    retitled = {"size": MetricSettings(expression="output_tokens", title="Size")}
    assert settle_versions(engine, retitled, now_ms=NOW_MS) == {"size": 1}
    changed = {"size": MetricSettings(expression="output_tokens * 100")}
    job = evaluator(record, engine, changed)
    assert read(record, "metric.size") == {"": 10.0}, "nothing of the new version is there yet"
    compute(record, job, calls)
    assert read(record, "metric.size") == {"": 1000.0}
    assert read(record, "metric.size@1") == {"": 10.0}
    (view,) = MetricDesk(job, engine).views(NOW_MS)
    assert [(one.version, one.is_current) for one in view.versions] == [(1, False), (2, True)]
    assert view.versions[0].definition == {"expression": "output_tokens"}
    assert settle_versions(engine, first, now_ms=NOW_MS) == {"size": 3}, "a return is a version too"
    assert len(versions_of(engine)["size"]) == 3


def test_computing_again_after_a_restart_doubles_nothing(record: Record, engine: Engine) -> None:
    calls = [record.add(10, 0, output_tokens=10)]
    metrics = {"size": MetricSettings(expression="output_tokens")}
    for _ in range(2):
        compute(record, evaluator(record, engine, metrics), calls)
    with record.analytics.reader() as reader:
        assert reader.execute("SELECT count(*) FROM scores").fetchall() == [(1,)]


def test_a_sample_is_the_same_calls_each_time(record: Record, engine: Engine) -> None:
    calls = [record.add(10, number) for number in range(200)]
    metrics = {"one": MetricSettings(expression="1", sample=0.25)}
    job = evaluator(record, engine, metrics)
    compute(record, job, calls)
    counted = job.metrics[0].tally.values
    assert 20 < counted < 80
    again = evaluator(record, engine, metrics)
    assert sum(again.metrics[0].wants(call) for call in calls) == counted


def test_an_applications_number_is_a_metric_once(record: Record, engine: Engine) -> None:
    record.add(10, 0)
    say(record, "r0", 0, kind="measure", name="resolved", value=1.0)
    say(record, "r0", 1, kind="measure", name="other", value=9.0)
    record.settle()
    job = evaluator(record, engine, {"solved": MetricSettings(measure="resolved")})
    job.tick(NOW_MS)
    assert read(record, "metric.solved") == {"": None}, "its call is not known yet"
    join(record)
    job.tick(NOW_MS)
    job.tick(NOW_MS)
    assert read(record, "metric.solved", by="model") == {"m": 1.0}
    assert job.metrics[0].tally.values == 1


def test_a_named_sql_is_asked_in_its_pace_and_told_apart(record: Record, engine: Engine) -> None:
    for number in range(4):
        record.add(10, number, model=f"m{number % 2}", duration_ms=100.0 * number)
    record.settle()
    metrics = {
        "slowest": MetricSettings(
            sql="SELECT model, max(duration_ms) AS value FROM calls "
            "WHERE at_ns >= $start_ns AND at_ns < $end_ns GROUP BY 1"
        )
    }
    job = evaluator(record, engine, metrics)
    job.tick(NOW_MS)
    job.tick(NOW_MS + 5000)
    assert read(record, "metric.slowest", by="model") == {"m0": 200.0, "m1": 300.0}
    assert job.metrics[0].tally.values == 2


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("WITH gone AS (DELETE FROM calls RETURNING *) SELECT count(*) AS value FROM gone", "failed"),
        ("SELECT 1 AS number", "no_value_column"),
        ("SELECT 'x' AS value", "not_a_number"),
        ("SELECT range AS value FROM range(500)", "too_many_rows"),
        ("SELECT * FROM nowhere", "failed"),
        ("SELECT content AS value FROM read_text('/etc/passwd')", "failed"),
    ],
)
def test_a_bad_sql_is_counted_writes_nothing_and_reads_no_file(
    record: Record, engine: Engine, sql: str, reason: str
) -> None:
    record.add(10, 0)
    record.settle()
    job = evaluator(record, engine, {"bad": MetricSettings(sql=sql)})
    job.tick(NOW_MS)
    assert job.metrics[0].tally.faults == {reason: 1}
    with record.analytics.reader() as reader:
        assert reader.execute("SELECT count(*) FROM calls").fetchall() == [(1,)]
        assert reader.execute("SELECT count(*) FROM scores").fetchall() == [(0,)]
