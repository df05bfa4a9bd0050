"""A request's journey: one command, a real model, the official client, and every call on record."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.journeys.conftest import Up

ROOT = Path(__file__).parents[2]
CONVERSATION = ROOT / "tests" / "clients" / "openai" / "conversation.py"


def converse(python: str, up: "Up") -> dict[str, Any]:
    """Runs the official client's script against `up` and returns what it found."""
    environment = {
        "OPENAI_BASE_URL": f"{up.base_url}/v1",
        "OPENAI_API_KEY": up.key,
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [python, str(CONVERSATION)], env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def recorded(up: "Up", count: int) -> list[dict[str, Any]]:
    """Waits until `count` calls are on record and returns them, oldest first."""
    found: list[dict[str, Any]] = []

    def are_there() -> bool:
        found[:] = json.loads(up.get("/api/v1/requests?limit=100").body)["data"]
        return len(found) >= count

    up.wait(are_there, f"a record of {count} calls", within_s=10)
    return found[::-1]


@pytest.mark.engine
def test_a_request(up: "Up", outside: Callable[[str], str]) -> None:
    found = converse(outside("openai"), up)
    check_answers(found)
    calls = recorded(up, 13)
    check_record(up, calls)


def check_answers(found: dict[str, Any]) -> None:
    chat = found["chat"]
    assert chat["model"] == "smollm2-135m-instruct"
    assert chat["request_id"] == "journey-chat"
    assert len(chat["texts"]) == 2
    assert all(chat["texts"])
    assert (
        chat["usage"]["total_tokens"] == chat["usage"]["prompt_tokens"] + chat["usage"]["completion_tokens"]
    )
    assert chat["logprobs"]
    assert all(value <= 0 for value in chat["logprobs"])
    assert set(chat["top"]) == {2}
    stream = found["stream"]
    assert stream["texts"][0] == stream["texts"][1] != ""
    assert len(stream["usages"][0]) == 1
    assert stream["usages"][1] == []
    assert stream["models"] == ["smollm2-135m-instruct"]
    tools = found["tools"]
    assert (tools["name"], tools["finish"]) == ("get_weather", "tool_calls")
    assert set(tools["arguments"]) == {"city", "unit"}
    assert tools["streamed_names"] == ["get_weather"]
    assert tools["streamed_arguments"] == tools["arguments"]
    assert tools["after"]
    assert set(found["structured"]["object"]) == {"country", "capital"}
    embeddings = found["embeddings"]
    assert embeddings["sizes"] == [384, 384, 384]
    assert embeddings["dot"][0] == pytest.approx(1, abs=1e-3)
    assert embeddings["dot"][1] > embeddings["dot"][2]
    assert embeddings["same"] == pytest.approx(1, abs=1e-3)
    completions = found["completions"]
    assert "Paris" in completions["text"]
    assert completions["echo_text"] == "The capital of France is Paris"
    assert "".join(completions["tokens"]) == completions["echo_text"]
    assert completions["token_logprobs"][0] is None
    assert all(value <= 0 for value in completions["token_logprobs"][1:])
    assert completions["token_logprobs"][-1] > -2, "Paris is what this model expects"
    assert found["models"] == ["all-minilm-l6-v2", "smollm2-135m-instruct"]
    assert found["refusals"]["unknown_model"]["code"] == "model_not_found"
    assert found["refusals"]["wrong_type"]["type"] == "invalid_request_error"


def check_record(up: "Up", calls: list[dict[str, Any]]) -> None:
    assert len({call["call_id"] for call in calls}) == len(calls)
    chat = next(call for call in calls if call["request_id"] == "journey-chat")
    assert (chat["status"], chat["outcome"], chat["operation"]) == (200, "completed", "chat")
    assert chat["input_tokens"] > 0
    assert chat["output_tokens"] > 0
    assert chat["logprob_mean"] < 0
    assert chat["cost_usd"] is None, "an engine of ours has no price, which is never $0"
    assert {call["outcome"] for call in calls} == {"completed", "refused"}
    streams = [call for call in calls if call["is_stream"]]
    assert streams
    assert all(call["first_token_ms"] <= call["duration_ms"] for call in streams)
    detail = json.loads(up.get(f"/api/v1/requests/{chat['call_id']}").body)
    assert detail["content"]["state"] == "full"
    assert detail["content"]["request"]["messages"][0]["content"] == "What is the capital of France?"
    assert len(detail["content"]["response"]["choices"]) == 2
    assert detail["parameters"]["seed"] == 7
    needle = b"What is the capital of France?"
    files = [
        path for path in Path(up.home.root).rglob("*") if path.is_file() and "artefacts" not in path.parts
    ]
    assert not [path for path in files if needle in path.read_bytes()], "content is sealed on disk"


@pytest.mark.engine
def test_it_ends_in_order_and_leaves_nothing(up: "Up") -> None:
    pids = [part.pid for part in up.status.processes] + [engine.pid for engine in up.status.engines]
    assert len(pids) >= 5
    assert up.stop() == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert not list(Path(up.home.run).glob("*.sock"))
