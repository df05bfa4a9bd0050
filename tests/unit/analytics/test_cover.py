"""Roll-ups and rows together cover all time, each millisecond once."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.analytics.cover import HOUR_MS, MINUTE_MS, Piece, cover
from pilothouse.store.rollups import Marks

minutes = st.integers(min_value=0, max_value=400)
times = st.integers(min_value=0, max_value=400 * MINUTE_MS)
SIZES = {"hours": HOUR_MS, "minutes": MINUTE_MS, "rows": 1}


@given(times, times, st.sampled_from([1000, 15_000, MINUTE_MS, 90_000, HOUR_MS, 10**9]), minutes, minutes)
def test_pieces_meet_end_to_end(one: int, other: int, step_ms: int, first: int, until: int) -> None:
    start_ms, end_ms = min(one, other), max(one, other) + 1
    marks = Marks(min(first, until), until, until - until % 60)
    pieces = cover(start_ms, end_ms, step_ms=step_ms, marks=marks)
    assert (pieces[0].start_ms, pieces[-1].end_ms) == (start_ms, end_ms)
    assert all(left.end_ms == right.start_ms for left, right in pairwise(pieces))
    whole = start_ms + step_ms >= end_ms
    for piece in pieces:
        size = SIZES[piece.source]
        assert piece.start_ms < piece.end_ms
        assert piece.start_ms % size == piece.end_ms % size == 0
        if piece.source != "rows":
            assert whole or step_ms % size == start_ms % size == 0, "no roll-up lies in two steps"
            assert piece.end_ms <= until * MINUTE_MS


def test_a_long_time_is_read_from_hours_but_for_its_edges() -> None:
    marks = Marks(minutes_from=600, minutes_until=1000, hours_until=960)
    start_ms, end_ms = 30 * MINUTE_MS + 1, 1002 * MINUTE_MS
    assert cover(start_ms, end_ms, step_ms=end_ms, marks=marks) == [
        Piece("rows", start_ms, HOUR_MS),
        Piece("hours", HOUR_MS, 16 * HOUR_MS),
        Piece("minutes", 960 * MINUTE_MS, 1000 * MINUTE_MS),
        Piece("rows", 1000 * MINUTE_MS, end_ms),
    ]


def test_short_steps_are_read_from_rows() -> None:
    marks = Marks(0, 1000, 960)
    assert cover(0, HOUR_MS, step_ms=15_000, marks=marks) == [Piece("rows", 0, HOUR_MS)]
