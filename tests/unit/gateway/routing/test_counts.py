"""Windows, latencies, retry budgets and back-offs."""

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.contracts.traffic import Retries
from pilothouse.gateway.routing.backoff import backoff_s
from pilothouse.gateway.routing.budget import Budget
from pilothouse.gateway.routing.latency import Latency
from pilothouse.gateway.routing.window import Window


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=80))
def test_a_window_counts_what_is_not_too_old(events: list[tuple[bool, int]]) -> None:
    window, now_s, seen = Window(10.0), 1_000, []
    for is_good, wait_s in events:
        now_s += wait_s
        seen.append((now_s, is_good))
        (window.add_good if is_good else window.add_bad)(now_s)
        recent = [good for at_s, good in seen if at_s > now_s - 10]
        assert (window.good, window.bad) == (recent.count(True), recent.count(False))


def test_a_peak_jumps_up_and_sinks_with_time() -> None:
    latency = Latency()
    for _ in range(20):
        latency.add(10.0, 100.0)
    latency.add(500.0, 100.0)
    assert latency.peak_ms == 500.0
    assert 50 < latency.mean_ms < 60
    latency.add(10.0, 110.0)
    assert 150 < latency.peak_ms < 200
    assert latency.peak_at(170.0) < 1


def test_a_budget_is_a_floor_and_a_share() -> None:
    budget = Budget()
    budget.obey(Retries(budget_ratio=0.5, budget_floor=2))
    assert [budget.take(100.0) for _ in range(3)] == [True, True, False]
    for _ in range(4):
        budget.called(100.0)
    assert [budget.take(101.0) for _ in range(3)] == [True, True, False]
    assert [budget.take(120.0) for _ in range(3)] == [True, True, False], "old retries are forgotten"
    assert (budget.taken_total, budget.denied_total) == (6, 3)


def test_a_backoff_doubles_up_to_its_cap() -> None:
    policy = Retries(base_ms=25, cap_ms=100)
    assert [backoff_s(policy, retries, 1.0) for retries in (0, 1, 2, 3, 500)] == [0.025, 0.05, 0.1, 0.1, 0.1]
    assert backoff_s(policy, 3, 0.0) == 0.0
