"""Alerts of a running control process: from failing calls to a receiver, with roles, silences and rules."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # the receivers are imported by their full name

from tests.integration.monitors.receivers import Hook, web_server  # noqa: E402 - as above

from pilothouse.cli.app import build  # noqa: E402 - needs the line above
from pilothouse.monitors.alerts.settings import AlertSettings, RuleSettings  # noqa: E402 - needs the line above
from pilothouse.monitors.delivery.settings import ReceiverSettings  # noqa: E402 - as above

FAILING = RuleSettings(
    measure="availability", by="model", below=0.9, for_s=0, min_calls=5, severity="critical"
)
ALERTS = AlertSettings(rules={"failing": FAILING}, receivers=["ops"], group_wait_s=0.0)
RECEIVERS = {"ops": ReceiverSettings(kind="webhook", webhook_url="${HOOK}", allow_private=True)}


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with web_server() as running:
        yield running


@pytest.fixture(scope="module")
def watching(start_control: Any, hook: Hook) -> Any:
    """A process whose rule watches availability and whose receiver is the test's."""
    return start_control(alerts=ALERTS, receivers=RECEIVERS, own_secrets={"HOOK": f"{hook.url}/token"})


def headers(key: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {key['key']}"}


def test_failing_calls_open_an_alert_that_is_told_acknowledged_and_kept(
    watching: Any, hook: Hook, start_control: Any
) -> None:
    watching.record("good", span_id="a")
    watching.record("shadow", status=502, outcome="failed", shadow_of="good")
    watching.record("cut", status=200, outcome="cut", error_type="upstream_error", is_stream=True)
    for number in range(11):
        watching.record(f"c{number}", status=502, outcome="failed", error_type="upstream_error")

    def opened() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = watching.root("GET", "/api/v1/alerts").json["data"]
        return [alert for alert in found if alert["rule"] == "failing"]

    watching.wait(lambda: bool(opened() and hook.taken), "the alert")
    [alert] = opened()
    assert (alert["state"], alert["labels"]["model"], alert["value"]) == (
        "open",
        "assistant",
        pytest.approx(1 / 13),
    )
    behind = urlsplit(alert["link"])
    assert behind.path == "/traces"
    traces = watching.root("GET", f"/api/v1/traces?{behind.query}&limit=100").json["data"]
    assert len(traces) == 12, "the link shows exactly the calls that failed"
    assert hook.taken[0].path == "/token"
    assert hook.taken[0].json["alerts"][0]["id"] == alert["id"]

    viewer, member = watching.new_key(role="viewer"), watching.new_key(role="member", name="ann")
    path = f"/api/v1/alerts/{alert['id']}"
    assert watching.ask("POST", f"{path}/acknowledge", **headers(viewer)).status == 403
    seen = watching.ask("POST", f"{path}/acknowledge", {"note": "mine"}, **headers(member))
    assert (seen.status, seen.json["acknowledged_by"]) == (200, "ann")
    detail = watching.ask("GET", path, **headers(viewer)).json
    assert [change["what"] for change in detail["history"]] == ["pending", "open", "acknowledged"]
    assert detail["deliveries"][0]["state"] == "sent"
    assert detail["around"]["measure"] == "availability"
    assert any(value is not None for value in detail["around"]["values"])
    said = b"".join(watching.seen) + watching.log().encode()
    assert b"/token" not in said
    metrics = watching.root("GET", "/metrics").body.decode()
    assert 'pilothouse_alerts_open{severity="critical"} 1' in metrics
    assert 'pilothouse_alert_deliveries{state="sent"}' in metrics

    watching.process.terminate()
    watching.process.wait(20)
    again = start_control(watching.home, alerts=ALERTS, receivers=RECEIVERS, own_secrets={"HOOK": hook.url})
    kept = again.root("GET", "/api/v1/alerts").json["data"]
    assert [one["state"] for one in kept if one["rule"] == "failing"] == ["acknowledged"]


def test_rules_are_made_tried_changed_and_deleted(control: Any) -> None:
    rule = {"measure": "latency_p95_ms", "above": 2000, "by": "model"}
    member = control.new_key(role="member")
    assert (
        control.ask(
            "POST", "/api/v1/alert-rules", {"name": "slow", "settings": rule}, **headers(member)
        ).status
        == 403
    )
    made = control.root("POST", "/api/v1/alert-rules", {"name": "slow", "settings": rule})
    assert (made.status, made.json["origin"], made.json["window_s"]) == (201, "stored", 300.0)
    assert control.root("POST", "/api/v1/alert-rules", {"name": "slow", "settings": rule}).status == 409
    changed = control.root("PUT", "/api/v1/alert-rules/slow", {"settings": {**rule, "above": 3000}})
    assert changed.json["settings"]["above"] == 3000
    tried = control.root(
        "POST", "/api/v1/alert-rules/preview", {"settings": {**rule, "measure": "error_rate", "above": 0.5}}
    )
    assert tried.status == 200
    assert set(tried.json) == {"start_ms", "step_ms", "lines", "firings"}
    listed = {one["name"]: one for one in control.root("GET", "/api/v1/alert-rules").json["data"]}
    assert listed["slow"]["created_by"] == "key_root"
    assert listed["availability"]["origin"] == "default"
    for name in ("slow", "availability"):
        status = control.root("DELETE", f"/api/v1/alert-rules/{name}").status
        assert status == (204 if name == "slow" else 409)


@pytest.mark.parametrize(
    ("settings", "param"),
    [
        ({"measure": "nonsense", "above": 1}, "measure"),
        ({"measure": "calls", "above": 1, "colour": "red"}, "settings"),
        ({"measure": "calls", "above": "much"}, "settings"),
        ({"measure": "calls"}, "above"),
        ({"measure": "calls", "above": 1, "receivers": ["nobody"]}, "receivers"),
    ],
)
def test_a_wrong_rule_is_refused_with_what_is_wrong(
    control: Any, settings: dict[str, Any], param: str
) -> None:
    answer = control.root("POST", "/api/v1/alert-rules", {"name": "wrong", "settings": settings})
    assert (answer.status, answer.error["param"]) == (400, param)
    assert answer.error["hint"]


def test_silences_are_made_and_ended_by_members(control: Any) -> None:
    viewer, member = control.new_key(role="viewer"), control.new_key(role="member")
    body = {"matchers": {"rule": "x"}, "reason": "upgrade", "duration_s": 60}
    assert control.ask("POST", "/api/v1/silences", body, **headers(viewer)).status == 403
    made = control.ask("POST", "/api/v1/silences", body, **headers(member))
    assert made.status == 201
    assert made.json["ends_at_ms"] - made.json["starts_at_ms"] == 60_000
    listed = control.ask("GET", "/api/v1/silences", **headers(viewer)).json["data"]
    assert made.json["id"] in [one["id"] for one in listed]
    ended = control.ask("DELETE", f"/api/v1/silences/{made.json['id']}", **headers(member)).json
    assert ended["ends_at_ms"] <= time.time() * 1000
    for wrong in ({**body, "matchers": {}}, {**body, "duration_s": None}, {**body, "duration_s": -1}):
        assert control.ask("POST", "/api/v1/silences", wrong, **headers(member)).status == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("silences", b'{"matchers":{"a":"\\ud800"},"reason":"r","duration_s":9}'),
        ("silences", b'{"matchers":{"a":"b"},"reason":"\\u0000","duration_s":9}'),
        ("silences", b'{"matchers":{"a":"b"},"reason":"r","ends_at_ms":99999999999999999999}'),
        ("alert-rules", b'{"name":"n","settings":{"measure":"calls","above":NaN}}'),
        ("alert-rules", b'{"name":"n","settings":{"measure":"calls","above":1e999}}'),
        ("alert-rules", b'{"name":"n","settings":{"measure":"metric.\\ud800","above":1}}'),
        ("alert-rules", b'{"name":"../x","settings":{"measure":"calls","above":1}}'),
        ("alert-rules/preview", b'{"settings":{"measure":"calls","above":1},"from_ms":253402300799000}'),
        ("alert-rules/preview", b'{"settings":{"measure":"disk_used_share","above":1}}'),
        ("alert-rules/preview", b'{"settings":{"measure":"metric.","above":1}}'),
    ],
)
def test_bad_input_is_no_fault_of_the_server(control: Any, path: str, body: bytes) -> None:
    answer = control.root("POST", f"/api/v1/{path}", body)
    assert answer.status == 400, answer.body


