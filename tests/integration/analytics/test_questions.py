"""Questions to a small record, answered by hand beside it."""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.analytics.calls import CallFilter, call_of_event, get_call, list_calls
from pilothouse.analytics.deployments import deployment_numbers
from pilothouse.analytics.experiments import experiments
from pilothouse.analytics.overview import State, overview
from pilothouse.contracts.errors import NotFoundError, UnavailableError
from pilothouse.contracts.events import Attempt, Content, Parameters, RequestCompleted, RequestStarted
from pilothouse.store.analytics import Analytics
from pilothouse.store.projector import Projector
from pilothouse.store.schema import MIGRATIONS
from pilothouse.store.settings import StoreSettings
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.settings import JournalSettings

NOW_MS = 1_790_000_000_000
OK_STATE = State("ok", [])


class Record:
    """A record that events are put on."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        (folder / "master").write_bytes(b"m" * 32)
        self.keyring = Keyring(str(folder / "ring"), str(folder / "master"))
        small = JournalSettings(segment_bytes=1024 * 1024, reserve_bytes=0)
        self.journal = Journal.open(str(folder / "j"), writer="g", keyring=self.keyring, settings=small)
        self.analytics = Analytics.open(
            str(folder / "a"),
            backups=str(folder / "b"),
            settings=StoreSettings(memory_mb=128, threads=1, **settings),
            now_ms=NOW_MS,
        )
        self.projector = Projector(str(folder / "j"), self.analytics, content_retention_days=30)

    def add(
        self, seconds_ago: float, number: int = 0, content: Content | None = None, **fields: Any
    ) -> RequestCompleted:
        at_ms = int(NOW_MS - seconds_ago * 1000)
        given: dict[str, Any] = {
            "call_id": f"{at_ms:012x}7{number:019x}", "request_id": f"r{number}",
            "at_ns": at_ms * 1_000_000 + number, "operation": "chat", "status": 200,
            "outcome": "completed", "model": "m", "key_id": "key_1", "deployment": "m/d-0",
            "cost_usd": 0.5, "subject": "ann",
        }  # fmt: skip
        event = RequestCompleted(**(given | fields))
        self.journal.append(event, content)
        return event

    def settle(self) -> None:
        assert not self.projector.tick(NOW_MS).has_more

    def close(self) -> None:
        self.journal.close()
        self.projector.close()
        self.analytics.close()


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    record = Record(tmp_path)
    yield record
    record.close()


def test_the_overview_of_nothing_has_no_numbers_but_zeros(record: Record) -> None:
    found = overview(record.analytics, now_ms=NOW_MS, state=OK_STATE, ingest_lag_ms=5)
    assert found.requests_per_second.value == 0
    assert found.requests_per_second.series == [0.0] * 60
    assert found.error_rate.value is None
    assert found.first_token_ms.p50 is None
    assert found.latency_ms.series == [None] * 60
    assert (found.cost_usd.value, found.cost_usd.unpriced_calls) == (0.0, 0)
    assert (found.series_step_ms, found.series_start_ms) == (15_000, NOW_MS - 900_000)


def test_the_overview_counts_what_happened_now_and_before(record: Record) -> None:
    durations = [float(10 * number) for number in range(1, 21)]
    for number, duration_ms in enumerate(durations):
        record.add(
            5,
            number,
            duration_ms=duration_ms,
            first_token_ms=duration_ms / 2,
            is_stream=True,
            input_tokens=10,
            output_tokens=4,
        )
    record.add(25, 100, status=502, outcome="failed", duration_ms=9e9, cost_usd=None)
    record.add(25, 101, status=200, outcome="cut", duration_ms=9e9)
    record.add(25, 102, status=401, outcome="refused", duration_ms=0.1, cost_usd=None)
    record.add(25, 103, duration_ms=100.0, first_token_ms=99.0, cost_usd=None)  # plain: it has no first token
    record.add(70, 104, duration_ms=30.0, first_token_ms=7.0, is_stream=True, cost_usd=2.0)
    record.add(500, 105)
    record.add(-5, 106)  # after now
    record.settle()
    found = overview(record.analytics, now_ms=NOW_MS, window_s=60, points=6, state=OK_STATE, ingest_lag_ms=5)
    assert found.calls == 24
    assert found.requests_per_second.value == 24 / 60
    assert found.requests_per_second.previous == 1 / 60
    assert found.requests_per_second.series == [0, 0, 0, 0.4, 0, 2]
    assert found.error_rate.value == 2 / 24
    assert found.error_rate.series == [None, None, None, 0.5, None, 0]
    assert found.client_error_rate.value == 1 / 24
    measured = sorted([*durations, 100.0])
    cuts = statistics.quantiles(measured, n=100, method="inclusive")
    assert found.latency_ms.p50 == pytest.approx(statistics.median(measured))
    assert found.latency_ms.p95 == pytest.approx(cuts[94])
    assert found.latency_ms.p99 == pytest.approx(cuts[98])
    assert found.latency_ms.previous_p95 == 30.0
    assert found.latency_ms.series == [None, None, None, 100.0, None, pytest.approx(190.5)]
    assert found.first_token_ms.previous_p95 == 7.0
    assert found.first_token_ms.p50 == pytest.approx(statistics.median(durations) / 2)
    assert found.first_token_ms.series[:4] == [None] * 4
    assert found.input_tokens_per_second.value == 200 / 60
    assert found.output_tokens_per_second.series[5] == 8
    assert found.cost_usd.value == 10.5
    assert found.cost_usd.previous == 2.0
    assert found.cost_usd.unpriced_calls == 1
    assert found.cost_usd.series[0] == 0.0


def test_calls_without_a_price_are_never_free(record: Record) -> None:
    record.add(5, cost_usd=None)
    record.settle()
    found = overview(record.analytics, now_ms=NOW_MS, window_s=60, points=6, state=OK_STATE, ingest_lag_ms=5)
    assert (found.cost_usd.value, found.cost_usd.unpriced_calls) == (None, 1)
    assert deployment_numbers(record.analytics, now_ms=NOW_MS)["m/d-0"].cost_usd is None


def test_deployments_are_told_apart(record: Record) -> None:
    for number in range(4):
        times: dict[str, Any] = {"duration_ms": 100.0, "first_token_ms": 10.0}
        record.add(5, number, deployment="a", is_stream=True, output_tokens=900, **times)
    record.add(5, 9, deployment="a", first_token_ms=5000.0)
    record.add(5, 10, deployment="a", status=500, outcome="failed")
    record.add(5, 11, deployment="b", duration_ms=1.0)
    record.add(5, 12, deployment=None, status=404, outcome="refused")
    record.add(1000, 13, deployment="c")
    record.settle()
    found = deployment_numbers(record.analytics, now_ms=NOW_MS)
    assert set(found) == {"a", "b"}
    assert (found["a"].requests, found["a"].errors, found["a"].error_rate) == (6, 1, 1 / 6)
    assert (found["a"].latency_p95_ms, found["a"].first_token_p95_ms) == (100.0, 10.0)
    assert found["a"].output_tokens_per_second == 4.0
    assert found["b"].first_token_p95_ms is None


def test_pages_lead_through_all_calls_newest_first(record: Record) -> None:
    added = [record.add(number * 40_000, number).call_id for number in range(25)]
    record.settle()
    seen: list[str] = []
    before: str | None = None
    while True:
        page = list_calls(record.analytics, limit=10, before=before)
        seen += [call.call_id for call in page.data]
        before = page.next_before
        if before is None:
            break
    assert seen == added
    assert list_calls(record.analytics, limit=25).next_before is None


def test_filters_agree_with_the_live_tails(record: Record) -> None:
    events = [
        record.add(1, 1),
        record.add(2, 2, model="other", team="t"),
        record.add(3, 3, status=429, outcome="refused", key_id="key_2"),
        record.add(4, 4, status=502, outcome="failed", conversation_id="c"),
        record.add(5, 5, status=200, outcome="cut"),
        record.add(6, 6, status=499, outcome="cancelled"),
    ]
    record.settle()
    filters = [
        CallFilter(),
        CallFilter(model="other"),
        CallFilter(outcome="cut"),
        CallFilter(status_class="ok"),
        CallFilter(status_class="client_error"),
        CallFilter(status_class="server_error"),
        CallFilter(key_id="key_2", status_class="client_error"),
        CallFilter(conversation_id="c"),
        CallFilter(team="t"),
        CallFilter(deployment="m/d-0", model="other"),
        CallFilter(model="none"),
    ]
    counts = []
    for only in filters:
        listed = list_calls(record.analytics, only=only, key_names={"key_2": "two"}).data
        live = [call_of_event(event, {"key_2": "two"}) for event in events]
        assert listed == [call for call in live if only.matches(call)]
        counts.append(len(listed))
    assert counts == [6, 1, 1, 2, 2, 2, 1, 1, 1, 1, 0]


def test_one_call_has_its_content(record: Record) -> None:
    event = record.add(
        5, 1, Content(request=b'{"messages":[1]}', response=b"not json \xff"),
        parameters=Parameters(temperature=0.5), finish_reasons=("stop",),
        attempts=(Attempt(deployment="m/d-0", provider="p", status=200),),
    )  # fmt: skip
    record.settle()
    call = get_call(record.analytics, event.call_id, keyring=record.keyring, key_names={"key_1": "one"})
    assert (call.key_name, call.finish_reasons, call.parameters) == ("one", ("stop",), {"temperature": 0.5})
    assert call.attempts == [{"deployment": "m/d-0", "provider": "p", "status": 200, "reason": "first"}]
    assert (call.content.state, call.content.request) == ("full", {"messages": [1]})
    assert call.content.response == "not json \ufffd"
    assert get_call(record.analytics, "r1", keyring=record.keyring) == get_call(
        record.analytics, event.call_id, keyring=record.keyring
    )
    with pytest.raises(NotFoundError, match="nope"):
        get_call(record.analytics, "nope", keyring=record.keyring)


def test_a_streams_request_comes_from_its_start(record: Record) -> None:
    start = RequestStarted(
        call_id=f"{NOW_MS:012x}7{1:019x}", request_id="r", at_ns=NOW_MS * 1_000_000 + 1,
        operation="chat", model="m", subject="ann",
    )  # fmt: skip
    record.journal.append(start, Content(request=b'"asked"', request_truncated_from=99))
    record.add(0, 1, Content(response=b'"answered"'))
    record.settle()
    content = get_call(record.analytics, start.call_id, keyring=record.keyring).content
    assert (content.state, content.request, content.response) == ("truncated", "asked", "answered")


def test_erased_content_is_said_to_be_erased_and_the_metadata_stays(record: Record) -> None:
    ann = record.add(5, 1, Content(request=b'"a"'))
    bob = record.add(5, 2, Content(request=b'"b"'), subject="bob")
    none = record.add(5, 3)
    record.settle()
    record.keyring.destroy("ann")
    record.keyring.key("ann")  # she came back

    def state(event: RequestCompleted) -> tuple[str, Any]:
        content = get_call(record.analytics, event.call_id, keyring=record.keyring).content
        return content.state, content.request

    assert state(ann) == ("erased", None)
    assert state(bob) == ("full", "b")
    assert state(none) == ("none", None)
    record.analytics.drop_day(record.analytics.days()[0])
    assert state(bob) == ("none", None)


def test_a_question_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    record = Record(tmp_path, query_timeout_s=0.05)
    with pytest.raises(UnavailableError, match="given up"), record.analytics.reader() as reader:
        reader.execute(
            "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range % 7 = 3"
        )
    assert list_calls(record.analytics).data == []
    record.close()


def test_shadows_and_cached_answers_distort_no_number(record: Record) -> None:
    record.add(5, 1, duration_ms=100.0, output_tokens=10, cost_usd=1.0)
    record.add(
        5, 2, duration_ms=9e6, output_tokens=99, cost_usd=7.0, shadow_of="x", status=502, outcome="failed"
    )
    record.add(
        5, 3, duration_ms=0.1, output_tokens=10, cost_usd=0.0, cache="exact", saved_usd=1.0, deployment=None
    )
    record.settle()
    found = overview(record.analytics, now_ms=NOW_MS, window_s=10, points=1, state=OK_STATE, ingest_lag_ms=0)
    assert found.calls == 2
    assert found.requests_per_second.value == 0.2
    assert found.error_rate.value == 0
    assert (found.latency_ms.p50, found.latency_ms.p99) == (100.0, 100.0)
    assert found.output_tokens_per_second.value == 1.0
    assert found.cost_usd.value == 1.0
    assert (found.cache.share.value, found.cache.saved_usd) == (0.5, 1.0)
    assert (found.shadows.calls, found.shadows.cost_usd) == (1, 7.0)
    numbers = deployment_numbers(record.analytics, now_ms=NOW_MS)["m/d-0"]
    assert (numbers.requests, numbers.errors) == (2, 1), "a deployment worked on its shadows"


def test_an_experiment_is_shown_arm_by_arm(record: Record) -> None:
    both: dict[str, Any] = {"experiment": "e", "duration_ms": 50.0, "output_tokens": 4}
    record.add(5, 1, arm="a", conversation_id="one", **both)
    record.add(5, 2, arm="a", conversation_id="one", **both)
    record.add(
        5,
        3,
        arm="b",
        conversation_id="two",
        **(both | {"status": 500, "outcome": "failed", "cost_usd": None}),
    )
    record.add(5, 4, arm="b", cache="exact", **both)
    record.add(5, 5, arm="b", shadow_of="x", **both)
    record.add(5, 6)
    record.settle()
    (found,) = experiments(record.analytics, now_ms=NOW_MS, window_s=60)
    assert (found.model, found.experiment) == ("m", "e")
    a, b = found.arms
    assert (a.arm, a.calls, a.conversations, a.errors, a.cost_usd) == ("a", 2, 1, 0, 1.0)
    assert (a.latency_p95_ms, a.output_tokens_mean) == (50.0, 4.0)
    assert (b.arm, b.calls, b.error_rate, b.cost_usd) == ("b", 1, 1.0, None)


def test_what_was_special_about_a_call_is_shown_and_found(record: Record) -> None:
    tries = (
        Attempt(deployment="m/d-0", provider="d", status=503, duration_ms=3.0),
        Attempt(deployment="m/d-1", provider="d", status=200, started_ms=30.0, reason="retry"),
    )
    special: dict[str, Any] = {
        "dialect": "anthropic", "experiment": "e", "arm": "b", "priority": "high", "saved_usd": 0.25,
        "cache": "semantic", "shadow_of": "other",
    }  # fmt: skip
    event = record.add(1, 1, attempts=tries, **special)
    record.add(1, 2)
    record.settle()
    call = get_call(record.analytics, event.call_id, keyring=record.keyring)
    assert {name: getattr(call, name) for name in special} == special
    assert [attempt["reason"] for attempt in call.attempts] == ["first", "retry"]
    for name in ("dialect", "cache", "experiment", "arm", "shadow_of"):
        page = list_calls(record.analytics, only=CallFilter(**{name: special[name]}))
        assert [found.call_id for found in page.data] == [event.call_id], name
    assert call_of_event(event).dialect == "anthropic"


def test_calls_of_the_first_schema_spoke_openais_protocol(tmp_path: Path) -> None:
    import duckdb

    (tmp_path / "a").mkdir()
    with duckdb.connect(
        f"{tmp_path}/a/calls.duckdb", config={"storage_compatibility_version": "v1.5.0"}
    ) as old:
        for statement in MIGRATIONS[0]:
            old.execute(statement)
        old.execute("INSERT INTO schema_version VALUES (1)")
        old.execute(
            "INSERT INTO calls (call_id, request_id, at_ns, operation, status, outcome, purpose, is_stream, "
            "request_bytes, response_bytes, has_content) "
            "VALUES ('c', 'r', 1, 'chat', 200, 'completed', 'serve', false, 0, 0, false)"
        )
    record = Record(tmp_path)
    (call,) = list_calls(record.analytics).data
    record.close()
    assert (call.dialect, call.priority, call.cache, call.saved_usd) == ("openai", "normal", None, None)
    assert [path.name for path in (tmp_path / "b").iterdir()] == [f"calls-1-{NOW_MS}.duckdb"]
