"""The nearest of a bucket is found, whatever was added and taken out before."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.gateway.caching.meanings import Meanings
from pilothouse.gateway.caching.memory import Entry


def _entry(number: int) -> Entry:
    return Entry(b"%d" % number, b"", subject=None, price=None, created_s=0.0, ttl_s=1.0)


def _vector(seed: int, dimensions: int = 128) -> list[float]:
    source = random.Random(seed)
    return [source.gauss(0, 1) for _ in range(dimensions)]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=60), st.integers(0, 1000))
def test_the_near_ones_are_those_that_a_plain_loop_finds(steps: list[tuple[bool, int]], seed: int) -> None:
    meanings = Meanings()
    held: dict[int, Entry] = {}
    for is_added, number in steps:
        if is_added and number not in held:
            vector = meanings.unit(_vector(number))
            held[number] = _entry(number)
            assert meanings.add(b"b", held[number], vector) > 0
        elif not is_added and number in held:
            meanings.remove(held.pop(number))
    query = meanings.unit(_vector(seed + 100))
    cosines = {
        number: float(np.dot(meanings.unit(_vector(number)), query))  # type: ignore[arg-type] # unit gives no None here
        for number in held
    }
    found = [int(entry.digest) for entry in meanings.near(b"b", query, 0.05)]
    assert {number for number, cosine in cosines.items() if cosine > 0.0501} <= set(found[:16]) or len(
        found
    ) == 16
    assert all(cosines[number] > 0.0499 for number in found)
    assert [round(cosines[number], 4) for number in found] == sorted(
        (round(cosines[number], 4) for number in found), reverse=True
    )


def test_buckets_do_not_see_each_other() -> None:
    meanings = Meanings()
    vector = meanings.unit(_vector(1))
    meanings.add(b"one", _entry(1), vector)
    assert meanings.near(b"other", vector, -1.0) == []


def test_vectors_without_direction_or_of_another_size_are_refused() -> None:
    meanings = Meanings()
    assert meanings.unit([0.0, 0.0]) is None
    assert meanings.unit([float("nan"), 1.0]) is None
    assert meanings.unit([]) is None
    meanings.add(b"b", _entry(1), meanings.unit([1.0, 0.0]))
    longer = meanings.unit([1.0, 0.0, 0.0])
    assert meanings.add(b"b", _entry(2), longer) == 0
    assert meanings.near(b"b", longer, -1.0) == []


def test_an_entry_that_was_never_added_can_be_removed() -> None:
    Meanings().remove(_entry(1))
