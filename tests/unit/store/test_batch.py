"""Folding frames, without files and databases."""

import msgspec

from pilothouse.contracts.events import Event, RequestCompleted, RequestStarted
from pilothouse.store.batch import Batch, OpenCall
from pilothouse.telemetry.frames import Raw


def started(call_id: str) -> RequestStarted:
    return RequestStarted(
        call_id=call_id, request_id="r", at_ns=5, operation="chat", model="m", team="t", subject="ann"
    )


def completed(call_id: str) -> RequestCompleted:
    return RequestCompleted(
        call_id=call_id, request_id="r", at_ns=5, operation="chat", status=200, outcome="completed"
    )


def raw(event: Event, sealed: bytes | None = None, offset: int = 0) -> Raw:
    payload = msgspec.msgpack.encode((event, "ann", sealed))
    return Raw(offset, offset + len(payload), payload)


def test_a_stream_that_opens_and_closes_in_one_batch_leaves_nothing_open() -> None:
    batch = Batch({})
    assert batch.add("s", "run", raw(started("1"), b"asked")) == 5
    assert batch.add("s", "run", raw(completed("1"))) == 5
    assert (batch.opened, batch.closed) == ({}, [])
    assert batch.calls == [completed("1")]
    assert batch.has_content == [True]  # the start's
    assert [(row.part, row.sealed) for row in batch.contents] == [(0, b"asked")]
    assert batch.events == 2


def test_a_stream_that_was_open_before_is_closed() -> None:
    before = {"1": OpenCall(started("1"), "run", has_content=False)}
    batch = Batch(before)
    batch.add("s", "run", raw(completed("1")))
    assert batch.closed == ["1"]
    assert batch.has_content == [False]
    assert list(before) == ["1"]


def test_cutting_a_run_ends_its_streams_and_no_others() -> None:
    dead = OpenCall(started("1"), "dead", has_content=True)
    alive = OpenCall(started("2"), "alive", has_content=False)
    batch = Batch({"1": dead, "2": alive})
    batch.add("s", "dead", raw(started("3")))
    batch.cut("dead")
    assert [(call.call_id, call.outcome, call.team) for call in batch.calls] == [
        ("1", "cut", "t"),
        ("3", "cut", "t"),
    ]
    assert batch.has_content == [True, False]
    assert (batch.opened, batch.closed) == ({}, ["1"])


def test_what_is_no_event_known_here_is_told() -> None:
    batch = Batch({})
    assert batch.add("s", "run", Raw(0, 3, b"\x93\x01\x02")) is None
    assert batch.add("s", "run", Raw(0, 9, msgspec.msgpack.encode([{"type": "later.v1"}, "a", None]))) is None
    assert (batch.events, batch.calls) == (0, [])
