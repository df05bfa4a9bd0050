"""Another configuration is put in force without a restart, whole or not at all."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.control.conftest import Answer, Control

    Start = Callable[..., "Control"]

PATH = "/api/v1/configuration"
MINE = {"mine": {"base_url": "http://127.0.0.1:9/v1", "wildcard": False}}


def in_force(control: "Control") -> dict[str, Any]:
    shown: dict[str, Any] = control.local("GET", PATH).json
    return shown


def change(control: "Control", settings: dict[str, Any]) -> "Answer":
    body = {"replaces": in_force(control)["digest"], "settings": settings}
    return control.local("PUT", PATH, json.dumps(body).encode())


def weights(control: "Control") -> dict[str, int]:
    return {d.id: d.weight for model in control.snapshot().models for d in model.deployments}


def test_a_change_is_in_force_when_it_is_answered(start_control: "Start") -> None:
    control = start_control()
    before = in_force(control)
    models = {"own": {"deployments": [{"provider": "mine", "weight": 5}], "limits": {"concurrency": 2}}}
    answer = change(
        control, {"models": models, "providers": MINE, "teams": {"t": {"limits": {"concurrency": 1}}}}
    )
    assert answer.status == 200, answer.body
    assert answer.json["models"] == ["own"]
    assert answer.json["revision"] == before["revision"] + 1
    snapshot = control.snapshot()
    assert snapshot.revision == answer.json["snapshot_revision"]
    assert weights(control) == {"own/mine-0": 5}
    assert snapshot.models[0].limits.concurrency == 2
    assert snapshot.teams["t"].concurrency == 1
    assert in_force(control)["digest"] != before["digest"]
    listed = control.local("GET", "/api/v1/models").json["data"]
    assert [deployment["id"] for model in listed for deployment in model["deployments"]] == ["own/mine-0"]


def test_what_was_applied_outlives_the_control_process_but_not_the_run(start_control: "Start") -> None:
    first = start_control(run="one")
    models = {"own": {"deployments": [{"provider": "mine", "weight": 7}]}}
    assert change(first, {"models": models, "providers": MINE}).status == 200
    applied = in_force(first)
    first.process.kill()
    first.process.wait(20)
    second = start_control(first.home, run="one")
    assert in_force(second) == applied
    assert weights(second) == {"own/mine-0": 7}
    second.process.kill()
    second.process.wait(20)
    third = start_control(first.home, run="two")
    assert set(weights(third)) == {"assistant/openai-0", "own/mine-0"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"models": {"a": {"deployments": [{"provider": "nobody"}]}}}, "no provider named 'nobody'"),
        ({"models": {"a": {"deployments": [{"provider": "groq"}]}}}, "GROQ_API_KEY, which is not set"),
        (
            {"models": {"a": {"deployments": [{"provider": "mine"}], "fallback": ["a"]}}, "providers": MINE},
            "circle",
        ),
        ({"modles": {}}, "modles"),
        ({"teams": {"\ud800": {}}}, "surrogate"),
        ({"prices": {"openai/x": {"input_usd": float("nan"), "output_usd": 1}}}, "input_usd"),
        ({"providers": {"openai": {"api_key": "sk-in-clear-1234567890"}}}, "providers"),
        ({"teams": {"t": {"limits": {"concurrency": -1}}}}, ">= 1"),
    ],
)
def test_what_cannot_be_served_changes_nothing(
    control: "Control", settings: dict[str, Any], said: str
) -> None:
    before, snapshot = in_force(control), control.snapshot()
    answer = change(control, settings)
    assert answer.status == 400, answer.body
    assert said in answer.error["message"]
    assert "sk-in-clear" not in answer.body.decode()
    assert in_force(control) == before
    assert control.snapshot().models == snapshot.models


def test_nobody_overwrites_a_change_they_have_not_seen(control: "Control") -> None:
    answer = control.local("PUT", PATH, {"replaces": "sha256:0", "settings": {}})
    assert (answer.status, answer.error["param"]) == (409, "replaces")


@pytest.mark.parametrize("role", ["viewer", "member", "admin"])
def test_only_root_may(control: "Control", role: str) -> None:
    bearer = {"authorization": f"Bearer {control.new_key(role=role)['key']}"}
    body = {"replaces": in_force(control)["digest"], "settings": {}}
    assert control.ask("PUT", PATH, body, **bearer).status == 403
    assert control.ask("GET", PATH, **bearer).status == (200 if role == "admin" else 403)


def apply(control: "Control", file: Path) -> "subprocess.CompletedProcess[str]":
    options = ("--config", str(file), "--home", control.home.root)
    return subprocess.run(
        [sys.executable, "-m", "pilothouse", "config", "apply", *options],
        env=dict(os.environ) | {"NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_command_applies_a_file_or_says_the_line(start_control: "Start", tmp_path: Path) -> None:
    control = start_control()
    file = tmp_path / "pilot.yaml"
    text = "models:\n  own:\n    deployments: [{provider: mine, weight: 3}]\nproviders:\n  mine:\n"
    file.write_text(text + "    base_url: http://127.0.0.1:9/v1\n    wildcard: false\n")
    done = apply(control, file)
    assert done.returncode == 0, done.stderr
    assert "revision 2" in done.stdout
    assert weights(control) == {"own/mine-0": 3}
    file.write_text(file.read_text().replace("weight: 3", "weight: 0"))
    done = apply(control, file)
    assert done.returncode == 1
    assert f"{file}:3: the model 'own' routes to nothing" in done.stderr
    assert weights(control) == {"own/mine-0": 3}
