"""The API around its routes: errors, limits, headers, documentation, metrics, the console's fallback."""

import gzip
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.control.conftest import Control

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/api/v1/nothing", None, 404, "not_found"),
        ("GET", "/api", None, 404, "not_found"),
        ("PUT", "/api/v1/keys", {}, 405, "method_not_allowed"),
        ("POST", "/", {}, 405, "method_not_allowed"),
        ("POST", "/api/v1/keys", b"{", 400, "invalid_json"),
        ("POST", "/api/v1/keys", b"\xff\xfe", 400, "invalid_json"),
        ("POST", "/api/v1/keys", [], 400, "invalid_request"),
        ("POST", "/api/v1/keys", {"name": ""}, 400, "invalid_request"),
        ("POST", "/api/v1/keys", {"name": "x", "unknown": 1}, 400, "invalid_request"),
        ("POST", "/api/v1/keys", {"name": "x", "role": "emperor"}, 400, "invalid_request"),
        ("POST", "/api/v1/keys", {"name": "x", "expires_at_ms": 1}, 400, "invalid_request"),
        ("POST", "/api/v1/keys/key_none/revoke", None, 404, "not_found"),
        ("POST", "/api/v1/keys/key_none/rotate", {"grace_s": -1}, 400, "invalid_request"),
        ("GET", "/api/v1/requests?limit=0", None, 400, "invalid_request"),
        ("GET", "/api/v1/requests?limit=x", None, 400, "invalid_request"),
        ("GET", "/api/v1/requests?status_class=fine", None, 400, "invalid_request"),
        ("GET", "/api/v1/overview?window_s=99999999", None, 400, "invalid_request"),
        ("GET", "/api/v1/requests/none", None, 404, "not_found"),
    ],
)
def test_every_error_is_in_openais_shape_with_a_hint(
    control: "Control", method: str, path: str, body: Any, status: int, code: str
) -> None:
    answer = control.local(method, path, body)
    assert (answer.status, answer.error["code"]) == (status, code), answer.body
    assert answer.error["hint"]
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"name":"' + b"x" * 900_000 + b'"}', b'{"name":1e999}'])
def test_absurd_bodies_are_refused_and_the_process_lives(control: "Control", body: bytes) -> None:
    assert control.local("POST", "/api/v1/keys", body).status == 400
    assert control.local("GET", "/api/v1/session").status == 200


def test_a_body_over_the_limit_is_refused(control: "Control") -> None:
    answer = control.local("POST", "/api/v1/keys", b"x" * 1_100_000)
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("path", ["/", "/requests", "/keys", "/playground?model=x"])
def test_a_persons_address_gets_the_page(control: "Control", path: str) -> None:
    answer = control.ask("GET", path, accept=BROWSER)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    again = control.ask("GET", path, accept=BROWSER, if_none_match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        *["/api/v1/nothing", "/api", "//api/v1/x", "/v1/chat/completions", "/v1/nothing", "/metrics/x"],
        *["/docs/x", "/livez", "/readyz", "/version", "/assets/missing.js", "/signin/x", "/openapi.json/x"],
        *["/../etc/passwd", "/index.htm"],
    ],
)
def test_the_page_never_answers_for_an_api_path(control: "Control", path: str) -> None:
    answer = control.ask("GET", path, accept=BROWSER, authorization="Bearer x")
    assert (answer.status, answer.error["code"]) == (404, "not_found"), answer.body


def test_browsers_are_told_to_trust_only_us(control: "Control") -> None:
    for path in ("/", "/docs", "/api/v1/session", "/nothing.txt"):
        headers = control.ask("GET", path).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] in {"no-store", "no-cache"}


def test_the_description_has_the_gateways_paths_and_ours(control: "Control") -> None:
    answer = control.ask("GET", "/openapi.json")
    described = answer.json
    assert described["openapi"].startswith("3.1")
    for path in (
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/models",
        "/readyz",
        "/api/v1/keys",
        "/metrics",
    ):
        assert path in described["paths"], path
    assert "422" not in json.dumps(described["paths"])
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', answer.body.decode()))
    assert references <= set(described["components"]["schemas"])


def test_the_documentation_needs_nothing_from_elsewhere(control: "Control") -> None:
    page = control.ask("GET", "/docs").body.decode()
    described = control.ask("GET", "/openapi.json").json
    for path in described["paths"]:
        assert f"<code>{path}</code>" in page, path
    assert not re.findall(r"<script|<style|style=|onclick|https?://", page)
    assert control.ask("GET", "/docs/style.css").headers["content-type"].startswith("text/css")


def test_metrics_are_for_loopback_or_a_key(control: "Control") -> None:
    assert control.ask("GET", "/metrics", x_pilothouse_client_host="127.0.0.1").status == 200
    assert control.ask("GET", "/metrics", x_pilothouse_client_host="10.1.2.3").status == 401
    assert control.ask("GET", "/metrics").status == 401
    page = control.root("GET", "/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "pilothouse_build_info{version=" in page.body.decode()
    assert re.search(r'pilothouse_process_resident_bytes\{process="control"\} \d+', page.body.decode())


def test_the_status_answers_though_every_other_process_is_away(control: "Control") -> None:
    status = control.root("GET", "/api/v1/status").json
    assert (status["supervisor"], status["gateways"]) == (None, [])
    assert status["ingest"]["events_total"] >= 0
    assert status["versions"]["pilothouse"]
    overview = control.root("GET", "/api/v1/overview").json
    assert overview["state"]["level"] == "down"
    assert "no gateway answers" in overview["state"]["reasons"]


def test_pages_are_compressed_for_browsers_that_take_it(control: "Control") -> None:
    plain = control.ask("GET", "/docs")
    packed = control.ask("GET", "/docs", accept_encoding="gzip, br")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "accept-encoding"
    assert gzip.decompress(packed.body) == plain.body


def test_a_head_request_has_the_headers_and_no_body(control: "Control") -> None:
    answer = control.ask("HEAD", "/", accept=BROWSER)
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 0
