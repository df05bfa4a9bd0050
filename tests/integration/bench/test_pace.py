"""The steady flow over real sockets: every question is asked at its moment and ends as what it is."""

from collections import Counter
from collections.abc import Iterator

import pytest
import uvloop
from bench.mock_upstream import Knobs
from bench.pace import Pace
from bench.peer import Running
from bench.question import PLAIN, STREAMS, Scenario
from bench.rig import Mock, mocks


@pytest.fixture
def upstream() -> Iterator[Mock]:
    with mocks() as (begun,):
        yield begun


def asked(upstream: Mock, scenario: Scenario, *, rate: float = 100, patience_s: float = 10.0) -> Pace:
    process = upstream.process
    pace = Pace(
        Running(process=process, port=upstream.port), scenario, rate=rate, seconds=0.5, patience_s=patience_s
    )
    uvloop.run(pace.run())
    return pace


@pytest.mark.parametrize("scenario", [PLAIN[0], STREAMS])
def test_every_question_is_asked_at_its_moment(upstream: Mock, scenario: Scenario) -> None:
    pace = asked(upstream, scenario)
    assert Counter(one.outcome for one in pace.answers) == {"right": 50}
    assert sorted(one.due_s for one in pace.answers) == [number / 100 for number in range(50)]
    assert all(0 < one.first_us <= one.whole_us for one in pace.answers)


def test_a_slow_answer_keeps_no_other_from_being_asked(upstream: Mock) -> None:
    upstream.turn(Knobs(delay_ms=400))
    pace = asked(upstream, PLAIN[0])
    assert Counter(one.outcome for one in pace.answers) == {"right": 50}
    assert pace.most_busy > 20
    assert min(one.whole_us for one in pace.answers) > 390_000


@pytest.mark.parametrize(
    ("knobs", "scenario", "outcome"),
    [
        (Knobs(status=500), PLAIN[0], "refused"),
        (Knobs(tokens=3), PLAIN[0], "false end"),
        (Knobs(fault="cut"), PLAIN[0], "cut"),
        (Knobs(fault="cut"), STREAMS, "cut"),
        (Knobs(fault="reset"), PLAIN[0], "cut"),
        (Knobs(fault="hang"), PLAIN[0], "timeout"),
    ],
)
def test_a_wrong_answer_is_named(upstream: Mock, knobs: Knobs, scenario: Scenario, outcome: str) -> None:
    upstream.turn(knobs)
    pace = asked(upstream, scenario, patience_s=0.5)
    assert Counter(one.outcome for one in pace.answers) == {outcome: 50}
    assert outcome == "timeout" or all(one.example for one in pace.answers)


def test_the_lot_falls_on_the_share_that_is_asked_for(upstream: Mock) -> None:
    upstream.turn(Knobs(status=500, share=0.5))
    outcomes = Counter(one.outcome for one in asked(upstream, PLAIN[0], rate=400).answers)
    assert 50 < outcomes["right"] < 150
    assert outcomes["right"] + outcomes["refused"] == 200


def test_nobody_listening_is_no_connection(upstream: Mock) -> None:
    process = upstream.process
    upstream.end()
    pace = Pace(Running(process=process, port=upstream.port), PLAIN[0], rate=100, seconds=0.2, connections=0)
    uvloop.run(pace.run())
    assert Counter(one.outcome for one in pace.answers) == {"no connection": 20}
