"""Feedback on record: listed at once, joined to its call when both are there, its words kept sealed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.analytics.record import NOW_MS, Record

from pilothouse.analytics.calls import get_call
from pilothouse.analytics.feedback import (
    FeedbackFilter,
    feedback_of_call,
    get_feedback,
    list_feedback,
)
from pilothouse.analytics.series import value
from pilothouse.contracts.errors import NotFoundError
from pilothouse.contracts.events import Content, FeedbackGiven
from pilothouse.store.scores import join_feedback


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    record = Record(tmp_path)
    yield record
    record.close()


def say(record: Record, request_id: str, number: int = 0, content: Content | None = None, **more: Any) -> str:
    event = FeedbackGiven(
        **{
            "feedback_id": f"{NOW_MS - 1000:012x}7{number:019x}",
            "at_ns": (NOW_MS - 1000) * 1_000_000,
            "request_id": request_id,
            "kind": "thumbs",
            "value": 1.0,
            "key_id": "key_1",
            "subject": "ann",
            **more,
        }
    )
    record.journal.append(event, content)
    return event.feedback_id


def join(record: Record, now_ms: int = NOW_MS) -> int:
    cursor = record.analytics.cursor()
    try:
        return join_feedback(cursor, now_ms=now_ms)
    finally:
        cursor.close()


def test_feedback_is_listed_and_joined_by_request_id_call_id_and_response_id(record: Record) -> None:
    calls = [record.add(10, number, trace_id=f"t{number}") for number in range(3)]
    said = [
        say(record, "r0", 0),
        say(record, calls[1].call_id, 1),
        say(record, f"resp_{calls[2].call_id}", 2),
    ]
    record.settle()
    assert [item.call_id for item in list_feedback(record.analytics).data] == [None] * 3
    assert join(record) == 3
    items = list_feedback(record.analytics, key_names={"key_1": "app"}).data
    assert [(item.feedback_id, item.call_id) for item in items] == [
        (feedback_id, call.call_id) for feedback_id, call in zip(reversed(said), reversed(calls), strict=True)
    ]
    assert {(item.model, item.deployment, item.key_name) for item in items} == {("m", "m/d-0", "app")}
    assert items[0].trace_id == "t2"
    assert join(record) == 0, "once is enough"


def test_feedback_to_a_call_that_is_not_on_record_is_joined_when_it_appears(record: Record) -> None:
    say(record, "r7")
    record.settle()
    assert join(record) == 0
    call = record.add(5, 7)
    record.settle()
    assert join(record) == 1
    (found,) = feedback_of_call(record.analytics, call.call_id, keyring=record.keyring)
    assert (found.kind, found.value, found.state) == ("thumbs", 1.0, "none")


def test_feedback_of_long_ago_is_looked_up_no_more(record: Record) -> None:
    say(record, "r7")
    record.add(5, 7)
    record.settle()
    assert join(record, NOW_MS + 8 * 86_400_000) == 0


def test_words_are_unsealed_for_one_item_and_are_gone_with_their_key(record: Record) -> None:
    content = Content(request=b"too long", response=b"Paris.")
    one = say(record, "r1", 1, content)
    record.settle()
    assert list_feedback(record.analytics).data[0].has_words
    found = get_feedback(record.analytics, one, keyring=record.keyring)
    assert (found.state, found.text, found.correction) == ("full", "too long", "Paris.")
    record.keyring.destroy("ann")
    found = get_feedback(record.analytics, one, keyring=record.keyring)
    assert (found.state, found.text, found.correction) == ("erased", None, None)
    with pytest.raises(NotFoundError):
        get_feedback(record.analytics, "none", keyring=record.keyring)


def test_the_list_is_paged_and_filtered(record: Record) -> None:
    for number in range(5):
        say(record, f"r{number}", number, kind="measure" if number % 2 else "thumbs", value=number)
    record.settle()
    page = list_feedback(record.analytics, limit=2)
    assert [item.request_id for item in page.data] == ["r4", "r3"]
    rest = list_feedback(record.analytics, limit=10, before=page.next_before)
    assert [item.request_id for item in rest.data] == ["r2", "r1", "r0"]
    assert rest.next_before is None
    measures = list_feedback(record.analytics, only=FeedbackFilter(kind="measure"))
    assert [item.request_id for item in measures.data] == ["r3", "r1"]


def test_the_share_of_thumbs_up_is_a_measure(record: Record) -> None:
    for number, thumbs in enumerate((1.0, 1.0, 1.0, 0.0)):
        record.add(10, number)
        say(record, f"r{number}", number, value=thumbs)
    say(record, "r0", 9, kind="stars", value=2.0)
    record.settle()
    join(record)
    start_ms = NOW_MS - 60_000
    found = value(record.analytics, "feedback_up_share", by="model", start_ms=start_ms, end_ms=NOW_MS)
    assert found == {"m": 0.75}
    found = value(record.analytics, "feedback_count", start_ms=start_ms, end_ms=NOW_MS)
    assert found == {"": 5.0}


def test_a_call_in_detail_has_what_was_said_of_it(record: Record) -> None:
    call = record.add(10, 0)
    say(record, "r0", 0, Content(request=b"nice"))
    record.settle()
    join(record)
    (found,) = get_call(record.analytics, call.call_id, keyring=record.keyring).feedback
    assert (found.kind, found.text) == ("thumbs", "nice")
