"""Who is broken, held, silent or slow is left alone, and comes back."""

import time
from typing import TYPE_CHECKING

import pytest

from pilothouse.contracts.traffic import Breaker, Retries, Routing

if TYPE_CHECKING:
    from tests.integration.gateway.routing.conftest import Fleet

QUICK = Routing(breaker=Breaker(consecutive=3, open_ms=200, max_open_ms=400))


def _recovers(fleet: "Fleet", name: str) -> None:
    fleet[name].behave = fleet.says(name)
    since = time.monotonic()
    fleet.rig.until(lambda: fleet.ask().status == 200 and fleet.vitals(name)["breaker"] == "closed")
    assert time.monotonic() - since < 5, "back within 5 s of the upstream's recovery"
    fleet.rig.until(lambda: fleet.text(fleet.ask()) == name)


@pytest.mark.parametrize("status", ["500 No", "503 No"])
def test_a_failing_deployment_is_left_alone_and_comes_back(fleet: "Fleet", status: str) -> None:
    fleet.steer(QUICK, "a", "b")
    fleet["a"].behave = fleet.refuses(status)
    fleet.rig.until(lambda: fleet.ask().status == 200 and fleet.vitals("a")["breaker"] == "open")
    assert fleet.vitals("a")["cause"] == "failures"
    _recovers(fleet, "a")


def test_every_call_is_answered_while_one_of_two_fails_half_the_time(fleet: "Fleet") -> None:
    fleet.steer(QUICK, "a", "b")
    count = iter(range(10_000))

    def half(connection: object, request: bytes) -> None:
        (fleet.says("a") if next(count) % 2 else fleet.refuses("500 No"))(connection, request)  # type: ignore[arg-type] # as behave

    fleet["a"].behave = half
    assert [reply.status for _ in range(15) for reply in fleet.many(8)] == [200] * 120


def test_a_broken_model_without_siblings_is_still_tried(fleet: "Fleet") -> None:
    fleet.steer(Routing(breaker=Breaker(consecutive=2, open_ms=60_000, max_open_ms=60_000)), "a")
    fleet["a"].behave = fleet.refuses("500 No")
    for _ in range(3):
        assert fleet.ask().status == 502
    assert fleet.vitals("a")["breaker"] == "open"
    before = len(fleet["a"].requests)
    assert fleet.ask().status == 502
    assert len(fleet["a"].requests) == before + 1, "once, and not retried"
    fleet["a"].behave = fleet.says("a")
    assert fleet.text(fleet.ask()) == "a"
    assert fleet.vitals("a")["breaker"] == "closed", "and its first answer closes the breaker"


def test_a_429_keeps_calls_away_for_its_time_and_breaks_nothing(fleet: "Fleet") -> None:
    fleet.steer(QUICK, "a", "b", a={"weight": 1_000_000})
    fleet["a"].behave = fleet.refuses("429 Slow", extra="retry-after: 1\r\n")
    assert fleet.text(fleet.ask()) == "b"
    gauges = fleet.vitals("a")
    assert (gauges["breaker"], gauges["limited_total"]) == ("closed", 1)
    assert 0 < gauges["held_ms"] <= 1_000
    assert [fleet.text(fleet.ask()) for _ in range(5)] == ["b"] * 5
    fleet["a"].behave = fleet.says("a")
    fleet.rig.until(lambda: fleet.text(fleet.ask()) == "a")


@pytest.mark.parametrize("stream", [False, True])
def test_calls_at_a_silent_deployment_are_rescued(fleet: "Fleet", stream: bool) -> None:  # noqa: FBT001 - a parameter
    fleet.steer(QUICK, "a", "b")
    fleet.rig.until(lambda: fleet.text(fleet.ask(stream=stream)) == "b")
    fleet["a"].behave = fleet.hangs("a")
    replies = fleet.many(12, stream=stream)
    assert [fleet.text(reply) for reply in replies] == ["b"] * 12
    assert fleet.vitals("a")["cause"] == "silence"
    rescued = [found for reply in replies if len(found := fleet.attempts(reply)) > 1]
    assert rescued
    assert all(found[0] == ("a", "first", "overtaken") for found in rescued)
    assert all(found[1] == ("b", "retry", None) for found in rescued)
    since = time.monotonic()
    assert fleet.text(fleet.ask(stream=stream)) == "b"
    assert time.monotonic() - since < 1.5, "the next is not sent there, or rescued soon"
    _recovers(fleet, "a")


def test_a_deployment_far_slower_than_its_sibling_is_ejected(fleet: "Fleet") -> None:
    fleet.steer(QUICK, "a", "b")

    def slow(connection: object, request: bytes) -> None:
        time.sleep(0.08)
        fleet.says("a")(connection, request)  # type: ignore[arg-type] # as behave

    fleet["a"].behave = slow
    fleet.rig.until(lambda: bool(fleet.many(8)) and fleet.vitals("a").get("is_ejected"))
    assert fleet.vitals("a")["cause"] == "outlier"
    _recovers(fleet, "a")


def test_a_new_snapshot_forgets_nothing(fleet: "Fleet") -> None:
    routing = Routing(
        breaker=Breaker(consecutive=2, open_ms=60_000, max_open_ms=60_000), retries=Retries(attempts=0)
    )
    fleet.steer(routing, "a")
    fleet["a"].behave = fleet.refuses("500 No")
    for _ in range(2):
        fleet.ask()
    assert fleet.vitals("a")["breaker"] == "open"
    fleet.publish(routing, "a", "b")
    assert fleet.vitals("a")["breaker"] == "open"
    assert [fleet.text(fleet.ask()) for _ in range(6)] == ["b"] * 6


def test_a_full_deployment_is_passed_by(fleet: "Fleet") -> None:
    fleet.steer(QUICK, "a", "b", a={"weight": 1_000_000, "max_concurrency": 0})
    assert {fleet.text(reply) for reply in fleet.many(6)} == {"b"}
