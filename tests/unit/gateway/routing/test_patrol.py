"""What the rounds see: silence, and who is far slower than the rest."""

from collections.abc import Callable

import pytest

from pilothouse.contracts.traffic import Breaker, Retries, Routing
from pilothouse.gateway.routing.group import PATIENCE_S, PROBE_PATIENCE_S, Group
from pilothouse.gateway.routing.patrol import LEAST_SAMPLES, look_for_outliers, look_for_silence
from pilothouse.gateway.routing.seat import Seat

Make = Callable[..., Seat]
NOW_S = 1_000.0
ROUTING = Routing()


class Waiting:
    def __init__(self, *, is_stream: bool = False) -> None:
        self.is_stream = is_stream
        self.asked = 0

    def overdue(self, now_s: float) -> bool:
        self.asked += now_s > 0
        return True


def _timed(seat: Seat, taken_ms: float, count: int = LEAST_SAMPLES) -> Seat:
    for _ in range(count):
        seat.vitals.plain.add(taken_ms, NOW_S)
    return seat


def test_a_call_that_waits_far_longer_than_usual_is_told_and_the_breaker_opens(seat: Make) -> None:
    silent, other = seat("silent"), _timed(seat("other"), 10.0)
    group, waiter = Group([silent, other], ROUTING), Waiting()
    silent.vitals.begin(waiter, NOW_S)
    look_for_silence(group, ROUTING, NOW_S + PATIENCE_S - 0.1)
    assert (waiter.asked, silent.vitals.breaker.state) == (0, "closed")
    look_for_silence(group, ROUTING, NOW_S + PATIENCE_S + 0.1)
    assert waiter.asked == 1
    assert silent.vitals.breaker.cause == "silence"
    look_for_silence(group, ROUTING, NOW_S + PATIENCE_S + 0.2)
    assert waiter.asked == 2, "asked again while it waits: the budget may have had nothing left"


def test_one_long_call_at_a_deployment_that_answers_others_is_not_silence(seat: Make) -> None:
    lively, other = _timed(seat("lively"), 10.0), _timed(seat("other"), 10.0)
    group, long, short = Group([lively, other], ROUTING), Waiting(), Waiting()
    lively.vitals.begin(long, NOW_S)
    lively.vitals.begin(short, NOW_S + 4)
    lively.vitals.heard(short, NOW_S + 4.5)
    look_for_silence(group, ROUTING, NOW_S + 5)
    assert (long.asked, lively.vitals.breaker.state) == (0, "closed")


def test_a_model_that_usually_takes_long_is_given_longer(seat: Make) -> None:
    slow, other = _timed(seat("slow"), 8_000.0), _timed(seat("other"), 8_000.0)
    group, waiter = Group([slow, other], ROUTING), Waiting()
    slow.vitals.begin(waiter, NOW_S)
    look_for_silence(group, ROUTING, NOW_S + 39)
    assert waiter.asked == 0
    look_for_silence(group, ROUTING, NOW_S + 41)
    assert waiter.asked == 1


@pytest.mark.parametrize(
    ("count", "timed", "kind", "patience_s"),
    [
        (2, 1, "plain", PATIENCE_S),
        (2, 1, "suspect", PROBE_PATIENCE_S),
        (2, 0, "plain", 20.0),
        (2, 0, "stream", 10.0),
        (1, 1, "plain", 20.0),
    ],
)
def test_patience(seat: Make, count: int, timed: int, kind: str, patience_s: float) -> None:
    seats = [seat(str(number)) for number in range(count)]
    for each in seats[:timed]:
        _timed(each, 1.0)
    routing = Routing(retries=Retries(deadline_ms=40_000))
    group = Group(seats, routing)
    found = group.patience_s(routing, is_stream=kind == "stream", is_suspect=kind == "suspect")
    assert found == patience_s


def test_who_is_far_slower_than_its_siblings_is_ejected(seat: Make) -> None:
    seats = [_timed(seat("slow"), 400.0), _timed(seat("a"), 40.0), _timed(seat("b"), 50.0)]
    look_for_outliers(Group(seats, ROUTING), ROUTING, NOW_S)
    assert [each.vitals.breaker.state for each in seats] == ["open", "closed", "closed"]
    assert seats[0].vitals.breaker.limit_ms == 5 * 45


def test_no_more_than_the_allowed_share_is_ejected(seat: Make) -> None:
    seats = [_timed(seat(name), taken_ms) for name, taken_ms in zip("abcd", (900, 800, 1, 1), strict=True)]
    routing = Routing(breaker=Breaker(max_ejected=0.25))
    look_for_outliers(Group(seats, routing), routing, NOW_S)
    assert [each.vitals.breaker.state for each in seats] == ["open", "closed", "closed", "closed"]


@pytest.mark.parametrize(
    ("slow_ms", "count", "age_s"),
    [
        (20.0, LEAST_SAMPLES, 0.0),  # a few milliseconds more are nothing
        (400.0, LEAST_SAMPLES - 1, 0.0),  # too few to judge by
        (400.0, LEAST_SAMPLES, 60.0),  # too long ago
    ],
)
def test_little_reason_ejects_nobody(seat: Make, slow_ms: float, count: int, age_s: float) -> None:
    seats = [_timed(seat("slow"), slow_ms, count), _timed(seat("fast"), 1.0)]
    look_for_outliers(Group(seats, ROUTING), ROUTING, NOW_S + age_s)
    assert [each.vitals.breaker.state for each in seats] == ["closed", "closed"]
