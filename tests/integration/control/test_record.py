"""What a gateway wrote to the journal is shown: in lists, in detail, as numbers, and live."""

import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from pilothouse.contracts.events import Attempt, Content, Parameters
from pilothouse.network import sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.control.conftest import Control

    Start = Callable[..., Control]

NEEDLE = "a sentence that only its owner may read"


def new_id() -> str:
    """A UUIDv7 in hex, as the gateway makes them."""
    import secrets

    return f"{time.time_ns() // 1_000_000:012x}7{secrets.token_hex(10)[:19]}"


def on_record(control: "Control", call_id: str) -> dict[str, Any]:
    """Waits until a call is on record and returns it."""
    path = f"/api/v1/requests/{call_id}"
    control.wait(lambda: control.root("GET", path).status == 200, f"the record of {call_id}")
    found: dict[str, Any] = control.root("GET", path).json
    return found


def test_a_call_is_shown_with_its_content(control: "Control") -> None:
    key, call_id = control.new_key(name="the bot"), new_id()
    content = Content(
        request=json.dumps({"messages": [{"role": "user", "content": NEEDLE}]}).encode(), response=b'{"a":1}'
    )
    control.record(
        call_id, content, key_id=key["id"], parameters=Parameters(seed=7),
        attempts=(Attempt("assistant/openai-0", "openai", status=200),),
    )  # fmt: skip
    call = on_record(control, call_id)
    assert call["key_name"] == "the bot"
    assert call["parameters"] == {"seed": 7}
    assert call["attempts"][0]["deployment"] == "assistant/openai-0"
    assert call["content"]["state"] == "full"
    assert call["content"]["request"]["messages"][0]["content"] == NEEDLE
    assert on_record(control, f"req-{call_id}")["call_id"] == call_id
    listed = control.root("GET", f"/api/v1/requests?key_id={key['id']}").json
    assert [one["call_id"] for one in listed["data"]] == [call_id]
    assert NEEDLE not in json.dumps(listed)
    control.wait(lambda: last_use(control, key["id"]) is not None, "the key's last use")


def last_use(control: "Control", key_id: str) -> int | None:
    """Returns when a key was last used, as the list of keys shows it."""
    keys = control.root("GET", "/api/v1/keys").json["data"]
    found: int | None = next(key for key in keys if key["id"] == key_id)["last_used_at_ms"]
    return found


def test_pages_join_without_gap_or_repetition(control: "Control") -> None:
    ids = [new_id() for _ in range(7)]
    for call_id in ids:
        control.record(call_id, conversation_id="paged")
    on_record(control, ids[-1])
    seen: list[str] = []
    before = ""
    while True:
        page = control.root("GET", f"/api/v1/requests?conversation_id=paged&limit=3{before}").json
        seen += [call["call_id"] for call in page["data"]]
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"
    assert seen == sorted(ids, reverse=True)


def test_the_numbers_count_what_was_recorded(control: "Control") -> None:
    before = control.root("GET", "/api/v1/overview").json["calls"]
    last = ""
    for status, outcome in ((200, "completed"), (500, "failed"), (404, "refused")):
        last = new_id()
        control.record(
            last, status=status, outcome=outcome, deployment="own/mine-0", model="own", provider="mine"
        )
    on_record(control, last)
    overview = control.root("GET", "/api/v1/overview?window_s=900&points=10").json
    assert overview["calls"] == before + 3
    steps = len(overview["requests_per_second"]["series"])
    assert 7 <= steps <= 10  # about as many as asked for: of whole minutes
    assert 900_000 <= steps * overview["series_step_ms"] <= 900_000 + overview["series_step_ms"]
    models = {model["model"]: model for model in control.root("GET", "/api/v1/models").json["data"]}
    assert list(models)[:2] == ["assistant", "own"]
    (own,) = models["own"]["deployments"]
    assert (own["requests"], own["errors"], own["state"], own["price"]) == (3, 1, "ready", None)
    (assistant,) = models["assistant"]["deployments"]
    assert assistant["price"]["source"].startswith("genai-prices")
    assert (assistant["upstream_model"], assistant["weight"]) == ("gpt-4o-mini", 3)
    page = control.root("GET", "/metrics").body.decode()
    labels = 'model="own",provider="mine",deployment="[^"]*",team="[^"]*",status="500",outcome="failed"'
    assert re.search(rf"pilothouse_requests_total\{{{labels}\}} 1\n", page)


