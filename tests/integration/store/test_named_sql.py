"""A named SQL is one question over the record's tables, and nothing else."""

import pytest

from pilothouse.monitors.metrics.check import problems
from pilothouse.monitors.metrics.settings import MetricSettings, digest_of
from pilothouse.store.named_sql import SqlError, check_sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT avg(cost_usd) AS value FROM calls WHERE at_ns >= $start_ns AND at_ns < $end_ns",
        "WITH a AS (SELECT * FROM calls) SELECT model, count(*) AS value FROM a GROUP BY 1",
        "SELECT sum(x) AS value FROM range(10) AS t(x)",
        "SELECT (SELECT count(*) FROM scores) / count(*) AS value FROM spans JOIN calls USING (trace_id)",
    ],
)
def test_questions_pass(sql: str) -> None:
    check_sql(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELEC 1",
        "DELETE FROM calls",
        "WITH gone AS (DELETE FROM calls RETURNING *) SELECT count(*) AS value FROM gone",
        "SELECT 1; DROP TABLE calls",
        "SELECT 1; SELECT 2",
        "COPY calls TO '/tmp/x'",
        "ATTACH '/tmp/x'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM duckdb_settings()",
        "SELECT getenv('HOME')",
        "SELECT * FROM query('DELETE FROM calls')",
        "SELECT * FROM segments",
        "SELECT * FROM content_2026_11_22.content",
        "SELECT (SELECT count(*) FROM open_calls) AS value",
        "SELECT 1 AS value FROM calls WHERE EXISTS (SELECT 1 FROM information_schema.tables)",
        "PRAGMA database_list",
        "SET memory_limit = '1TB'",
    ],
)
def test_all_else_is_refused(sql: str) -> None:
    with pytest.raises(SqlError):
        check_sql(sql)


def test_a_metric_needs_exactly_one_definition_of_the_right_type() -> None:
    assert not list(problems("good_1", MetricSettings(expression="cost_usd", type="number")))
    assert not list(problems("good", MetricSettings(expression="is_stream", where="status < 400")))
    assert not list(problems("good", MetricSettings(measure="resolved")))

    def said(name: str = "m", **settings: object) -> list[str | None]:
        return [where for where, _, _ in problems(name, MetricSettings(**settings))]  # type: ignore[arg-type]

    assert said() == [None]
    assert said("Bad name", expression="1") == [None]
    assert said(expression="1", sql="SELECT 1 AS value") == ["sql"]
    assert said(expression="model") == ["expression"]
    assert said(expression="1", type="boolean") == ["expression"]
    assert said(expression="1", where="cost_usd") == ["where"]
    assert said(measure="x", where="is_stream") == ["where"]
    assert said(sql="DELETE FROM calls") == ["sql"]
    ((_, message, _),) = problems("m", MetricSettings(expression="1 + cots"))
    assert "column 5" in message


def test_a_new_meaning_is_a_new_version_and_a_new_title_is_not() -> None:
    one = MetricSettings(expression="cost_usd", title="Cost")
    assert digest_of(one) == digest_of(MetricSettings(expression="cost_usd", title="Money", goal="down"))
    assert digest_of(one) != digest_of(MetricSettings(expression="cost_usd * 1000"))
    assert digest_of(one) != digest_of(MetricSettings(expression="cost_usd", where="is_stream"))
