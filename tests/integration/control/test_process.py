"""The process itself: its start, its end, what it refuses, and that no secret is anywhere."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pilothouse.contracts.home import Home
from pilothouse.control.settings import ControlSettings
from pilothouse.network import sync
from pilothouse.rollout.settings import RolloutSettings
from pilothouse.supervise.home import prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.control.conftest import Control

    Start = Callable[..., "Control"]


def run(settings: ControlSettings) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pilothouse.control"],
        input=msgspec.json.encode(settings).decode(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_it_ends_in_order_and_starts_again_with_the_next_revision(start_control: "Start") -> None:
    first = start_control()
    key = first.new_key()
    revision = first.snapshot().revision
    first.process.terminate()
    assert first.process.wait(20) == 0
    assert list(Path(first.home.run).glob("*.sock")) == []
    second = start_control(first.home)
    assert second.snapshot().revision == revision + 1
    assert second.ask("GET", "/api/v1/session", authorization=f"Bearer {key['key']}").status == 200


def test_it_ends_though_somebody_watches_the_tail(start_control: "Start") -> None:
    control = start_control()
    url = f"unix:{control.home.admin_socket}:/api/v1/requests/tail"
    with sync.stream("GET", url, timeout_s=20, idle_timeout_s=20) as answer:
        lines = answer.lines()
        next(lines)
        control.process.terminate()
        assert [line for line in lines if line.startswith("data:")] == []
    assert control.process.wait(20) == 0


def test_what_a_killed_one_left_is_taken_up(start_control: "Start") -> None:
    first = start_control()
    key = first.new_key()
    first.record("before-the-end")
    first.process.kill()
    first.process.wait(20)
    second = start_control(first.home)
    assert key["id"] in {one.id for one in second.snapshot().keys}
    second.wait(lambda: second.root("GET", "/api/v1/requests/before-the-end").status == 200, "the replay")


def test_a_second_one_in_the_same_home_is_refused(control: "Control") -> None:
    revision = control.snapshot().revision
    done = run(ControlSettings(home=control.home.root, root_key="another-root-key-here"))
    assert done.returncode == 2
    assert "Another control process" in done.stderr
    assert control.snapshot().revision == revision, "it has published nothing"
    assert control.local("GET", "/api/v1/session").status == 200


def test_a_configuration_that_cannot_be_served_ends_it_with_one_clear_line(start_control: "Start") -> None:
    home = start_control().home
    wrong: dict[str, Any] = {"models": {"a": {"deployments": [{"provider": "opnai"}]}}}
    other = Path(home.root).parent / "other"
    prepare(Home(str(other)))
    done = run(ControlSettings(home=str(other), rollout=msgspec.convert(wrong, RolloutSettings)))
    assert done.returncode == 2
    assert "there is no provider named 'opnai'" in done.stderr
    assert "Did you mean 'openai'?" in done.stderr
    assert not Path(Home(str(other)).snapshot).exists()


def test_no_secret_is_in_any_answer_log_or_file(control: "Control") -> None:
    """Asks for much, with secrets everywhere, then looks through all that was answered and written."""
    key = control.new_key(name="secretive")
    link = control.local("POST", "/api/v1/signin-links").json
    cookie = control.ask("GET", link["path"]).headers["set-cookie"].split(";")[0]
    shown = len(control.seen)
    for text in (key["key"], link["token"], cookie.split("=")[1]):
        control.ask("GET", f"/api/v1/requests/{text}", authorization=f"Bearer {text}")
        control.ask("POST", "/api/v1/session", {"key": text, "more": text})
        control.ask("POST", f"/api/v1/keys/{text}x", {text: text}, cookie=f"pilothouse_session={text}")
        control.ask("GET", f"/signin?token={text}x")
    control.root("GET", "/api/v1/keys")
    control.root("GET", "/api/v1/status")
    answered = b"".join(control.seen[shown:])
    written = b"".join(
        path.read_bytes()
        for path in Path(control.home.root).rglob("*")
        if path.is_file() and "keys" not in path.parts and "run" not in path.parts
    )
    secrets = [text.rsplit("_", 1)[1] for text in (key["key"], link["token"], cookie)]
    for secret in (*secrets, control.root_key):
        assert secret.encode() not in written, "on disk"
        assert secret.encode() not in answered, "in an answer"
    assert Path(control.home.pepper).read_bytes() not in written
