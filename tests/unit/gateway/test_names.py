"""Ids are sorted by time; what clients send is used only when it is well formed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.gateway.ids import new_call_id, new_span_id, parse_traceparent, usable_request_id

GOOD = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@given(st.integers(0, 2**47 * 1_000_000))
def test_a_call_id_is_a_uuid_of_version_7(now_ns: int) -> None:
    call_id = new_call_id(now_ns)
    assert len(call_id) == 32
    assert int(call_id[:12], 16) == now_ns // 1_000_000
    assert call_id[12] == "7"
    assert call_id[16] in "89ab"


def test_ids_sort_by_time_and_differ() -> None:
    assert new_call_id(1_000_000_000) < new_call_id(1_001_000_000)
    assert len({new_call_id(1) for _ in range(1000)}) == 1000
    assert len(new_span_id()) == 16


def test_a_good_traceparent_is_taken_apart() -> None:
    assert parse_traceparent(GOOD) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "01")
    assert parse_traceparent(b"01" + GOOD[2:] + b"-more") is not None


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"x" * 55,
        GOOD[:-1],
        GOOD + b"-",
        GOOD.upper(),
        b"ff" + GOOD[2:],
        GOOD.replace(b"b7ad6b7169203331", b"0" * 16),
        GOOD.replace(b"0af7651916cd43dd8448eb211c80319c", b"0" * 32),
        b"00-0af7651916cd43dd8448eb211c80319cb7ad6b7169203331--01-",
    ],
)
def test_a_bad_traceparent_is_none(value: bytes | None) -> None:
    assert parse_traceparent(value) is None


@given(st.binary(max_size=200))
def test_only_short_printable_request_ids_are_used(value: bytes) -> None:
    usable = usable_request_id(value)
    if usable is not None:
        assert usable.encode() == value
        assert usable.isprintable()
        assert 0 < len(usable) <= 128
