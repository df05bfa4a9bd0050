"""The breaker's states: any order of outcomes and waits, and the stories a person would tell."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.contracts.traffic import Breaker as Policy
from pilothouse.gateway.routing.breaker import PROBE_EVERY_S, Breaker

POLICY = Policy(consecutive=3, min_calls=10, open_ms=1_000, max_open_ms=4_000)


def _state(breaker: Breaker) -> str:
    return breaker.state


def _opened(now_s: float = 100.0) -> Breaker:
    breaker = Breaker(POLICY)
    for _ in range(POLICY.consecutive):
        breaker.failed(now_s, now_s)
    assert _state(breaker) == "open"
    return breaker


def test_failures_in_a_row_open_it_and_one_answer_starts_the_count_anew() -> None:
    breaker = Breaker(POLICY)
    breaker.failed(1, 1)
    breaker.failed(1, 1)
    breaker.succeeded(1, 1)
    breaker.failed(1, 1)
    breaker.failed(1, 1)
    assert _state(breaker) == "closed"
    breaker.failed(1, 1)
    assert (_state(breaker), breaker.cause) == ("open", "failures")


def test_a_share_of_failures_opens_it_once_there_are_enough_calls() -> None:
    breaker = Breaker(POLICY)
    for _ in range(4):
        breaker.succeeded(1, 1)
        breaker.failed(1, 1)
    assert _state(breaker) == "closed", "eight calls are too few to judge"
    breaker.succeeded(1, 1)
    breaker.failed(1, 1)
    assert _state(breaker) == "open"


def test_old_failures_are_forgotten() -> None:
    breaker = Breaker(POLICY)
    for second in range(40):
        breaker.succeeded(second, second)
        if second % 4 == 0:
            breaker.failed(second, second)
    assert _state(breaker) == "closed"
    assert breaker.window.bad <= 3


def test_one_probe_is_let_through_and_its_answer_closes_it() -> None:
    breaker = _opened()
    assert not breaker.allows(100.9)
    assert breaker.allows(101.0)
    breaker.begin(101.0)
    assert _state(breaker) == "half_open"
    assert not breaker.allows(101.1)
    breaker.succeeded(101.0, 101.2)
    assert _state(breaker) == "closed"


def test_a_probe_that_is_never_answered_is_followed_by_another() -> None:
    breaker = _opened()
    breaker.begin(101.0)
    assert not breaker.allows(101.0 + PROBE_EVERY_S / 2)
    assert breaker.allows(101.0 + PROBE_EVERY_S)


def test_failed_probes_double_the_wait_up_to_the_longest() -> None:
    breaker, now_s, waits = _opened(), 100.0, []
    for _ in range(4):
        waits.append(breaker.next_probe_s - now_s)
        now_s = breaker.next_probe_s
        breaker.begin(now_s)
        breaker.failed(now_s, now_s)
    assert waits == [1, 2, 4, 4]


def test_one_that_opens_again_soon_after_it_closed_waits_longer() -> None:
    breaker = _opened()
    breaker.begin(101.0)
    breaker.succeeded(101.0, 101.0)
    for _ in range(POLICY.consecutive):
        breaker.failed(102.0, 102.0)
    assert breaker.next_probe_s == 104.0


def test_answers_to_calls_from_before_it_opened_do_not_close_it() -> None:
    breaker = _opened()
    breaker.succeeded(99.0, 100.5)
    assert _state(breaker) == "open"
    breaker.begin(101.0)
    breaker.failed(99.5, 101.1)
    assert _state(breaker) == "half_open", "nor do their failures speak for the probe"


def test_an_answer_of_any_age_refutes_silence() -> None:
    breaker = Breaker(POLICY)
    breaker.trip(100.0, "silence")
    breaker.succeeded(90.0, 100.1)
    assert _state(breaker) == "closed"


def test_an_outlier_must_answer_in_time_to_come_back() -> None:
    breaker = Breaker(POLICY)
    breaker.trip(100.0, "outlier", limit_ms=50.0)
    breaker.begin(101.0)
    breaker.succeeded(101.0, 101.2, taken_ms=200.0)
    assert _state(breaker) == "open"
    breaker.begin(103.2)
    breaker.succeeded(103.2, 103.21, taken_ms=10.0)
    assert _state(breaker) == "closed"


def test_a_probe_that_says_nothing_is_repeated_at_once() -> None:
    breaker = _opened()
    breaker.begin(101.0)
    breaker.unknown(101.0, 101.3)
    assert breaker.allows(101.3)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "succeed", "fail", "unknown", "silence", "outlier"]),
        st.floats(min_value=0, max_value=3),
    ),
    max_size=60,
)


@given(steps=STEPS)
@settings(deadline=None)
def test_whatever_happens_it_comes_back(steps: list[tuple[str, float]]) -> None:
    breaker, now_s, begun = Breaker(POLICY), 1_000.0, []
    for what, wait_s in steps:
        now_s += wait_s
        if what == "ask" and breaker.allows(now_s):
            breaker.begin(now_s)
            begun.append(now_s)
        elif what in {"silence", "outlier"}:
            breaker.trip(now_s, "silence" if what == "silence" else "outlier", limit_ms=5.0)
        elif begun:
            begun_s = begun.pop(0)
            if what == "succeed":
                breaker.succeeded(begun_s, now_s)
            elif what == "fail":
                breaker.failed(begun_s, now_s)
            else:
                breaker.unknown(begun_s, now_s)
        assert breaker.window.good >= 0
        assert breaker.window.bad >= 0
        assert breaker.next_probe_s <= now_s + POLICY.max_open_ms / 1000
        assert _state(breaker) != "closed" or breaker.allows(now_s)
    now_s += POLICY.max_open_ms / 1000
    assert breaker.allows(now_s), "within the longest time open, a call is let through"
    breaker.begin(now_s)
    breaker.succeeded(now_s, now_s + 0.01)
    assert _state(breaker) == "closed", "and its answer closes it"