def test_what_is_not_there_is_said(control: Any) -> None:
    for method, path in (
        ("GET", "/api/v1/alerts/alt_x"),
        ("POST", "/api/v1/alerts/alt_x/acknowledge"),
        ("GET", "/api/v1/alerts?before=alt_x"),
        ("DELETE", "/api/v1/silences/sil_x"),
        ("DELETE", "/api/v1/alert-rules/x"),
        ("PUT", "/api/v1/alert-rules/x"),
        ("POST", "/api/v1/receivers/x/test"),
    ):
        body = {"settings": {"measure": "calls", "above": 1}} if method == "PUT" else None
        assert control.root(method, path, body).status == 404, path


def test_the_command_line_reads_and_silences(control: Any) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(build(), ["alerts", *words, "--home", control.home.root])
        assert done.exit_code == 0, (words, done.output, done.exception)
        return done.output

    assert "availability" in run("rules")
    made = json.loads(run("silence", "rule=x", "model=gpt-*", "--for", "30m", "--reason", "r", "--json"))
    assert made["matchers"] == {"rule": "x", "model": "gpt-*"}
    assert made["ends_at_ms"] - made["starts_at_ms"] == 1_800_000
    assert made["id"] in run("silences")
    assert "has ended" in run("unsilence", made["id"])
    assert made["id"] not in run("silences")
    assert isinstance(json.loads(run("list", "--state", "all", "--json")), list)
    for wrong in (["silence", "rule"], ["silence", "a=b", "--for", "soon"]):
        done = CliRunner().invoke(build(), ["alerts", *wrong, "--home", control.home.root])
        assert done.exit_code == 2
    done = CliRunner().invoke(build(), ["alerts", "test", "nobody", "--home", control.home.root])
    assert "There is no receiver 'nobody'" in str(done.exception)


def test_default_rules_are_quiet_and_quick(control: Any) -> None:
    control.wait(
        lambda: all(
            one["judged_at_ms"] for one in control.root("GET", "/api/v1/alert-rules").json["data"]
            if one["origin"] == "default"
        ),
        "a look at every default rule",
    )  # fmt: skip
    rules = control.root("GET", "/api/v1/alert-rules").json["data"]
    assert [one["error"] for one in rules if one["origin"] == "default"] == [None] * 7


def test_a_document_from_the_configuration_reads_back() -> None:
    document = msgspec.json.encode(ALERTS)
    assert msgspec.json.decode(document, type=AlertSettings) == ALERTS
