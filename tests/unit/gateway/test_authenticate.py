"""Where a request carries its key or session."""

import pytest

from pilothouse.gateway.authenticate import header_key, session_cookie


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({b"authorization": b"Bearer k"}, b"k"),
        ({b"authorization": b"bearer  k "}, b"k"),
        ({b"authorization": b"k"}, b"k"),
        ({b"x-api-key": b"k"}, b"k"),
        ({b"api-key": b"k"}, b"k"),
        ({}, None),
    ],
)
def test_where_a_key_is_found(headers: dict[bytes, bytes], key: bytes | None) -> None:
    assert header_key(headers) == key


def test_where_a_session_is_found() -> None:
    assert session_cookie({b"cookie": b'a=1; pilothouse_session="t"; b=2'}) == b"t"
    assert session_cookie({b"cookie": b"xpilothouse_session=t"}) is None
    assert session_cookie({}) is None
