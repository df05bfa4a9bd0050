"""Keys, sessions and sign-in links over HTTP: who may, and that no page elsewhere can."""

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.control.conftest import Answer, Control

ORIGIN = "http://127.0.0.1:8080"


def bearer(key: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {key['key']}"}


def cookie_of(answer: "Answer") -> str:
    match = re.match(
        r"pilothouse_session=([^;]+); HttpOnly; Max-Age=43200; Path=/; SameSite=strict",
        answer.headers["set-cookie"],
    )
    assert match is not None, answer.headers["set-cookie"]
    return f"pilothouse_session={match[1]}"


def sign_in(control: "Control") -> str:
    link = control.local("POST", "/api/v1/signin-links").json
    answer = control.ask("GET", link["path"])
    assert (answer.status, answer.headers["location"]) == (303, "/")
    return cookie_of(answer)


def test_without_a_key_nothing_is_told(control: "Control") -> None:
    for path in (
        "session",
        "keys",
        "overview",
        "models",
        "requests",
        "requests/x",
        "requests/tail",
        "status",
    ):
        answer = control.ask("GET", f"/api/v1/{path}")
        assert (answer.status, answer.error["code"]) == (401, "missing_api_key"), path
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.error["hint"]


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
def test_a_key_is_taken_from_each_header_that_clients_use(control: "Control", header: str) -> None:
    key = control.new_key(name="bot", role="viewer")
    text = f"Bearer {key['key']}" if header == "authorization" else key["key"]
    session = control.ask("GET", "/api/v1/session", **{header: text})
    assert session.json == {"id": key["id"], "name": "bot", "role": "viewer", "kind": "key"}


@pytest.mark.parametrize("value", ["Bearer wrong", "Bearer ", "Basic eDp5", "Bearer ph_a_b", "x"])
def test_a_wrong_key_is_refused_and_not_repeated(control: "Control", value: str) -> None:
    answer = control.ask("GET", "/api/v1/session", authorization=value)
    assert answer.status == 401
    assert "ph_a_b" not in answer.body.decode()


def test_the_admin_socket_needs_no_key_and_only_it(control: "Control") -> None:
    assert control.local("GET", "/api/v1/session").json["kind"] == "local"
    spoofed = control.ask("GET", "/api/v1/session", host="localhost", x_pilothouse_client_host="127.0.0.1")
    assert spoofed.status == 401


def test_a_key_is_shown_once(control: "Control") -> None:
    key = control.new_key(name="once", team="t", models=["assistant"], record={"content": "none"})
    listed = next(one for one in control.root("GET", "/api/v1/keys").json["data"] if one["id"] == key["id"])
    assert "key" not in listed
    assert key["key"] not in control.root("GET", "/api/v1/keys").body.decode()
    assert listed["prefix"].removesuffix("…") in key["key"]
    assert listed["record"] == {"content": "none", "confidence": "off", "max_body_bytes": 262_144}
    record = next(one for one in control.snapshot().keys if one.id == key["id"])
    assert (record.models, record.team) == (("assistant",), "t")


def test_keys_are_published_before_the_answer(
    control: "Control",
) -> None:
    key = control.new_key()
    assert key["id"] in {one.id for one in control.snapshot().keys}
    assert control.root("POST", f"/api/v1/keys/{key['id']}/revoke").json["revoked_at_ms"]
    assert key["id"] not in {one.id for one in control.snapshot().keys}
    refused = control.ask("GET", "/api/v1/session", **bearer(key))
    assert (refused.status, refused.error["code"]) == (401, "key_revoked")


def test_a_key_is_rotated(control: "Control") -> None:
    key = control.new_key(name="turning")
    new = control.root("POST", f"/api/v1/keys/{key['id']}/rotate", {"grace_s": 600}).json
    assert (new["name"], new["rotated_from"]) == ("turning", key["id"])
    for one in (key, new):
        assert control.ask("GET", "/api/v1/session", **bearer(one)).status == 200
    again = control.root("POST", f"/api/v1/keys/{key['id']}/rotate")
    assert (again.status, again.error["code"]) == (409, "conflict")


def test_roles_hold_over_http(control: "Control") -> None:
    viewer, admin = control.new_key(role="viewer"), control.new_key(role="admin")
    assert control.ask("GET", "/api/v1/keys", **bearer(viewer)).status == 200
    refused = control.ask("POST", "/api/v1/keys", {"name": "x"}, **bearer(viewer))
    assert (refused.status, refused.error["code"]) == (403, "permission_denied")
    assert control.ask("POST", "/api/v1/signin-links", **bearer(viewer)).status == 403
    assert control.ask("POST", "/api/v1/keys", {"name": "x", "role": "root"}, **bearer(admin)).status == 403
    assert control.ask("POST", "/api/v1/keys", {"name": "x"}, **bearer(admin)).status == 200


def test_a_sign_in_link_works_once(control: "Control") -> None:
    link = control.local("POST", "/api/v1/signin-links").json
    assert link["path"] == f"/signin?token={link['token']}"
    first = control.ask("GET", link["path"])
    assert first.status == 303
    session = control.ask("GET", "/api/v1/session", cookie=cookie_of(first)).json
    assert (session["kind"], session["role"]) == ("session", "admin")
    second = control.ask("GET", link["path"])
    assert second.status == 401
    assert second.headers["content-type"].startswith("text/html")
    assert "does not sign you in" in second.body.decode()
    assert "set-cookie" not in second.headers


@pytest.mark.parametrize("token", ["", "?token=", "?token=<script>alert(1)</script>", "?token=" + "x" * 5000])
def test_a_made_up_link_signs_nobody_in(control: "Control", token: str) -> None:
    answer = control.ask("GET", f"/signin{token}")
    assert answer.status == 401
    assert b"<script>" not in answer.body


def test_a_key_opens_a_session_and_signing_out_ends_it(control: "Control") -> None:
    key = control.new_key(role="member")
    opened = control.ask("POST", "/api/v1/session", {"key": key["key"]}, origin=ORIGIN)
    assert opened.json["kind"] == "session"
    cookie = cookie_of(opened)
    assert opened.json["id"] in {one.id for one in control.snapshot().keys if one.kind == "session"}
    ended = control.ask("DELETE", "/api/v1/session", cookie=cookie, origin=ORIGIN)
    assert ended.status == 204
    assert control.ask("GET", "/api/v1/session", cookie=cookie).status == 401
    assert opened.json["id"] not in {one.id for one in control.snapshot().keys}


def test_a_session_ends_with_its_key(control: "Control") -> None:
    key = control.new_key(role="member")
    cookie = cookie_of(control.ask("POST", "/api/v1/session", {"key": key["key"]}))
    control.root("POST", f"/api/v1/keys/{key['id']}/revoke")
    assert control.ask("GET", "/api/v1/session", cookie=cookie).status == 401


def test_a_cookie_counts_only_from_our_own_page(control: "Control") -> None:
    cookie = sign_in(control)
    new_key = {"name": "from a browser"}
    own = control.ask("POST", "/api/v1/keys", new_key, cookie=cookie, origin=ORIGIN)
    assert own.status == 200
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {},
        {"origin": ORIGIN, "sec_fetch_site": "cross-site"},
    ):
        answer = control.ask("POST", "/api/v1/keys", new_key, cookie=cookie, **headers)
        assert (answer.status, answer.error["code"]) == (403, "origin_not_allowed"), headers
    rebound = control.ask("GET", "/api/v1/keys", cookie=cookie, host="evil.example:8080")
    assert (rebound.status, rebound.error["code"]) == (403, "host_not_allowed")


