"""A team changes its mind while calls go on: another configuration, a limited key, and what they did."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.rig import mocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.journeys.conftest import Up

BEFORE = """
models:
  assistant: {{deployments: [{{provider: live}}]}}
providers:
  live: {{base_url: "http://127.0.0.1:{port}/v1"}}
"""
AFTER = """
models:
  assistant:
    deployments: [{{provider: dead}}]
    fallback: {{outage: [spare]}}
  spare:
    deployments: [{{provider: live}}]
    cache: {{exact: true}}
providers:
  live: {{base_url: "http://127.0.0.1:{port}/v1"}}
  dead: {{base_url: "unix:/nowhere/at/all.sock:/v1"}}
"""


def pilothouse(up: "Up", *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "pilothouse", *arguments, "--json", "--home", up.home.root],
        env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ask(up: "Up", model: str, key: str) -> tuple[int, str]:
    messages = [{"role": "user", "content": "Where does the light stand?"}]
    answer = up.post(
        "/v1/chat/completions", {"model": model, "messages": messages}, authorization=f"Bearer {key}"
    )
    return answer.status, answer.headers.get("x-pilothouse-cache", "")


def test_a_changed_configuration_and_a_limit_hold_at_once(
    start_up: "Callable[..., Up]", tmp_path: Path
) -> None:
    with mocks(1) as (live,):
        up = start_up(BEFORE.format(port=live.port))
        up.wait_ready()
        key = pilothouse(up, "keys", "create", "support-bot", "--rpm", "4")
        assert ask(up, "assistant", key["key"])[0] == 200

        file = tmp_path / "after.yaml"
        file.write_text(AFTER.format(port=live.port))
        assert pilothouse(up, "config", "apply", "--config", str(file))["models"] == ["assistant", "spare"]
        assert ask(up, "assistant", key["key"])[0] == 200, "the spare stands in"
        assert [ask(up, "spare", key["key"]) for _ in range(2)] == [(200, "miss"), (200, "hit")]
        assert ask(up, "spare", key["key"])[0] == 429
        pilothouse(up, "keys", "update", key["id"], "--clear", "rpm")
        assert ask(up, "spare", key["key"]) == (200, "hit")

        up.wait(lambda: len(pilothouse(up, "requests", "list")["data"]) == 6, "the record", within_s=30)
        calls = pilothouse(up, "requests", "list")["data"]
        assert [(call["status"], call["cache"]) for call in calls] == [
            (200, "exact"), (429, None), (200, "exact"), (200, None), (200, None), (200, None),
        ]  # fmt: skip
        stood_in = pilothouse(up, "requests", "show", calls[4]["call_id"])
        assert [attempt["reason"] for attempt in stood_in["attempts"]] == ["first", "fallback"]
        traffic = json.loads(up.get("/api/v1/traffic").body)
        assert (traffic["fallbacks"], traffic["limited"]) == (1, 1)
        assert [cache["exact"] for cache in traffic["caches"]] == [2]
