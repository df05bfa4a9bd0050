"""A failing job is tried again later each time, and never much later."""

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.worker import LONGEST_PAUSE_S, pause_s


def test_a_job_keeps_its_own_pace() -> None:
    assert pause_s(0.2, 0) == 0.2
    assert pause_s(3600, 0) == 3600


def test_each_failure_in_a_row_doubles_the_pause() -> None:
    assert [pause_s(0.2, failures) for failures in (1, 2, 3)] == [0.4, 0.8, 1.6]


@given(st.floats(0.01, 86_400), st.integers(0, 10_000))
def test_a_pause_is_never_shorter_than_the_pace_nor_much_longer(every_s: float, failures: int) -> None:
    assert every_s <= pause_s(every_s, failures) <= max(every_s, LONGEST_PAUSE_S)
