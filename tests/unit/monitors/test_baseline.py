"""What is usual: no false alarm on seasonal noise, and a shift is found."""

import math
import random
from collections.abc import Callable

import pytest

from pilothouse.monitors.alerts.baseline import Baseline, Usual, learn

HOUR_MS = 3_600_000
WEEK_H = 168
DEVIATIONS = 6.0
Noise = Callable[[random.Random, float], float]


def level(hour: int) -> float:
    """Returns a week's rhythm: busy by day, quiet at night and at weekends."""
    day, of_day = hour // 24 % 7, hour % 24
    return (30 + 70 * max(0.0, math.sin((of_day - 6) / 12 * math.pi))) * (0.35 if day >= 5 else 1.0)


def gaussian(source: random.Random, at: float) -> float:
    return max(0.0, at * (1 + source.gauss(0, 0.15)))


def heavy(source: random.Random, at: float) -> float:
    return at * math.exp(source.gauss(0, 0.3))


def counts(source: random.Random, at: float) -> float:
    """A Poisson count of a tenth of the level: 1 to 10 an hour."""
    limit, product, count = math.exp(-at / 10), source.random(), 0
    while product > limit:
        product *= source.random()
        count += 1
    return float(count)


def history(seed: int, hours: int, noise: Noise) -> list[tuple[int, float]]:
    source = random.Random(seed)
    return [(hour * HOUR_MS, noise(source, level(hour))) for hour in range(hours)]


def is_alarm(usual: Usual | None, value: float) -> bool:
    return usual is not None and abs(value - usual.value) > DEVIATIONS * usual.spread


def alarms(points: list[tuple[int, float]], first: int) -> int:
    """Counts the hours that would alert, learning twice a day from the four weeks before."""
    found, baseline = 0, Baseline([])
    for index in range(first, len(points)):
        if (index - first) % 12 == 0:
            baseline = learn(points[max(0, index - 4 * WEEK_H) : index])
        found += is_alarm(baseline.at(points[index][0]), points[index][1])
    return found


@pytest.mark.parametrize("noise", [gaussian, heavy, counts])
def test_forty_weeks_of_seasonal_noise_raise_no_alarm(noise: Noise) -> None:
    weeks = [alarms(history(seed, 5 * WEEK_H, noise), 4 * WEEK_H) for seed in range(40)]
    assert weeks == [0] * 40


def test_the_first_weeks_raise_no_alarm() -> None:
    assert [alarms(history(seed, 4 * WEEK_H, gaussian), 1) for seed in range(8)] == [0] * 8


@pytest.mark.parametrize("noise", [gaussian, heavy])
def test_a_shift_to_three_times_is_found_within_the_day(noise: Noise) -> None:
    for seed in range(40):
        points = history(seed, 5 * WEEK_H, noise)
        baseline = learn(points[: 4 * WEEK_H])
        day = points[4 * WEEK_H + 24 : 4 * WEEK_H + 48]
        assert any(is_alarm(baseline.at(at_ms), 3 * value) for at_ms, value in day), seed


def test_the_hour_of_the_week_counts_once_there_are_three_weeks() -> None:
    points = history(1, 3 * WEEK_H, gaussian)
    saturday_noon = 3 * WEEK_H + 5 * 24 + 12
    usual = learn(points).at(saturday_noon * HOUR_MS)
    assert usual is not None
    assert usual.source == "hour of the week"
    assert usual.value == pytest.approx(level(saturday_noon), rel=0.25)
    weeks_two = learn(points[: 2 * WEEK_H]).at(saturday_noon * HOUR_MS)
    assert weeks_two is not None
    assert weeks_two.source == "hour of the day"
    days_two = learn(points[:48]).at(48 * HOUR_MS)
    assert days_two is not None
    assert days_two.source == "last days"


def test_too_little_past_and_a_past_that_never_moved_say_nothing() -> None:
    assert learn(history(1, 20, gaussian)).at(20 * HOUR_MS) is None
    assert learn([(hour * HOUR_MS, 0.0) for hour in range(200)]).at(200 * HOUR_MS) is None
    assert learn([(hour * HOUR_MS, None) for hour in range(200)]).at(200 * HOUR_MS) is None


def test_an_incident_in_the_past_does_not_become_usual() -> None:
    points = history(3, 4 * WEEK_H, gaussian)
    spoiled = [(at, value * 20) if 300 <= i < 304 else (at, value) for i, (at, value) in enumerate(points)]
    at_ms = (4 * WEEK_H + 132) * HOUR_MS  # the same hours of the week, later
    clean, dirty = learn(points).at(at_ms), learn(spoiled).at(at_ms)
    assert clean is not None
    assert dirty is not None
    assert dirty.value == pytest.approx(clean.value, rel=0.5)
    assert dirty.spread < 2 * clean.spread
