"""Traces, search and conversations on a small record of calls and spans."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.analytics.record import NOW_MS, Record

from pilothouse.analytics.conversations import get_conversation, list_conversations
from pilothouse.analytics.filters.faults import FilterError
from pilothouse.analytics.known_values import known_values
from pilothouse.analytics.trace_detail import get_trace
from pilothouse.analytics.traces import Asker, Histogram, TraceList, histogram, list_traces
from pilothouse.contracts.errors import NotFoundError
from pilothouse.contracts.events import Content, FeedbackGiven
from pilothouse.store.search_index import Indexer, SearchIndex
from pilothouse.store.trace_hints import insert_hints
from pilothouse.telemetry.sealing import Sealer

NAMES = {"key_1": "web", "key_2": "batch"}
TRACE = "ab" * 16


class Traced(Record):
    """A record with spans and an index of words."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self.index = SearchIndex(b"k" * 32)
        self.indexer = Indexer(self.analytics, self.index, self.keyring)
        self.is_over = False
        self.sealer = Sealer(self.keyring)

    def said(self, seconds_ago: float, number: int, text: str, answer: str = "ok", **fields: Any) -> None:
        """Adds a call with these words."""
        asked = {"model": "m", "messages": [{"role": "user", "content": text}]}
        answered = {"choices": [{"message": {"role": "assistant", "content": answer}}]}
        content = Content(request=json.dumps(asked).encode(), response=json.dumps(answered).encode())
        self.add(seconds_ago, number, content, **fields)

    def span(self, seconds_ago: float, span_id: str, content: Content | None = None, **fields: Any) -> None:
        at_ns = int((NOW_MS - seconds_ago * 1000) * 1_000_000)
        given: dict[str, Any] = {
            "trace_id": TRACE, "span_id": span_id, "at_ns": at_ns, "name": "step", "duration_ms": 10.0,
            "kind": "chain", "status": "unset", "service": "shop", "subject": "ann", "key_id": "key_1",
            "has_content": content is not None,
        } | fields  # fmt: skip
        cursor = self.analytics.cursor()
        names = ", ".join(given)
        marks = ", ".join("?" for _ in given)
        cursor.execute(f"INSERT INTO spans ({names}) VALUES ({marks})", list(given.values()))
        insert_hints(cursor, [(given["trace_id"], given["at_ns"] // 10**9)])
        if content is not None:
            row_id = given["trace_id"] + span_id
            sealed = self.sealer.seal(content, subject=given["subject"], call_id=row_id)
            with self.analytics.lock:
                schema = self.analytics.attach("2026-09-21", create=True)
                cursor.execute(
                    f"INSERT INTO {schema}.content VALUES (?, ?, ?, 2, ?)", [row_id, at_ns, "ann", sealed]
                )
        cursor.close()

    def asker(self) -> Asker:
        return Asker(self.analytics, self.keyring, NAMES, NOW_MS, lambda: self.is_over, self.index)

    def page(self, text: str = "", **more: Any) -> TraceList:
        return list_traces(self.asker(), text=text, **more)

    def found(self, text: str, **more: Any) -> list[str]:
        return [row.trace_id for row in self.page(text, **more).data]

    def histogram(self, text: str = "", **more: Any) -> Histogram:
        return histogram(self.asker(), text=text, **more)


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Traced]:
    made = Traced(tmp_path)
    yield made
    made.close()


def ids(*numbers: int) -> list[str]:
    return [f"{number:032x}" for number in numbers]


def test_each_field_finds_what_it_says(record: Traced) -> None:
    record.add(50, 1, trace_id=ids(1)[0], model="gpt-4o", provider="openai", duration_ms=900.0)
    record.add(
        40, 2, trace_id=ids(2)[0], model="haiku", provider="anthropic", duration_ms=100.0, key_id="key_2"
    )
    record.add(
        30, 3, trace_id=ids(3)[0], status=502, outcome="failed", error_code="upstream_failed", cost_usd=None
    )
    record.add(20, 4, trace_id=ids(4)[0], is_stream=True, team="ops", input_tokens=900, output_tokens=200)
    record.settle()
    one, two, three, four = ids(1, 2, 3, 4)
    expected = {
        "": [four, three, two, one],
        'model = "gpt-4o"': [one],
        "model != gpt-4o": [four, three, two],
        "model ~ GPT": [one],
        "model ~ /^gpt-[0-9]o$/": [one],
        "model !~ gpt": [four, three, two],
        "model in (gpt-4o, haiku)": [two, one],
        "model not in (gpt-4o, haiku)": [four, three],
        "key = batch": [two],
        "key = key_2": [two],
        "key ~ WE": [four, three, one],
        "latency_ms > 0.5s": [one],
        "latency_ms >= 100ms and latency_ms < 1s": [two, one],
        "cost_usd >= $0.5": [four, two, one],
        "not cost_usd >= $0.5": [three],
        "error = true": [three],
        "error_code = upstream_failed": [three],
        "status >= 500 or stream = true": [four, three],
        "outcome = failed": [three],
        "tokens > 1k": [four],
        "team = ops": [four],
        "time > -35s": [four, three],
        "not (stream = true or error = true)": [two, one],
        "agent = anybody": [],
        "not agent = anybody": [four, three, two, one],
        f"trace = {two}": [two],
        "request_id = r3": [three],
        "kind = llm and operation = chat": [four, three, two, one],
        "has_content = true": [],
    }
    assert {text: record.found(text) for text in expected} == expected


def test_what_is_typed_is_never_sql(record: Traced) -> None:
    record.add(1, 1, trace_id=ids(1)[0])
    record.settle()
    for text in ("x' OR 1=1 --", "$f0", "'); DROP TABLE calls; --", "%", "\\"):
        quoted = '"' + text.replace("\\", "\\\\") + '"'
        assert record.found(f"model = {quoted}") == []
        assert record.found(f"score.{'x'} > 1 or model ~ {quoted}") == []
    assert record.found("model = m") == ids(1)


def test_pages_follow_each_other_without_gap_or_double(record: Traced) -> None:
    for number in range(1, 30):
        # Two calls of each trace, far apart, some at one moment: a trace is on one page only.
        record.add(100 - number, number, trace_id=ids(number % 11)[0])
    record.settle()
    seen: list[str] = []
    before = None
    while True:
        page = record.page(limit=3, before=before)
        seen += [row.trace_id for row in page.data]
        before = page.next_before
        if before is None:
            break
    assert seen == list(dict.fromkeys(ids(number % 11)[0] for number in range(29, 0, -1)))


def test_an_applications_spans_and_our_calls_are_one_trace(record: Traced) -> None:
    words = Content(
        request=b'{"query": "opening hours"}',
        response=b'{"documents": [{"id": "d1", "content": "nine to five", "score": 0.9}]}',
    )
    record.span(10, "a" * 16, name="answer", kind="agent", agent="clerk", duration_ms=900.0)
    record.span(9.9, "b" * 16, words, parent_span_id="a" * 16, name="search", kind="retrieval")
    record.span(
        9.5,
        "c" * 16,
        parent_span_id="a" * 16,
        name="chat m",
        kind="llm",
        model="m",
        input_tokens=7,
        cost_usd=9.0,
    )
    record.span(9.2, "e" * 16, parent_span_id="0" * 16, name="lost", status="error")
    record.said(
        9.4, 1, "when do you open?", "At nine.", trace_id=TRACE, span_id="d" * 16, parent_span_id="c" * 16,
        input_tokens=7, output_tokens=3, duration_ms=300.0,
    )  # fmt: skip
    record.settle()

    (row,) = record.page().data
    assert (row.name, row.kind, row.spans, row.calls, row.errors) == ("answer", "agent", 4, 1, 1)
    assert (row.services, row.models) == (["shop"], ["m"])
    # The gateway's word on the call goes, not the application's beside it.
    assert (row.input_tokens, row.output_tokens, row.cost_usd) == (7, 3, 0.5)
    assert row.duration_ms == pytest.approx(900.0, abs=1)
    for text in ("agent = clerk", "kind = retrieval", "service = shop and error = true", "status = 200"):
        assert record.found(text) == [TRACE]
    # One row must pass the whole of it.
    assert record.found("agent = clerk and kind = retrieval") == []

    trace = get_trace(record.analytics, TRACE, keyring=record.keyring, key_names=NAMES)
    assert [step.name for step in trace.spans] == ["answer", "search", "chat m", "chat", "lost"]
    assert [step.is_orphan for step in trace.spans] == [False, False, False, False, True]
    assert trace.orphans == 1
    assert trace.key_names == {"key_1": "web"}
    by_name = {step.name: step for step in trace.spans}
    assert by_name["search"].content.response["documents"][0]["content"] == "nine to five"
    assert by_name["chat"].content.request["messages"][0]["content"] == "when do you open?"
    assert by_name["answer"].content.state == "none"
    only = get_trace(record.analytics, TRACE, keyring=record.keyring, key_names=NAMES, only_step="b" * 16)
    assert [step.content.state for step in only.spans].count("full") == 1
    with pytest.raises(NotFoundError):
        get_trace(record.analytics, "0" * 32, keyring=record.keyring, key_names=NAMES)


@pytest.mark.parametrize("is_indexed", [False, True])
def test_words_are_found_with_and_without_the_index(record: Traced, is_indexed: bool) -> None:  # noqa: FBT001
    record.said(50, 1, "I want a REFUND, please", "No refunds.", trace_id=ids(1)[0], model="a")
    record.said(40, 2, "Wo ist der Ausgang? Straße 5", trace_id=ids(2)[0], model="b")
    record.said(30, 3, "money back", "a refund policy", trace_id=ids(3)[0], model="b")
    record.said(20, 4, "退款政策", trace_id=ids(4)[0])
    record.add(10, 5, trace_id=ids(5)[0])
    record.span(5, "a" * 16, Content(request=b'{"query": "the refund policy"}'), trace_id=ids(6)[0])
    record.settle()
    if is_indexed:
        record.indexer.tick(NOW_MS)
        assert record.indexer.rows_total == 5
        assert record.indexer.behind == 0
    one, two, three, four, five, six = ids(1, 2, 3, 4, 5, 6)
    expected = {
        "refund": [six, three, one],
        'text ~ "refund policy"': [six, three],
        'text ~ "policy refund"': [],
        "refund policy": [six, three],
        "refund money": [three],
        "refunds": [one],
        "fund": [],
        "/fund/": [six, three, one],
        "/(?i)refund,/": [one],
        "STRASSE": [two],
        "款": [four],
        "款退": [],
        "text ~ refund and model = b": [three],
        "model = a or text ~ policy": [six, three, one],
        "not refund": [five, four, two],
        "text !~ refund and model = b": [two],
    }
    assert {text: record.found(text) for text in expected} == expected
    assert record.page("refund").searched_until_ms is None


def test_what_came_after_the_index_was_filled_is_found_too(record: Traced) -> None:
    record.said(50, 1, "first refund", trace_id=ids(1)[0])
    record.settle()
    record.indexer.tick(NOW_MS)
    record.said(40, 2, "second refund", trace_id=ids(2)[0])
    record.said(30, 3, "nothing", trace_id=ids(3)[0])
    record.settle()
    assert record.found("refund") == ids(2, 1)


def test_erased_words_are_not_found(record: Traced) -> None:
    record.said(50, 1, "refund", trace_id=ids(1)[0], subject="ann")
    record.said(40, 2, "refund", trace_id=ids(2)[0], subject="bob")
    record.settle()
    record.indexer.tick(NOW_MS)
    record.keyring.destroy("ann")
    assert record.found("refund") == ids(2)
    trace = get_trace(record.analytics, ids(1)[0], keyring=record.keyring, key_names={})
    assert trace.spans[0].content.state == "erased"


def test_a_search_whose_time_is_up_says_how_far_it_came_and_goes_on(record: Traced) -> None:
    record.said(1, 1, "nothing here", trace_id=ids(1)[0])
    record.said(55, 2, "refund", trace_id=ids(2)[0])
    record.settle()
    record.is_over = True
    pages = [record.page("refund")]
    assert pages[0].data == []
    assert pages[0].searched_until_ms is not None
    while (before := pages[-1].next_before) is not None and len(pages) < 20:
        pages.append(record.page("refund", before=before))
    assert [row.trace_id for page in pages for row in page.data] == ids(2)


def test_the_index_is_made_anew_under_another_key(record: Traced) -> None:
    record.said(50, 1, "refund", trace_id=ids(1)[0])
    record.settle()
    record.indexer.tick(NOW_MS)
    record.index = SearchIndex(b"x" * 32)
    assert record.found("refund") == ids(1)
    again = Indexer(record.analytics, record.index, record.keyring)
    again.tick(NOW_MS)
    assert again.rows_total == 1
    assert record.found("refund") == ids(1)


def test_a_row_of_very_many_words_is_found(record: Traced) -> None:
    record.said(50, 1, " ".join(f"word{at}" for at in range(9000)), trace_id=ids(1)[0])
    record.said(40, 2, " ".join(f"word{at}" for at in range(300)), trace_id=ids(2)[0])
    record.settle()
    record.indexer.tick(NOW_MS)
    assert record.found("word8999") == ids(1)
    assert record.found("word1 word299") == ids(2, 1)


def test_the_histogram_counts_what_the_list_shows(record: Traced) -> None:
    start = NOW_MS - 100_000
    record.said(95, 1, "refund", trace_id=ids(1)[0])
    record.said(94, 2, "other", trace_id=ids(2)[0], status=500, outcome="failed")
    record.said(5, 3, "refund", trace_id=ids(3)[0])
    record.settle()
    bounds: dict[str, Any] = {"from_ms": start, "to_ms": NOW_MS, "points": 10}
    whole = record.histogram(**bounds)
    assert (whole.start_ms, whole.step_ms) == (start, 10_000)
    assert whole.ok == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert whole.errors == [1, *[0] * 9]
    assert record.histogram("model = other", **bounds).ok == [0] * 10
    assert record.histogram("refund", **bounds).ok == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert sum(record.histogram().ok) == 2


def test_a_pattern_that_is_none_is_pointed_at(record: Traced) -> None:
    with pytest.raises(FilterError) as caught:
        record.page("model = a and text ~ /(refund/")
    assert caught.value.position == 22


def test_scores_and_feedback_are_fields(record: Traced) -> None:
    record.add(50, 1, trace_id=ids(1)[0])
    record.add(40, 2, trace_id=ids(2)[0])
    record.settle()
    cursor = record.analytics.cursor()
    for number, source, name, kind, value in (
        (1, "feedback", "feedback", "thumbs", 1.0),
        (2, "feedback", "feedback", "stars", 2.0),
        (2, "metric", "quality", None, 0.8),
    ):
        cursor.execute(
            "INSERT INTO scores (score_id, at_ns, source, name, version, kind, value, request_id, call_id, "
            "has_content) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, false)",
            [
                f"s{number}{name}", NOW_MS * 1_000_000, source, name, kind, value, f"r{number}",
                f"{int(NOW_MS - (60 - number * 10) * 1000):012x}7{number:019x}",
            ],
        )  # fmt: skip
    cursor.close()
    assert record.found("feedback = up") == ids(1)
    assert record.found("feedback = down and score.quality > 0.5") == ids(2)
    assert record.found("not feedback = up") == ids(2)
    two, one = record.page().data
    assert (one.feedback.up, one.feedback.down, two.feedback.down) == (1, 0, 1)
    trace = get_trace(record.analytics, ids(2)[0], keyring=record.keyring, key_names={})
    assert {(score.name, score.value) for score in trace.scores} == {("feedback", 2.0), ("quality", 0.8)}
    assert {score.step_id for score in trace.scores} == {trace.calls[0]}


def test_conversations_are_listed_by_their_latest_turn_and_read_in_order(record: Traced) -> None:
    record.said(90, 1, "hello", conversation_id="one", trace_id=ids(1)[0])
    record.said(80, 2, "salut", conversation_id="two", trace_id=ids(2)[0])
    record.said(70, 3, "again", conversation_id="one", trace_id=ids(3)[0], status=500, outcome="failed")
    record.add(60, 4, trace_id=ids(4)[0])
    record.settle()
    first = list_conversations(record.analytics, key_names=NAMES, limit=1)
    assert [(row.conversation_id, row.turns, row.errors, row.key_name) for row in first.data] == [
        ("one", 2, 1, "web")
    ]
    second = list_conversations(record.analytics, key_names=NAMES, limit=1, before=first.next_before)
    assert [row.conversation_id for row in second.data] == ["two"]
    assert second.next_before is None
    one = get_conversation(record.analytics, "one", keyring=record.keyring)
    assert [turn.content.request["messages"][0]["content"] for turn in one.turns] == ["hello", "again"]
    assert [turn.is_error for turn in one.turns] == [False, True]
    with pytest.raises(NotFoundError):
        get_conversation(record.analytics, "none", keyring=record.keyring)


def test_known_values_come_the_commonest_first(record: Traced) -> None:
    record.add(3, 1, model="a")
    record.add(2, 2, model="b")
    record.add(1, 3, model="b")
    record.span(1, "a" * 16, service="shop")
    record.settle()
    assert known_values(record.analytics, "model", NAMES) == ["b", "a"]
    assert known_values(record.analytics, "service", NAMES) == ["shop"]
    assert known_values(record.analytics, "key", NAMES) == ["batch", "web"]
    assert known_values(record.analytics, "text", NAMES) == []


def test_feedback_with_words_is_shown_beside_the_call(record: Traced) -> None:
    record.said(50, 1, "hello", trace_id=ids(1)[0])
    record.settle()
    call_id = get_trace(record.analytics, ids(1)[0], keyring=record.keyring, key_names={}).calls[0]
    event = FeedbackGiven("f" * 32, NOW_MS * 1_000_000, call_id, "text", subject="ann")
    record.journal.append(event, Content(request=b'"too short"'))
    record.settle()
    scores = get_trace(record.analytics, ids(1)[0], keyring=record.keyring, key_names={}).scores
    if scores:  # the projector keeps feedback as scores
        assert scores[0].text == "too short"