def test_a_page_elsewhere_cannot_sign_a_browser_in_as_somebody_else(control: "Control") -> None:
    key = control.new_key()
    answer = control.ask("POST", "/api/v1/session", {"key": key["key"]}, origin="http://evil.example")
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


def test_a_form_of_another_page_is_not_taken_for_json(control: "Control") -> None:
    cookie = sign_in(control)
    answer = control.ask(
        "POST", "/api/v1/keys", b'{"name":"x"}', cookie=cookie, origin=ORIGIN, content_type="text/plain"
    )
    assert answer.status == 400


def test_a_key_in_a_header_needs_no_origin(control: "Control") -> None:
    answer = control.ask(
        "POST",
        "/api/v1/keys",
        {"name": "x"},
        origin="http://elsewhere",
        **bearer(control.new_key(role="admin")),
    )
    assert answer.status == 200


def test_limits_over_http(control: "Control") -> None:
    key = control.new_key(limits={"requests_per_minute": 5, "budget_day_usd": 0.5}, priority="low")
    unlimited = dict.fromkeys(("tokens_per_minute", "concurrency", "budget_month_usd"))
    assert key["limits"] == {"requests_per_minute": 5, "budget_day_usd": 0.5} | unlimited
    path = f"/api/v1/keys/{key['id']}"
    changed = control.root("PATCH", path, {"limits": {"requests_per_minute": None, "concurrency": 2}})
    assert changed.status == 200, changed.body
    assert changed.json["limits"] == {
        "requests_per_minute": None, "tokens_per_minute": None, "concurrency": 2,
        "budget_day_usd": 0.5, "budget_month_usd": None,
    }  # fmt: skip
    assert changed.json["priority"] == "low"
    record = next(one for one in control.snapshot().keys if one.id == key["id"])
    assert (record.limits.concurrency, record.limits.requests_per_minute) == (2, None)


