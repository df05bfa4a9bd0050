"""A key in a header is proof by itself; a cookie counts only from our own page."""

import pytest

from pilothouse.contracts.errors import PermissionDeniedError
from pilothouse.gateway.authenticate import check_own_page, header_key, session_cookie


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


def _check(method: bytes, **headers: str) -> None:
    given = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    check_own_page(method, given, allowed_hosts=("house.example",), allowed_origins=("https://page.example",))


def test_our_own_pages_pass() -> None:
    _check(b"POST", host="localhost:8080", origin="http://localhost:8080")
    _check(b"POST", host="[::1]:8080", origin="http://[::1]:8080")
    _check(b"POST", host="house.example", origin="https://house.example")
    _check(b"POST", host="house.example", origin="https://page.example")
    _check(b"GET", host="127.0.0.1")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "evil.example", "origin": "http://evil.example"},
        {"host": "localhost", "origin": "http://evil.example"},
        {"host": "localhost", "origin": "null"},
        {"host": "localhost"},
        {"host": "localhost", "sec_fetch_site": "cross-site"},
        {"host": "[", "origin": "http://["},
    ],
)
def test_others_do_not(headers: dict[str, str]) -> None:
    with pytest.raises(PermissionDeniedError):
        _check(b"POST", **headers)


def test_a_cross_site_get_is_refused() -> None:
    with pytest.raises(PermissionDeniedError):
        _check(b"GET", host="localhost", sec_fetch_site="cross-site")