def test_a_model_called_by_its_provider_is_listed_after_the_configured_ones(control: "Control") -> None:
    call_id = new_id()
    control.record(call_id, model="openai/gpt-5", deployment="openai/gpt-5")
    on_record(control, call_id)
    last = control.root("GET", "/api/v1/models").json["data"][-1]
    assert last["model"] == "openai/gpt-5"
    assert last["deployments"][0]["requests"] == 1


def test_the_tail_delivers_calls_as_they_get_on_record(control: "Control") -> None:
    url = f"unix:{control.home.control_socket}:/api/v1/requests/tail?conversation_id=tailed"
    key = control.new_key(role="viewer")
    headers = {"authorization": f"Bearer {key['key']}"}
    with sync.stream("GET", url, headers=headers, timeout_s=20, idle_timeout_s=20) as answer:
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.lines()
        assert next(lines).startswith(":")
        wanted = [new_id(), new_id()]
        control.record(new_id(), conversation_id="another")
        for call_id in wanted:
            control.record(call_id, conversation_id="tailed", key_id=key["id"])
        got: list[dict[str, Any]] = []
        events = []
        while len(got) < 2:
            line = next(lines)
            if line.startswith("event:"):
                events.append(line)
            if line.startswith("data:"):
                got.append(json.loads(line[5:]))
    assert events == ["event: call", "event: call"]
    assert [call["call_id"] for call in got] == wanted
    assert {call["key_name"] for call in got} == {"a key"}
    shown = on_record(control, wanted[0])
    assert {name: shown[name] for name in got[0]} == got[0], "the tail shows what the record will"


def test_a_revoked_key_hears_no_more(control: "Control") -> None:
    key = control.new_key(role="viewer")
    url = f"unix:{control.home.control_socket}:/api/v1/requests/tail"
    headers = {"authorization": f"Bearer {key['key']}"}
    with sync.stream("GET", url, headers=headers, timeout_s=20, idle_timeout_s=20) as answer:
        lines = answer.lines()
        next(lines)
        control.root("POST", f"/api/v1/keys/{key['id']}/revoke")
        call_id = new_id()
        control.record(call_id)
        assert [line for line in lines if line.startswith("data:")] == []


def test_what_is_past_its_retention_is_dropped(start_control: "Start") -> None:
    control = start_control()
    day_ns = 86_400 * 10**9
    old, new = new_id(), new_id()
    control.record(old, Content(request=b'{"a":1}'), at_ns=time.time_ns() - 400 * day_ns)
    control.record(new, Content(request=b'{"a":1}'))
    on_record(control, new)
    control.process.terminate()
    control.process.wait(20)
    again = start_control(control.home)
    again.wait(lambda: again.root("GET", f"/api/v1/requests/{old}").status == 404, "the end of the old call")
    assert on_record(again, new)["content"]["state"] == "full"


def test_a_calls_attempts_are_a_waterfall_on_the_command_line(control: "Control") -> None:
    tries = (
        Attempt(deployment="x/openai-0", provider="openai", error_code="overloaded", duration_ms=40.0),
        Attempt(
            deployment="own/mine-0", provider="mine", status=200, started_ms=50.0, duration_ms=50.0,
            reason="fallback",
        ),
    )  # fmt: skip
    control.record("waterfall", attempts=tries, dialect="anthropic", cache=None, priority="high")
    control.wait(lambda: control.local("GET", "/api/v1/requests/waterfall").status == 200, "the record")
    shown = subprocess.run(
        [sys.executable, "-m", "pilothouse", "requests", "show", "waterfall", "--home", control.home.root],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    first, second = (line for line in shown.splitlines() if "-0" in line and "━" in line)
    assert "overloaded" in first
    assert "fallback" in second
    assert first.index("━") < second.index("━")
    assert "anthropic" in shown
