"""Each watcher is given what comes while it watches; one that is slow loses the oldest, and knows it."""

import asyncio

from pilothouse.control.tail import MOST_WAITING, Tail


def test_what_comes_is_given_to_everybody_who_watches() -> None:
    async def scenario() -> tuple[list[int], list[int]]:
        tail = Tail[int]()
        tail.give([0])
        with tail.watch() as first, tail.watch() as second:
            tail.give([1, 2])
            return await first.take(5), await second.take(5)

    assert asyncio.run(scenario()) == ([1, 2], [1, 2])


def test_it_can_be_given_from_another_thread() -> None:
    async def scenario() -> list[int]:
        tail = Tail[int]()
        with tail.watch() as watcher:
            await asyncio.to_thread(tail.give, [7])
            return await watcher.take(5)

    assert asyncio.run(scenario()) == [7]


def test_nothing_within_the_time_is_nothing() -> None:
    async def scenario() -> list[int]:
        with Tail[int]().watch() as watcher:
            return await watcher.take(0.001)

    assert asyncio.run(scenario()) == []


def test_a_slow_watcher_loses_the_oldest_and_knows_how_many() -> None:
    async def scenario() -> tuple[list[int], int]:
        tail = Tail[int]()
        with tail.watch() as watcher:
            tail.give(range(MOST_WAITING))
            tail.give([-1, -2])
            await asyncio.sleep(0)
            return await watcher.take(5), watcher.lost

    taken, lost = asyncio.run(scenario())
    assert (len(taken), taken[0], taken[-1], lost) == (MOST_WAITING, 2, -2, 2)


def test_who_left_is_forgotten() -> None:
    async def scenario() -> tuple[bool, bool]:
        tail = Tail[int]()
        with tail.watch():
            was_watched = tail.is_watched
        return was_watched, tail.is_watched

    assert asyncio.run(scenario()) == (True, False)


def test_a_closed_tail_ends_those_who_watch_and_those_who_come_late() -> None:
    async def scenario() -> tuple[bool, bool]:
        tail = Tail[int]()
        with tail.watch() as watcher:
            tail.close()
            await watcher.take(5)
        with tail.watch() as late:
            await late.take(5)
        return watcher.is_closed, late.is_closed

    assert asyncio.run(scenario()) == (True, True)
