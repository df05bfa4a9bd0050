"""Every question to the record gets the same answer from DuckDB and from ClickHouse's own engine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from functools import partial
from typing import Any

import pytest
from tests.integration.analytics.record import NOW_MS
from tests.integration.analytics.test_traces import NAMES, TRACE, Traced
from tests.integration.clickhouse.both import copy, fill

from pilothouse.analytics.below import below
from pilothouse.analytics.calls import CallFilter, get_call, list_calls
from pilothouse.analytics.confidence import confidence
from pilothouse.analytics.conversations import get_conversation, list_conversations
from pilothouse.analytics.cost import cost
from pilothouse.analytics.deployments import deployment_numbers
from pilothouse.analytics.experiments import experiments
from pilothouse.analytics.feedback import feedback_of_call, get_feedback, list_feedback
from pilothouse.analytics.known_values import known_values
from pilothouse.analytics.measures import MEASURES
from pilothouse.analytics.overview import State, overview
from pilothouse.analytics.questions import EMBEDDED_ONLY, QUESTIONS
from pilothouse.analytics.series import SeriesQuestion, series, value
from pilothouse.analytics.tallies import Asked, quantiles
from pilothouse.analytics.trace_detail import get_trace
from pilothouse.analytics.traces import Asker, histogram, list_traces
from pilothouse.contracts.errors import NotFoundError, UnavailableError
from pilothouse.store.clickhouse_client import ClickHouseLink, limits
from pilothouse.store.clickhouse_reader import ClickHouseRecord
from pilothouse.store.dialects.reader import Question, Readable, Reader
from pilothouse.store.settings import StoreSettings

HOUR_MS = 3_600_000
HIDDEN = {"query", "shown", "sql", "parameters"}
"""How an answer was asked is another text in each dialect."""
FILTERS = (
    "",
    'model = "small"',
    'model != "small" and latency_ms > 100',
    "error = true and kind in (llm, tool)",
    'team in ("red", "blue") and cost_usd > 0.001',
    'text ~ "refund"',
    'text ~ "refund" and model = "m"',
    "service ~ /sh.p/",
    'not (model = "large")',
)
WITHOUT_LIVE = [name for name, measure in MEASURES.items() if measure.kind != "live"]


class Watched:
    """A record that notes which questions it is asked."""

    def __init__(self, record: Readable, asked: set[str]) -> None:
        self._record = record
        self._asked = asked

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        with self._record.reader() as reader:
            yield WatchedReader(reader, self._asked)

    def days(self) -> list[str]:
        return self._record.days()


class WatchedReader:
    def __init__(self, reader: Reader, asked: set[str]) -> None:
        self._reader = reader
        self._asked = asked
        self.dialect = reader.dialect
        self.content = reader.content

    def rows(self, question: Question) -> list[tuple[Any, ...]]:
        self._asked.add(question.name)
        return self._reader.rows(question)


class Both:
    """Asks both records and compares."""

    def __init__(self, traced: Traced, clickhouse: Readable) -> None:
        self.traced = traced
        self.asked: tuple[set[str], set[str]] = (set(), set())
        self.records: tuple[Readable, Readable] = (
            Watched(traced.analytics, self.asked[0]),
            Watched(clickhouse, self.asked[1]),
        )

    def agree(self, ask: Callable[[Readable], Any], *, error: float = 1e-9) -> Any:
        one, other = (plain(ask(record)) for record in self.records)
        compare(one, other, error, "answer")
        return one

    def asker(self, record: Readable) -> Asker:
        return Asker(record, self.traced.keyring, NAMES, NOW_MS, lambda: False, self.traced.index)


def plain(answer: Any) -> Any:
    if is_dataclass(answer) and not isinstance(answer, type):
        return plain(asdict(answer))
    if isinstance(answer, dict):
        return {key: plain(value) for key, value in answer.items() if key not in HIDDEN}
    return [plain(value) for value in answer] if isinstance(answer, list | tuple) else answer


def compare(one: Any, other: Any, error: float, place: str) -> None:
    if isinstance(one, float) and isinstance(other, int | float):
        assert other == pytest.approx(one, rel=error, abs=1e-9), place
    elif isinstance(one, dict):
        assert isinstance(other, dict), place
        assert list(one) == list(other), place
        for key in one:
            compare(one[key], other[key], error, f"{place}.{key}")
    elif isinstance(one, list):
        assert isinstance(other, list), place
        assert len(one) == len(other), f"{place}: {one} {other}"
        for number, pair in enumerate(zip(one, other, strict=True)):
            compare(*pair, error, f"{place}[{number}]")
    else:
        assert one == other, place


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    record = Traced(tmp_path_factory.mktemp("record"))
    fill(record)
    yield record
    record.close()


@pytest.fixture(scope="module")
def both(traced: Traced, shared_client: Any, link: ClickHouseLink) -> Both:
    for (name,) in shared_client.query(
        "SELECT name FROM system.tables WHERE database = 'pilothouse' AND engine != 'Null'"
    ).result_rows:
        shared_client.command(f"TRUNCATE TABLE pilothouse.{name}")
    copy(traced.analytics, shared_client)
    return Both(traced, ClickHouseRecord(link))


def test_calls_are_listed_alike(both: Both) -> None:
    for only in (
        CallFilter(), CallFilter(model="small"), CallFilter(status_class="server_error"),
        CallFilter(status_class="client_error", team="red"), CallFilter(experiment="e", arm="a"),
    ):  # fmt: skip
        page = both.agree(partial(list_calls, limit=20, only=only))
        assert page["data"]
        before = page["next_before"]
        if before is not None:
            both.agree(partial(list_calls, limit=20, only=only, before=before))


def test_a_call_is_found_with_its_words(both: Both) -> None:
    keyring = both.traced.keyring
    found = both.agree(lambda record: get_call(record, "r9001", keyring=keyring))
    assert "refund" in str(found["content"]["request"])
    both.agree(lambda record: get_call(record, found["call_id"], keyring=keyring))
    for record in both.records:
        with pytest.raises(NotFoundError):
            get_call(record, "nobody", keyring=keyring)


def test_deployments_and_experiments_have_the_same_numbers(both: Both) -> None:
    assert both.agree(lambda record: deployment_numbers(record, now_ms=NOW_MS, window_s=86_400))
    arms = both.agree(lambda record: experiments(record, now_ms=NOW_MS, window_s=7 * 86_400))
    assert len(arms) > 1


@pytest.mark.parametrize("window_s", [900, 86_400, 7 * 86_400])
def test_the_overview_is_the_same(both: Both, window_s: int) -> None:
    state = State("ok", [])
    found = both.agree(
        lambda record: overview(record, now_ms=NOW_MS, window_s=window_s, state=state, ingest_lag_ms=1.0),
        error=0.05,
    )
    assert found["calls"]


@pytest.mark.parametrize("measure", [*WITHOUT_LIVE, "metric.politeness"])
def test_every_measure_is_the_same(both: Both, measure: str) -> None:
    only = {"model": "small"}
    for by, narrowed in ((None, {}), ("model", {}), ("key", only)):
        question = SeriesQuestion(measure, NOW_MS - 2 * HOUR_MS, NOW_MS, by, narrowed, 7)
        both.agree(partial(lines, asked=question), error=0.05)
    bounds: dict[str, Any] = {"start_ms": NOW_MS - 4 * 24 * HOUR_MS, "end_ms": NOW_MS}
    both.agree(lambda record: value(record, measure, **bounds), error=0.05)


def test_quantiles_of_many_calls_are_the_same(both: Both) -> None:
    """Of many calls they come from histograms: in DuckDB rolled up, in ClickHouse from the rows."""
    asked = Asked(NOW_MS - 24 * HOUR_MS, NOW_MS, 8 * HOUR_MS, "model", most_exact=0)
    found = both.agree(lambda record: quantiles(record, asked, ("latency", "queue"), (0.5, 0.95))[0])
    assert len(found) > 4


def lines(record: Readable, asked: SeriesQuestion) -> list[Any]:
    return sorted((line.label, line.values) for line in series(record, asked).lines)


@pytest.mark.parametrize("by", ["key", "team", "model", "provider", "deployment", "conversation"])
def test_costs_are_the_same(both: Both, by: Any) -> None:
    bounds: dict[str, Any] = {"start_ms": NOW_MS - 24 * HOUR_MS, "end_ms": NOW_MS}
    assert both.agree(lambda record: cost(record, by=by, **bounds))["data"]


@pytest.mark.parametrize("only", [{}, {"model": "small"}, {"key": "key_1"}])
def test_calls_under_a_limit_are_the_same(both: Both, only: dict[str, str]) -> None:
    asked = Asked(NOW_MS - 24 * HOUR_MS, NOW_MS, 8 * HOUR_MS, only=only)
    found = both.agree(lambda record: below(record, asked, "latency", 500.0))
    assert found


def test_confidence_and_feedback_are_the_same(both: Both) -> None:
    bounds: dict[str, Any] = {"start_ms": NOW_MS - 24 * HOUR_MS, "end_ms": NOW_MS}
    both.agree(lambda record: confidence(record, **bounds))
    keyring = both.traced.keyring
    listed = both.agree(lambda record: list_feedback(record, limit=2))
    assert len(listed["data"]) == 2
    both.agree(lambda record: get_feedback(record, "f1", keyring=keyring))
    call_id = listed["data"][0]["call_id"]
    assert both.agree(lambda record: feedback_of_call(record, call_id, keyring=keyring))


@pytest.mark.parametrize("text", FILTERS)
def test_traces_are_found_alike(both: Both, text: str) -> None:
    page = both.agree(lambda record: list_traces(both.asker(record), text=text, limit=10))
    assert page["data"]
    before = page["next_before"]
    if before is not None:
        both.agree(lambda record: list_traces(both.asker(record), text=text, limit=10, before=before))
    both.agree(lambda record: histogram(both.asker(record), text=text, points=20))


def test_one_trace_and_its_words_are_the_same(both: Both) -> None:
    keyring = both.traced.keyring
    found = both.agree(lambda record: get_trace(record, TRACE, keyring=keyring, key_names=NAMES))
    assert "refund rules" in str(found)
    assert found["logs"]
    assert found["scores"]


def test_conversations_are_the_same(both: Both) -> None:
    page = both.agree(lambda record: list_conversations(record, key_names=NAMES, limit=5))
    assert page["data"][0]["conversation_id"] == "talk"
    both.agree(lambda record: list_conversations(record, key_names=NAMES, before=page["next_before"]))
    both.agree(lambda record: get_conversation(record, "talk", keyring=both.traced.keyring))


def test_values_to_complete_are_the_same(both: Both) -> None:
    for field in ("model", "service", "team"):
        both.agree(partial(known_values, field=field, key_names=NAMES))


def test_every_question_was_asked_of_both(both: Both) -> None:
    """Stands last: it holds this file to the list."""
    embedded, clickhouse = both.asked
    assert clickhouse == set(QUESTIONS)
    assert embedded - clickhouse == set(EMBEDDED_ONLY)


@pytest.mark.parametrize(
    ("limit", "text", "code"),
    [
        ({"query_timeout_s": 0.1}, "SELECT sum(number) FROM numbers(200000000000)", "query_timeout"),
        ({"memory_mb": 64}, "SELECT groupArray(number) FROM numbers(100000000)", "query_too_large"),
    ],
)
def test_a_question_that_takes_too_long_or_too_much_is_given_up(
    shared_client: Any, limit: dict[str, Any], text: str, code: str
) -> None:
    limited = ClickHouseLink(StoreSettings(url="chdb:///x", **limit), None)
    limited.use(shared_client)
    record = ClickHouseRecord(limited)
    with pytest.raises(UnavailableError) as caught, record.reader() as reader:
        reader.rows(Question("heavy", text, {}))
    assert caught.value.code == code


def test_a_question_can_change_nothing() -> None:
    assert limits(StoreSettings(url="clickhouse://me@host/db"))["readonly"] == 2
