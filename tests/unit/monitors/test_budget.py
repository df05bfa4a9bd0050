"""Error budgets and burn rates, by the figures of the Site Reliability Workbook."""

import pytest

from pilothouse.monitors.objectives.budget import (
    PAIRS,
    WINDOWS_S,
    Tally,
    budget_left,
    burn_rate,
    conditions,
    state_of,
)
from pilothouse.monitors.objectives.settings import ObjectiveSettings, problems, window_ms_of

GOAL = 0.999


def with_errors(share: float, total: float = 100_000) -> Tally:
    return Tally(total * (1 - share), total)


def test_what_is_left_of_a_budget() -> None:
    assert budget_left(Tally(1000, 1000), GOAL) == 1
    assert budget_left(with_errors(0.0005), GOAL) == pytest.approx(0.5)
    assert budget_left(with_errors(0.002), GOAL) == pytest.approx(-1)
    assert budget_left(Tally(), GOAL) is None


def test_each_pair_spends_what_the_workbook_says_of_a_30_day_budget() -> None:
    spent = [pair.rate * WINDOWS_S[pair.long] / (30 * 86_400) for pair in PAIRS]
    assert spent == pytest.approx([0.02, 0.05, 0.1])
    assert [WINDOWS_S[pair.long] / WINDOWS_S[pair.short] for pair in PAIRS] == [12, 12, 12]


def test_a_burn_alerts_only_while_both_windows_burn() -> None:
    windows = {name: Tally(1000, 1000) for name in WINDOWS_S}
    assert not any(one.is_burning for one in conditions(windows, GOAL, min_calls=1))
    fast = windows | {"1h": with_errors(0.0145), "5m": with_errors(0.02)}
    assert [one.is_burning for one in conditions(fast, GOAL, min_calls=1)] == [True, False, False]
    over = fast | {"5m": with_errors(0.001)}
    assert not any(one.is_burning for one in conditions(over, GOAL, min_calls=1))
    slow = windows | {"3d": with_errors(0.0011), "6h": with_errors(0.0011)}
    assert [one.is_burning for one in conditions(slow, GOAL, min_calls=1)] == [False, False, True]


def test_too_few_calls_are_no_outage() -> None:
    windows = {name: Tally(1, 2) for name in WINDOWS_S}
    assert not any(one.is_burning for one in conditions(windows, GOAL, min_calls=3))
    assert state_of(Tally(1, 2), GOAL, [], min_calls=3) == "unknown"


def test_the_state_of_an_objective() -> None:
    burning = conditions({name: with_errors(0.02) for name in WINDOWS_S}, GOAL, min_calls=1)
    calm = conditions({name: with_errors(0) for name in WINDOWS_S}, GOAL, min_calls=1)
    assert state_of(with_errors(0.0001), GOAL, calm, min_calls=1) == "ok"
    assert state_of(with_errors(0.0001), GOAL, burning, min_calls=1) == "burning"
    assert state_of(with_errors(0.002), GOAL, calm, min_calls=1) == "spent"
    assert burn_rate(with_errors(0.002), GOAL) == pytest.approx(2)


def test_windows_and_contradictions() -> None:
    assert window_ms_of("24h") == window_ms_of("1d") == 86_400_000
    assert window_ms_of("4w") == 28 * 86_400_000
    assert [window_ms_of(text) for text in ("0d", "30", "91d", "d", "1 d", "-1d")] == [None] * 6
    assert not list(problems(ObjectiveSettings()))
    wrong = ObjectiveSettings(measure="latency", window="soon", only={"modle": "x"})
    assert [setting for setting, _, _ in problems(wrong)] == ["window", "only", "threshold_ms"]
    assert [setting for setting, _, _ in problems(ObjectiveSettings(threshold_ms=5))] == ["threshold_ms"]
