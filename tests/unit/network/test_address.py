"""Base URLs are taken apart once, and wrong ones are refused in words."""

import pytest

from pilothouse.network.address import Address, parse_base_url


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://api.openai.com/v1", "api.openai.com", "/v1"),
        ("https://api.openai.com:8443/v1/", "api.openai.com:8443", "/v1"),
        ("http://127.0.0.1:8000/v1", "127.0.0.1:8000", "/v1"),
        ("http://[::1]:8000", "[::1]:8000", ""),
        ("unix:/run/engine.sock:/v1", "localhost", "/v1"),
        ("unix:/run/engine.sock", "localhost", ""),
    ],
)
def test_a_base_url_is_an_authority_and_a_path(url: str, authority: str, path: str) -> None:
    address, base = parse_base_url(url)
    assert (address.authority, base) == (authority, path)


def test_a_unix_address_names_its_socket() -> None:
    address, _ = parse_base_url("unix:/run/engine.sock:/v1")
    assert address.socket_path == "/run/engine.sock"
    assert address.label == "unix:/run/engine.sock"


def test_equal_urls_share_connections() -> None:
    assert parse_base_url("https://x/v1")[0] == parse_base_url("https://x/v2")[0]
    assert parse_base_url("https://x")[0] != parse_base_url("https://x", verify_tls=False)[0]
    assert hash(Address(host="x", port=1)) == hash(Address(host="x", port=1))


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "unix:relative.sock:/v1", "x/v1"])
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_base_url(url)
