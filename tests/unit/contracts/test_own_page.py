"""A cookie is believed only when the request can only have come from our own page."""

import pytest

from pilothouse.contracts.errors import PermissionDeniedError
from pilothouse.contracts.own_page import require_own_page

OWN = "127.0.0.1:8080"


def check(
    method: str = "POST",
    host: str | None = OWN,
    origin: str | None = f"http://{OWN}",
    fetch_site: str | None = "same-origin",
    allowed: tuple[str, ...] = (),
    origins: tuple[str, ...] = (),
) -> None:
    require_own_page(
        method=method,
        host=host,
        origin=origin,
        fetch_site=fetch_site,
        allowed_hosts=allowed,
        allowed_origins=origins,
    )


@pytest.mark.parametrize("host", [OWN, "localhost:8080", "[::1]:8080", "192.168.1.20:8080", "app.localhost"])
def test_our_own_page_is_believed(host: str) -> None:
    check(host=host, origin=f"http://{host}")
    check(host=host, origin=f"https://{host}")


def test_reading_needs_no_origin_because_browsers_send_none() -> None:
    check(method="GET", origin=None, fetch_site="same-origin")
    check(method="GET", origin=None, fetch_site="none")
    check(method="GET", origin=None, fetch_site=None)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:9999",
        "null",
        "https://127.0.0.1.evil.example:8080",
        "file://",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_another_origin_is_refused(origin: str, method: str) -> None:
    with pytest.raises(PermissionDeniedError, match="own page"):
        check(method=method, origin=origin, fetch_site=None)


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH"])
def test_changing_something_without_an_origin_is_refused(method: str) -> None:
    with pytest.raises(PermissionDeniedError):
        check(method=method, origin=None, fetch_site=None)


def test_a_cross_site_navigation_is_refused_even_for_reading() -> None:
    with pytest.raises(PermissionDeniedError):
        check(method="GET", origin=None, fetch_site="cross-site")


@pytest.mark.parametrize(
    "host", [None, "", "evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io:8080"]
)
def test_a_foreign_host_name_is_refused_because_it_may_have_been_rebound(host: str | None) -> None:
    with pytest.raises(PermissionDeniedError, match="host name"):
        check(method="GET", host=host, origin=None)


def test_an_allowed_host_is_believed_whatever_its_case() -> None:
    check(host="LLM.example.com", origin="https://llm.example.com", allowed=("llm.Example.com",))


def test_an_allowed_origin_is_believed_and_no_other() -> None:
    check(origin="https://Page.example", fetch_site="cross-site", origins=("https://page.example",))
    with pytest.raises(PermissionDeniedError, match="own page"):
        check(origin="http://page.example", fetch_site="cross-site", origins=("https://page.example",))


@pytest.mark.parametrize(("host", "origin"), [("[", None), (OWN, "http://[")])
def test_what_is_no_address_is_refused(host: str, origin: str | None) -> None:
    with pytest.raises(PermissionDeniedError):
        check(host=host, origin=origin)
