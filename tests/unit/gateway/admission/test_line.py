"""Who is let in next, who is shed, and who may not be forgotten."""

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.gateway.admission.line import TURN_OF_THE_OLDEST, Entry, WaitingRoom

if TYPE_CHECKING:
    from collections.abc import Iterable

HIGH, NORMAL, LOW = 0, 1, 2
MANY = 1000


def fill(room: WaitingRoom[str], who: "Iterable[tuple[str, int]]", *, model: str = "m") -> list[Entry[str]]:
    return [
        room.enter(name, model, rank, now_s=float(number), wait_s=10.0, most=MANY)[0]
        for number, (name, rank) in enumerate(who)
    ]


def let_in(room: WaitingRoom[str], count: int) -> list[str]:
    chosen = [room.next(lambda _: True) for _ in range(count)]
    return [each.item for each in chosen if each is not None]


def test_high_goes_first_and_each_class_in_its_order() -> None:
    room: WaitingRoom[str] = WaitingRoom()
    fill(room, [("l1", LOW), ("n1", NORMAL), ("h1", HIGH), ("h2", HIGH), ("n2", NORMAL)])
    assert let_in(room, 9) == ["h1", "h2", "n1", "n2", "l1"]
    assert (room.waiting, room.by_class) == (0, [0, 0, 0])


def test_a_flood_of_high_ones_does_not_stop_the_low() -> None:
    room: WaitingRoom[str] = WaitingRoom()
    fill(room, [("low", LOW), *[(f"h{number}", HIGH) for number in range(100)]])
    assert let_in(room, TURN_OF_THE_OLDEST)[-1] == "low"


def test_a_model_without_a_place_holds_up_no_other() -> None:
    room: WaitingRoom[str] = WaitingRoom()
    fill(room, [("slow", HIGH)], model="slow")
    fill(room, [("fast", LOW)], model="fast")
    chosen = room.next(lambda item: item == "fast")
    assert chosen is not None
    assert chosen.item == "fast"
    assert room.next(lambda item: item == "fast") is None


def test_a_full_room_sheds_the_lowest_class_that_waited_longest() -> None:
    room: WaitingRoom[str] = WaitingRoom()
    fill(room, [("l1", LOW), ("l2", LOW), ("n1", NORMAL)])
    _, leaves = room.enter("h1", "m", HIGH, now_s=9.0, wait_s=1.0, most=3)
    assert leaves is not None
    assert leaves.item == "l1"
    _, leaves = room.enter("n2", "m", NORMAL, now_s=9.0, wait_s=1.0, most=3)
    assert leaves is not None
    assert leaves.item == "l2"
    entry, leaves = room.enter("l3", "m", LOW, now_s=9.0, wait_s=1.0, most=3)
    assert leaves is entry
    assert not entry.is_waiting


def test_those_whose_time_is_over_are_taken_out() -> None:
    room: WaitingRoom[str] = WaitingRoom()
    room.enter("short", "m", LOW, now_s=0.0, wait_s=1.0, most=9)
    room.enter("long", "m", HIGH, now_s=0.0, wait_s=5.0, most=9)
    assert [entry.item for entry in room.expired(2.0)] == ["short"]
    assert [entry.item for entry in room.expired(2.0)] == []
    assert let_in(room, 2) == ["long"]


def test_one_that_leaves_is_passed_by() -> None:
    room: WaitingRoom[str] = WaitingRoom()
    entries = fill(room, [("a", NORMAL), ("b", NORMAL), ("c", NORMAL)])
    room.remove(entries[1])
    room.remove(entries[1])
    assert let_in(room, 3) == ["a", "c"]


def test_the_time_to_come_back_follows_the_rate_at_which_calls_end() -> None:
    room: WaitingRoom[str] = WaitingRoom()
    entries = fill(room, [(str(number), NORMAL) for number in range(20)])
    line = entries[0].line
    assert line.wait_s(NORMAL, 0.0) is None
    for number in range(300):  # ten a second
        line.drained(number / 10)
    wait_s = line.wait_s(NORMAL, 29.9)
    assert wait_s is not None
    assert 1.9 < wait_s < 2.4
    high_s = line.wait_s(HIGH, 29.9)
    assert high_s is not None
    assert high_s < 0.2


@given(st.lists(st.tuples(st.sampled_from("erxn"), st.integers(0, 2), st.sampled_from("ab")), max_size=120))
def test_nobody_is_counted_twice_or_forgotten(acts: list[tuple[str, int, str]]) -> None:
    room: WaitingRoom[int] = WaitingRoom()
    inside: dict[int, Entry[int]] = {}
    for number, (act, rank, model) in enumerate(acts):
        if act == "e":
            entry, leaves = room.enter(number, model, rank, now_s=float(number), wait_s=30.0, most=10)
            inside[number] = entry
            if leaves is not None:
                del inside[leaves.item]
        elif act == "r" and inside:
            room.remove(inside.pop(next(iter(inside))))
        elif act == "x":
            for gone in room.expired(float(number)):
                del inside[gone.item]
        elif act == "n" and (chosen := room.next(lambda _: True)) is not None:
            del inside[chosen.item]
        assert room.waiting == len(inside) == sum(room.by_class)
        assert all(entry.is_waiting for entry in inside.values())
    assert sorted(inside) == sorted(everybody(room))


def everybody(room: WaitingRoom[int]) -> list[int]:
    found = []
    while (entry := room.next(lambda _: True)) is not None:
        found.append(entry.item)
    return found
