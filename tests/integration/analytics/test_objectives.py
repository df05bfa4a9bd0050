"""Objectives over a small record: good and counted calls, budgets and burn rates."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.analytics.record import NOW_MS, Record

from pilothouse.monitors.objectives.keeper import Keeper
from pilothouse.monitors.objectives.routes import detail_of, view_of
from pilothouse.monitors.objectives.settings import ObjectiveSettings


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    record = Record(tmp_path)
    yield record
    record.close()


def test_an_outage_burns_the_budget_and_is_told(record: Record) -> None:
    for number in range(90):
        record.add(60 + number * 600, number)
    for number in range(100, 110):
        record.add(30, number, status=502, outcome="failed", error_type="upstream_error")
    record.add(30, 111, status=400, outcome="refused", error_type="invalid_request_error")
    record.add(2 * 86_400, 112, status=500, outcome="failed")
    record.add(30, 113, model="other", status=500, outcome="failed")
    record.settle()
    settings = ObjectiveSettings(goal=0.9, window="1d", only={"model": "m"})
    keeper = Keeper(record.analytics, {"up": settings, "all": ObjectiveSettings(goal=0.9)})
    keeper.tick(NOW_MS)
    view = view_of(keeper.kept[0])
    assert (view.total, view.good, view.budget, view.state) == (100, 90, 10, "spent")
    assert view.budget_left == pytest.approx(0)
    rates = {one.window: (one.good, one.total) for one in view.burn_rates}
    assert rates["5m"] == (1, 11)
    assert rates["1h"] == (6, 16)
    assert rates["3d"] == (90, 101)
    worst = keeper.burning(NOW_MS)[0]
    assert (worst.objective, worst.measure, worst.only) == ("up", "availability", {"model": "m"})
    assert worst.threshold == 1.0
    assert keeper.kept[1].whole.total == 102
    names = [family.name for family in keeper.families(NOW_MS)]
    assert names == [f"pilothouse_objective_{part}" for part in ("goal", "budget_left", "burn_rate")]


def test_the_budgets_series_ends_at_what_is_left(record: Record) -> None:
    for number in range(20):
        record.add(60 + number * 1800, number, status=200 if number % 10 else 500)
    record.settle()
    keeper = Keeper(record.analytics, {"up": ObjectiveSettings(goal=0.8, window="12h")})
    keeper.tick(NOW_MS)
    detail = detail_of(keeper, keeper.kept[0], NOW_MS, 12)
    assert sum(detail.total) == 20
    assert detail.budget_left[0] == 1
    assert detail.budget_left[-1] == pytest.approx(detail.objective.budget_left)
    assert detail.budget_left[-1] == pytest.approx(0.5)


@pytest.mark.parametrize("only", [{}, {"model": "m"}, {"key": "key_1"}])
def test_latency_counts_what_is_within_the_threshold(record: Record, only: dict[str, str]) -> None:
    for number, duration_ms in enumerate((10.0, 200.0, 790.0, 2000.0, 4000.0)):
        record.add(5000 + number, number, duration_ms=duration_ms, first_token_ms=5.0, is_stream=True)
    record.add(30, 9, duration_ms=100.0)
    record.add(30, 10, duration_ms=100.0, status=500, outcome="failed")
    record.settle()
    record.settle(NOW_MS + 600_000)  # rolls up
    settings = ObjectiveSettings(measure="latency", threshold_ms=800, goal=0.5, window="1d", only=only)
    first = ObjectiveSettings(measure="first_token", threshold_ms=4, goal=0.5, window="1d")
    keeper = Keeper(record.analytics, {"quick": settings, "first": first})
    keeper.tick(NOW_MS)
    quick, first_token = keeper.kept
    assert (quick.whole.good, quick.whole.total) == (4, 6)
    assert (first_token.whole.good, first_token.whole.total) == (0, 5)


def test_an_objective_without_calls_is_unknown(record: Record) -> None:
    keeper = Keeper(record.analytics, {"up": ObjectiveSettings()})
    keeper.tick(NOW_MS)
    shown = keeper.shown()[0]
    assert (shown.state, shown.value, shown.budget_left, shown.burn_rate) == ("unknown", None, None, None)


def test_an_objective_that_cannot_be_counted_holds_up_no_other(record: Record) -> None:
    record.add(30, 0)
    record.settle()
    wrong = ObjectiveSettings(only={"nothing": "known"})
    keeper = Keeper(record.analytics, {"wrong": wrong, "up": ObjectiveSettings(window="1d")})
    keeper.tick(NOW_MS)
    assert [kept.whole.total for kept in keeper.kept] == [0, 1]
