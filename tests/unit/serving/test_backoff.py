"""The wait before a restart."""

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.serving.process import Backoff


def test_the_wait_doubles_up_to_a_limit() -> None:
    backoff = Backoff(first_s=1, most_s=10, jitter=0)
    assert [backoff.wait_s(n, 0.5) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_luck_lengthens_the_wait_within_bounds(failures: int, luck: float) -> None:
    backoff = Backoff()
    assert backoff.first_s <= backoff.wait_s(failures, luck) <= backoff.most_s * (1 + backoff.jitter)
