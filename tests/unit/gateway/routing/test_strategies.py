"""Strategies: their shares, their order, and whom they leave out."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.contracts.snapshot import Price
from pilothouse.contracts.traffic import Arm, Experiment, Routing, Strategy
from pilothouse.gateway.routing.arms import arm_of
from pilothouse.gateway.routing.group import Group
from pilothouse.gateway.routing.seat import Seat, stable_number

Make = Callable[..., Seat]
NOW_S = 1_000.0


def _chosen(group: Group[Seat], key: int = 0, **more: Any) -> str | None:
    found = group.choose(key, NOW_S, is_stream=False, **more)
    return None if found is None else found.deployment


def _shares(group: Group[Seat], count: int = 4_000) -> Counter[str | None]:
    return Counter(_chosen(group, stable_number(str(number))) for number in range(count))


def _group(seats: list[Seat], strategy: Strategy = "weighted", **more: Any) -> Group[Seat]:
    return Group(seats, Routing(strategy=strategy, **more))


@pytest.mark.parametrize("strategy", ["weighted", "sticky", "prefix_affinity"])
def test_shares_follow_weights(seat: Make, strategy: Strategy) -> None:
    shares = _shares(_group([seat("a", weight=3), seat("b", weight=1), seat("zero", weight=0)], strategy))
    assert 0.62 < shares["a"] / 4_000 < 0.88
    assert shares["zero"] == 0
    assert shares["a"] + shares["b"] == 4_000


@pytest.mark.parametrize(
    "strategy", ["weighted", "least_busy", "lowest_latency", "cheapest", "prefix_affinity", "sticky"]
)
def test_who_is_broken_held_or_full_is_left_out(seat: Make, strategy: Strategy) -> None:
    seats = [
        seat("broken"),
        seat("held"),
        seat("full", max_concurrency=0),
        seat("good"),
        seat("last", weight=0),
    ]
    seats[0].vitals.silent(NOW_S)
    seats[1].vitals.held_until_s, seats[1].vitals.is_troubled = NOW_S + 1, True
    group = _group(seats, strategy)
    assert set(_shares(group, 50)) == {"good"}
    assert _chosen(group, tried={"good"}) == "last", "weight 0 comes when none of the others can"
    assert _chosen(group, tried={"good", "last"}) is None
    bad = group.least_bad(NOW_S)
    assert bad is not None
    assert bad.deployment == "good"
    assert group.held_s(NOW_S) == 0.0


def test_when_nothing_is_well_the_one_that_comes_back_first_is_tried(seat: Make) -> None:
    seats = [seat("late"), seat("soon")]
    for each, now_s in zip(seats, (NOW_S, NOW_S - 0.5), strict=True):
        each.vitals.silent(now_s)
    group = _group(seats)
    assert _chosen(group) is None
    bad = group.least_bad(NOW_S)
    assert bad is not None
    assert bad.deployment == "soon"


def test_when_all_are_held_by_429s_the_one_held_least_is_tried(seat: Make) -> None:
    seats = [seat("a"), seat("b")]
    for each, wait_s in zip(seats, (5, 3), strict=True):
        each.vitals.held_until_s, each.vitals.is_troubled = NOW_S + wait_s, True
    group = _group(seats)
    assert _chosen(group) is None
    bad = group.least_bad(NOW_S)
    assert bad is not None
    assert bad.deployment == "b"
    assert group.held_s(NOW_S) == 3.0


def test_the_least_busy_for_its_weight_is_chosen(seat: Make) -> None:
    seats = [seat("a", weight=4), seat("b", weight=1)]
    seats[0].vitals.in_flight, seats[1].vitals.in_flight = 6, 1
    group = _group(seats, "least_busy")
    assert _chosen(group) == "a", "7 of 4 is less than 2 of 1"
    seats[1].vitals.in_flight = 0
    assert _chosen(group) == "b"


def test_equals_share_evenly(seat: Make) -> None:
    shares = _shares(_group([seat("a"), seat("b"), seat("c")], "least_busy"), 3_000)
    assert all(800 < count < 1_200 for count in shares.values())


def test_the_faster_is_chosen_and_the_untimed_is_timed(seat: Make) -> None:
    seats = [seat("slow"), seat("fast")]
    group = _group(seats, "lowest_latency")
    seats[0].vitals.plain.add(100.0, NOW_S)
    assert set(_shares(group, 50)) == {"fast"}, "never timed"
    seats[1].vitals.plain.add(10.0, NOW_S)
    assert set(_shares(group, 50)) == {"fast"}
    seats[1].vitals.in_flight = 20
    assert set(_shares(group, 50)) == {"slow"}, "21 times 10 ms is more than 100 ms"


def test_the_cheapest_within_the_objective_is_chosen(seat: Make) -> None:
    seats = [
        seat("dear", price=Price(input_usd=5, output_usd=10)),
        seat("cheap", price=Price(input_usd=1, output_usd=2)),
        seat("unpriced"),
    ]
    group = _group(seats, "cheapest", latency_objective_ms=50.0)
    assert set(_shares(group, 50)) == {"cheap"}
    seats[1].vitals.plain.add(80.0, NOW_S)
    assert set(_shares(group, 50)) == {"dear"}, "without a price is not for free"
    seats[0].vitals.plain.add(70.0, NOW_S)
    assert set(_shares(group, 50)) == {"unpriced"}
    seats[2].vitals.plain.add(90.0, NOW_S)
    assert set(_shares(group, 50)) == {"dear"}, "when all miss it, the fastest"


@pytest.mark.parametrize("strategy", ["sticky", "prefix_affinity"])
def test_a_key_stays_and_only_the_missing_ones_keys_move(seat: Make, strategy: Strategy) -> None:
    seats = [seat(name) for name in "abcd"]
    keys = [stable_number(str(number)) for number in range(500)]
    group, turned = _group(seats, strategy), _group(list(reversed(seats)), strategy)
    before = {key: _chosen(group, key) for key in keys}
    assert before == {key: _chosen(turned, key) for key in keys}
    seats[2].vitals.silent(NOW_S)
    after = {key: _chosen(group, key) for key in keys}
    moved = {key for key in keys if before[key] != after[key]}
    assert moved == {key for key in keys if before[key] == "c"}
    more = _group([*seats[:2], seat("c"), seats[3], seat("e")], strategy)
    now = {key: _chosen(more, key) for key in keys}
    assert {now[key] for key in keys if now[key] != before[key]} == {"e"}, "a new one takes only its share"


def test_a_hot_prefix_does_not_overrun_its_replica(seat: Make) -> None:
    seats = [seat(name) for name in "abc"]
    group, counts = _group(seats, "prefix_affinity"), Counter[str]()
    for _ in range(60):
        chosen = group.choose(42, NOW_S, is_stream=False)
        assert chosen is not None
        chosen.vitals.in_flight += 1
        counts[chosen.deployment] += 1
    assert max(counts.values()) <= 26, "its share of 60 is 20, and a quarter more may be"
    sticky = _group([seat(name) for name in "abc"], "sticky")
    for _ in range(60):
        chosen = sticky.choose(42, NOW_S, is_stream=False)
        assert chosen is not None
        chosen.vitals.in_flight += 1
    assert sorted(each.vitals.in_flight for each in sticky.seats) == [0, 0, 60]


def test_arms_are_stable_and_their_shares_are_the_weights() -> None:
    experiment = Experiment(name="x", arms=(Arm("control", 3), Arm("new", 1), Arm("off", 0)))
    arms = {str(unit): arm_of(experiment, str(unit)) for unit in range(4_000)}
    shares = Counter(arms.values())
    assert 2_850 < shares["control"] < 3_150
    assert shares["off"] == 0
    assert arms == {unit: arm_of(experiment, unit) for unit in arms}
    other = Experiment(name="y", arms=experiment.arms)
    assert arms != {unit: arm_of(other, unit) for unit in arms}, "experiments fall independently"
    assert arm_of(Experiment(name="x", arms=(Arm("off", 0),)), "unit") is None
