"""What is tried again, where, how often, and what the record says of it."""

import socket
from typing import TYPE_CHECKING

import pytest

from pilothouse.contracts.traffic import Breaker, Retries, Routing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway.routing.conftest import Fleet

NEVER_OPENS = Breaker(consecutive=1_000, min_calls=1_000)
PATIENT = Routing(breaker=NEVER_OPENS)
FIRST = {"weight": 1_000_000}
"""Chosen first, as good as always."""


def _faults(fleet: "Fleet") -> "dict[str, Callable[[socket.socket, bytes], None]]":
    def cut(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"choi')
        connection.close()

    def dies_before_its_first_token(connection: socket.socket, _: bytes) -> None:
        fleet.stream(connection, fleet.wire.chunk({"role": "assistant", "content": ""}))
        connection.close()

    def says_an_error(connection: socket.socket, _: bytes) -> None:
        fleet.stream(connection, b'data: {"error":{"message":"overloaded"}}\n\n')

    return {
        "reset": lambda connection, _: connection.close(),
        "cut": cut,
        "garbage": lambda connection, _: fleet.wire.answer_json(connection, b"not json"),
        "a stream without a token": dies_before_its_first_token,
        "an error for a first event": says_an_error,
        **{
            status: fleet.refuses(f"{status} No")
            for status in ("408", "409", "429", "500", "502", "503", "504", "529", "401")
        },
    }


KINDS = ["reset", "cut", "garbage", "408", "409", "429", "500", "502", "503", "504", "529", "401"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_call_that_failed_is_answered_elsewhere(fleet: "Fleet", kind: str) -> None:
    fleet.steer(PATIENT, "a", "b", a=FIRST)
    fleet["a"].behave = _faults(fleet)[kind]
    reply = fleet.ask()
    assert fleet.text(reply) == "b"
    (one, *_), (two, reason, error) = fleet.attempts(reply)
    assert (one, two, reason, error) == ("a", "b", "retry", None)


@pytest.mark.parametrize(
    "kind", ["reset", "500", "429", "a stream without a token", "an error for a first event"]
)
def test_a_stream_that_gave_no_token_is_answered_elsewhere(fleet: "Fleet", kind: str) -> None:
    fleet.steer(PATIENT, "a", "b", a=FIRST)
    fleet["a"].behave = _faults(fleet)[kind]
    reply = fleet.ask(stream=True)
    assert fleet.text(reply) == "b"
    assert [name for name, *_ in fleet.attempts(reply)] == ["a", "b"]
    assert fleet.rig.recorded(reply).end.outcome == "completed"


@pytest.mark.parametrize("status", ["400", "404", "413", "422"])
def test_a_fault_of_the_caller_is_not_tried_again(fleet: "Fleet", status: str) -> None:
    fleet.steer(PATIENT, "a", "b", a=FIRST)
    fleet["a"].behave = fleet.refuses(f"{status} No")
    reply = fleet.ask()
    assert reply.status == (400 if status == "422" else int(status))
    assert [name for name, *_ in fleet.attempts(reply)] == ["a"]
    assert fleet.vitals("a").get("failed_total", 0) == 0


def test_a_stream_that_gave_a_token_is_not_tried_again(fleet: "Fleet") -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        fleet.stream(connection, fleet.wire.chunk({"content": "Hel"}))
        connection.close()

    fleet.steer(PATIENT, "a", "b", a=FIRST)
    fleet["a"].behave = behave
    reply = fleet.ask(stream=True)
    assert b"Hel" in reply.body
    assert b'"error"' in reply.body
    assert b"[DONE]" not in reply.body
    assert fleet["b"].requests == []
    assert fleet.vitals("a")["failed_total"] == 1


def test_one_deployment_is_tried_again_after_a_back_off(fleet: "Fleet") -> None:
    fleet.steer(Routing(retries=Retries(attempts=2, base_ms=1)), "a")
    answers = iter([fleet.refuses("500 No"), fleet.refuses("503 No"), fleet.says("third")])
    fleet["a"].behave = fleet.in_turn(answers)
    reply = fleet.ask()
    assert fleet.text(reply) == "third"
    assert [reason for _, reason, _ in fleet.attempts(reply)] == ["first", "retry", "retry"]


def test_a_short_429_is_waited_for(fleet: "Fleet") -> None:
    fleet.steer(Routing(retries=Retries(cap_ms=2_000)), "a")
    answers = iter([fleet.refuses("429 Slow", extra="retry-after: 1\r\n"), fleet.says("then")])
    fleet["a"].behave = fleet.in_turn(answers)
    reply = fleet.ask()
    assert fleet.text(reply) == "then"
    assert fleet.rig.recorded(reply).end.duration_ms >= 950


def test_a_long_429_is_passed_on_with_its_time(fleet: "Fleet") -> None:
    fleet.steer(Routing(), "a")
    fleet["a"].behave = fleet.refuses("429 Slow", extra="retry-after: 30\r\n")
    reply = fleet.ask()
    assert (reply.status, reply.headers["retry-after"]) == (429, "30")
    assert len(fleet["a"].requests) == 1


def test_no_more_attempts_than_allowed(fleet: "Fleet") -> None:
    fleet.steer(Routing(retries=Retries(attempts=1, base_ms=1), breaker=NEVER_OPENS), "a", "b", "c")
    for name in "abc":
        fleet[name].behave = fleet.refuses("500 No")
    assert fleet.ask().status == 502
    assert sum(len(fleet[name].requests) for name in "abc") == 2


def test_nothing_begins_after_the_deadline(fleet: "Fleet") -> None:
    fleet.steer(Routing(retries=Retries(deadline_ms=0)), "a", "b")
    fleet["a"].behave = fleet["b"].behave = fleet.refuses("500 No")
    reply = fleet.ask()
    assert reply.status == 502
    assert len(fleet.attempts(reply)) == 1


def test_the_retry_budget_bounds_what_a_broken_provider_gets(fleet: "Fleet") -> None:
    retries = Retries(attempts=2, base_ms=1, budget_ratio=0.1, budget_floor=3)
    fleet.steer(Routing(retries=retries, breaker=NEVER_OPENS), "a")
    fleet["a"].behave = fleet.refuses("500 No")
    for _ in range(20):
        assert fleet.ask().status == 502
    assert 23 <= len(fleet["a"].requests) <= 25, "20 calls, 3 retries, and a tenth of 20"


def test_who_is_not_there_costs_no_budget(fleet: "Fleet") -> None:
    routing = Routing(retries=Retries(budget_ratio=0, budget_floor=0), breaker=NEVER_OPENS)
    fleet.steer(routing, "a", "b", a={"provider": "dead", "weight": 1_000_000})
    reply = fleet.ask()
    assert fleet.text(reply) == "b"
    assert fleet.attempts(reply)[0][2] == "upstream_unreachable"


def test_weight_0_comes_when_the_others_cannot(fleet: "Fleet") -> None:
    fleet.steer(PATIENT, "a", "b", b={"weight": 0})
    assert [fleet.text(reply) for reply in fleet.many(8)] == ["a"] * 8
    fleet["a"].behave = fleet.refuses("500 No")
    assert fleet.text(fleet.ask()) == "b"