@pytest.mark.parametrize(
    "change",
    [
        {"limits": {"requests_per_minute": 0}},
        {"limits": {"budget_day_usd": -0.01}},
        {"limits": {"budget_day_usd": 1e300}},
        {"limits": {"concurrency": 1.5}},
        {"limits": {"rpm": 5}},
        {"limits": None},
        {"priority": "urgent"},
        {"name": "\ud800"},
        {"team": "\ud800"},
        {"models": ["\ud800"]},
        {"name": ""},
        {"role": "root"},
    ],
)
def test_a_change_of_a_key_that_makes_no_sense(control: "Control", change: dict[str, Any]) -> None:
    key = control.new_key()
    assert control.root("PATCH", f"/api/v1/keys/{key['id']}", json.dumps(change).encode()).status == 400
    assert control.root("PATCH", "/api/v1/keys/key_none", {"priority": "low"}).status == 404


def test_limits_on_the_command_line(control: "Control") -> None:
    options = ["--rpm", "60", "--budget-month", "20", "--priority", "high"]
    key = command(control, "keys", "create", "limited", *options)
    assert (key["limits"]["requests_per_minute"], key["limits"]["budget_month_usd"]) == (60, 20.0)
    assert key["priority"] == "high"
    changed = command(control, "keys", "update", key["id"], "--tpm", "9000", "--clear", "rpm")
    assert changed["limits"]["requests_per_minute"] is None
    assert changed["limits"]["tokens_per_minute"] == 9000
    listed = subprocess.run(
        [sys.executable, "-m", "pilothouse", "keys", "list", "--home", control.home.root],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert "9,000 tpm, $20.00 a month" in listed


def command(control: "Control", *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "pilothouse", *arguments, "--json", "--home", control.home.root],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    answered: dict[str, Any] = json.loads(done.stdout)
    return answered


@pytest.mark.parametrize(
    "wanted",
    [
        {"expires_at_ms": 10**30},
        {"expires_at_ms": -1},
        {"record": {"max_body_bytes": 10**30}},
        {"models": [""]},
    ],
)
def test_a_key_that_no_database_can_hold(control: "Control", wanted: dict[str, Any]) -> None:
    body = json.dumps({"name": "x"} | wanted).encode()
    assert control.root("POST", "/api/v1/keys", body).status == 400
