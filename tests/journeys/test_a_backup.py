"""A home is saved while it runs, and everything in it is there after a restore elsewhere."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.journeys.conftest import Up

NOTHING_TO_LOAD = "models: {}\n"


def pilothouse(up: "Up", *arguments: str) -> Any:
    command = [sys.executable, "-m", "pilothouse", *arguments, "--json", "--home", up.home.root]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_backup_holds_keys_calls_and_content(start_up: "Callable[..., Up]", tmp_path: Path) -> None:
    first = start_up(NOTHING_TO_LOAD, folder="first")
    first.wait_ready()
    key = pilothouse(first, "keys", "create", "kept")["key"]
    first.post("/v1/chat/completions", {"model": "none", "messages": []}, authorization=f"Bearer {key}")
    first.wait(lambda: len(pilothouse(first, "requests", "list")["data"]) == 1, "the record", within_s=10)
    saved = pilothouse(first, "backup", "--with-keys")
    calls = pilothouse(first, "requests", "list")["data"]
    assert first.stop() == 0

    second = tmp_path / "second"
    command = [sys.executable, "-m", "pilothouse", "restore", saved["path"], "--home", str(second), "--json"]
    restored = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(restored.stdout)["files"] == saved["files"]
    up = start_up(NOTHING_TO_LOAD, folder="second")
    up.wait_ready()
    assert pilothouse(up, "requests", "list")["data"] == calls
    assert up.get("/v1/models", authorization=f"Bearer {key}").status == 200
    assert json.loads(up.get("/api/v1/keys").body)["data"][0]["name"] == "kept"
