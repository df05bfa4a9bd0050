"""The command line without a running Pilothouse: clear errors, right exit statuses, nothing leaked."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest


def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PILOTHOUSE_")}
    return subprocess.run(
        [sys.executable, "-m", "pilothouse", *arguments],
        env={**environment, "NO_COLOR": "1", "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command", [["keys", "list"], ["requests", "list"], ["requests", "tail"], ["signin"]]
)
def test_commands_that_need_it_say_that_it_does_not_run(command: list[str], tmp_path: Path) -> None:
    done = run(*command, "--home", str(tmp_path))
    assert done.returncode == 1
    assert f"Pilothouse does not run in {tmp_path}." in done.stderr
    assert "pilothouse up" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_configuration_names_file_line_and_remedy(tmp_path: Path) -> None:
    file = tmp_path / "pilot.yaml"
    file.write_text("gateway:\n  prot: 80\n")
    for command in (["config", "check"], ["up", "--home", str(tmp_path / "home")]):
        done = run(*command, "--config", str(file))
        assert done.returncode == 1
        assert f"{file}:2: there is no setting `gateway.prot`." in done.stderr
        assert "Did you mean `port`?" in done.stderr
    assert not (tmp_path / "home").exists(), "nothing is started or made with a wrong configuration"


def test_contradictions_are_found_by_the_check(tmp_path: Path) -> None:
    file = tmp_path / "pilot.yaml"
    file.write_text("models:\n  mine:\n    deployments:\n      - {provider: nobody}\n")
    done = run("config", "check", "--config", str(file))
    assert done.returncode == 1
    assert f"{file}:4" in done.stderr
    assert "nobody" in done.stderr


def test_good_configuration_is_ok_and_explained_with_its_origin(tmp_path: Path) -> None:
    file = tmp_path / "pilot.yaml"
    file.write_text("gateway:\n  port: 9090\nproviders:\n  openai: {api_key: '${SOME_KEY}'}\n")
    secret = "sk-not-to-be-shown"
    assert run("config", "check", "--config", str(file), SOME_KEY=secret).returncode == 0
    done = run("config", "explain", "--json", "--config", str(file), SOME_KEY=secret, PILOTHOUSE_WORKERS="3")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert (rows["gateway.port"]["value"], rows["gateway.port"]["origin"]) == (9090, f"{file}:2")
    assert (rows["gateway.workers"]["value"], rows["gateway.workers"]["origin"]) == (3, "PILOTHOUSE_WORKERS")
    assert rows["gateway.host"]["origin"] == "default"
    assert rows["providers.openai.api_key"]["value"] == "${SOME_KEY}"
    assert secret not in done.stdout


def test_missing_secret_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pilot.yaml"
    file.write_text("providers:\n  openai: {api_key: '${NOT_SET_ANYWHERE}'}\n")
    done = run("config", "check", "--config", str(file))
    assert done.returncode == 1
    assert "NOT_SET_ANYWHERE is not set" in done.stderr


def test_doctor_of_an_empty_place_is_well(tmp_path: Path) -> None:
    done = run("doctor", "--json", "--home", str(tmp_path / "none"))
    findings = json.loads(done.stdout)
    assert done.returncode == 0, findings
    assert {"python", "home", "disk", "models", "journal"} <= {finding["check"] for finding in findings}
    assert not (tmp_path / "none").exists()


def test_doctor_finds_what_others_may_read(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    (keys / "pepper").write_bytes(b"x" * 32)
    (keys / "pepper").chmod(0o644)
    tmp_path.chmod(0o700)
    done = run("doctor", "--home", str(tmp_path))
    assert done.returncode == 1
    assert f"others may read {keys / 'pepper'}" in done.stdout


def test_models_can_be_listed_without_anything(tmp_path: Path) -> None:
    rows = json.loads(run("models", "list", "--json", "--home", str(tmp_path)).stdout)
    assert {row["name"]: row["is_here"] for row in rows} == {
        "smollm2-135m-instruct": False,
        "all-minilm-l6-v2": False,
    }


def test_unknown_model_says_which_there_are(tmp_path: Path) -> None:
    done = run("models", "pull", "gpt-9", "--home", str(tmp_path))
    assert done.returncode == 1
    assert "smollm2-135m-instruct" in done.stderr


def test_journal_of_nothing_is_an_error(tmp_path: Path) -> None:
    done = run("journal", "verify", "--home", str(tmp_path))
    assert done.returncode == 1
    assert "There is no journal" in done.stderr


def test_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        empty = tmp_path / "pilot.yaml"
        empty.write_text("models: {}\n")
        done = run("up", "--home", str(tmp_path / "home"), "--port", port, "--config", str(empty))
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is already in use" in done.stderr


def test_backup_of_no_home_is_an_error(tmp_path: Path) -> None:
    done = run("backup", "--home", str(tmp_path / "none"))
    assert done.returncode == 1
    assert "There is no home" in done.stderr
    assert not (tmp_path / "none").exists()


def test_restore_of_what_is_no_backup_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    file.write_bytes(b"not a tar")
    done = run("restore", str(file), "--home", str(tmp_path / "home"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_a_control_process_that_starts_is_waited_for(tmp_path: Path) -> None:
    from pilothouse.contracts.home import Home
    from pilothouse.supervise.home import HomeLock, prepare
    from pilothouse.telemetry.status import serve_status

    home = Home(str(tmp_path / "home"))
    prepare(home)
    lock = HomeLock(home)
    lock.acquire()

    async def list_keys_before_control_listens() -> tuple[int | None, bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pilothouse",
            "keys",
            "list",
            "--home",
            home.root,
            stderr=asyncio.subprocess.PIPE,
        )
        await asyncio.sleep(1)
        server = await serve_status(home.admin_socket, msgspec.defstruct("Nothing", []))
        _, said = await process.communicate()
        server.close()
        return process.returncode, said

    code, said = asyncio.run(list_keys_before_control_listens())
    lock.release()
    assert code == 1
    assert b"only GET /status is here" in said, "it asked as soon as somebody listened"
