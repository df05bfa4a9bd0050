"""Real senders, unmodified, each in an environment of its own: what they send arrives whole, and is found."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.journeys.conftest import Up

pytestmark = pytest.mark.timeout(900)  # the first run makes five environments: 100 packages in one of them
ROOT = Path(__file__).parents[2]
SENDERS = ROOT / "tests" / "senders"
CONFIGURATION = """
models:
  gpt-scripted: {{deployments: [{{provider: scripted-openai, model: gpt-real-name}}]}}
  failing-gpt: {{deployments: [{{provider: scripted-openai, model: failing}}]}}
providers:
  scripted-openai: {{dialect: openai, base_url: "http://127.0.0.1:{port}/v1", api_key: "${{SCRIPTED}}"}}
"""
QUESTION = {"role": "user", "content": "Which needle is in the haystack?"}
CAPTURE = {
    "opentelemetry": {
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT",
        "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "true",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    },
    "early": {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"},
}
"""How each sender that is silent of messages is told to send them."""
CONVENTIONS = {
    "opentelemetry": "genai-1.37",
    "early": "genai-1.36",
    "openinference": "openinference",
    "litellm": "genai-1.37",
    "openllmetry": "genai-1.36",
}
COMPLETE = {"openllmetry"}
"""Whose requirements name every package: pip need not look for more, which takes a third of the time."""
WITHOUT_CALL_IDS = {"litellm"}
"""Senders that leave out the ids of tool calls, and of the messages with results the calls themselves."""

Step = dict[str, Any]


@pytest.fixture(scope="module")
def shared(start_shared: Callable[..., "Up"], vendors: int) -> "Up":
    """Gives one Pilothouse for all senders."""
    started = start_shared(CONFIGURATION.format(port=vendors), SCRIPTED="sk-scripted")
    started.wait_ready()
    return started


class Sent:
    """What one sender sent, as the management API shows it."""

    def __init__(self, up: "Up", name: str, traces: dict[str, str]) -> None:
        self.up = up
        self.name = name
        self.traces = traces

    def steps(self, part: str, *, spans: int) -> list[Step]:
        """Returns the steps of a part's trace once so many of its spans are on record."""
        found: list[Step] = []

        def is_there() -> bool:
            answer = self.up.get(f"/api/v1/traces/{self.traces[part]}")
            if answer.status != 200:
                return False
            found[:] = json.loads(answer.body)["spans"]
            sent = [step for step in found if step["source"] == "span"]
            has_words = all(step["content"]["request"] for step in sent if step["kind"] == "llm")
            return len(sent) >= spans and has_words  # words that are logged come a moment later

        self.up.wait(is_there, f"{spans} spans of {self.name}'s {part}", within_s=30)
        return found

    def models(self, part: str, *, spans: int) -> list[Step]:
        """Returns the model calls of a part, as the application saw them."""
        steps = self.steps(part, spans=spans)
        return [step for step in steps if step["source"] == "span" and step["kind"] == "llm"]


@pytest.fixture(scope="module", params=sorted(CONVENTIONS))
def sent(request: pytest.FixtureRequest, shared: "Up") -> Sent:
    """Gives what a sender sent."""
    name = request.param
    environment = {
        "CLIENT_ADDRESS": shared.base_url,
        "CLIENT_KEY": shared.key,
        "OTEL_EXPORTER_OTLP_ENDPOINT": shared.base_url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{shared.key}",
        "OTEL_SERVICE_NAME": name,
        "TRACELOOP_TELEMETRY": "false",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SENDERS),
        "HOME": str(Path(shared.home.root)),  # no sender keeps or finds anything in a person's own
    }
    done = subprocess.run(
        [python_of(name), str(SENDERS / name / "program.py")],
        env=environment | CAPTURE.get(name, {}),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Sent(shared, name, json.loads(done.stdout.splitlines()[-1]))


def python_of(name: str) -> str:
    """Returns the Python of an environment with just that sender, made once."""
    wanted = SENDERS / name / "requirements.txt"
    folder = ROOT / ".envs" / "senders" / f"{name}-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        command = [str(python), "-m", "pip", "install", "-q", "-r", str(wanted)]
        subprocess.run([*command, *(["--no-deps"] if name in COMPLETE else [])], check=True)
        (folder / "complete").touch()
    return str(python)


def texts(step: Step) -> list[tuple[str, Any]]:
    """Returns who said what to the model."""
    return [(each["role"], each.get("content")) for each in step["content"]["request"]["messages"]]


def answer(step: Step) -> dict[str, Any]:
    """Returns the model's message."""
    message: dict[str, Any] = step["content"]["response"]["choices"][0]["message"]
    return message


def test_a_plain_call_arrives_whole_and_joins_the_gateways(sent: Sent) -> None:
    (model,) = sent.models("plain", spans=2)
    assert model["convention"] == CONVENTIONS[sent.name]
    assert model["service"] == sent.name
    assert (model["provider"], model["model"]) == ("openai", "gpt-scripted")
    assert (model["input_tokens"], model["output_tokens"]) == (18, 9)
    assert model["finish_reasons"] == ["stop"]
    assert model["attributes"]["gen_ai.request.temperature"] == 0.25
    assert texts(model) == [("system", "Answer in one word."), (QUESTION["role"], QUESTION["content"])]
    assert answer(model)["content"].startswith("I saw ")
    steps = sent.steps("plain", spans=2)
    calls = [step for step in steps if step["source"] == "call"]
    spans = {step["span_id"] for step in steps if step["source"] == "span"}
    assert len(calls) == 1
    assert calls[0]["parent_id"] in spans, "the gateway's call hangs under the application's span"


def test_a_stream_arrives_whole(sent: Sent) -> None:
    (model,) = sent.models("streamed", spans=2)
    assert (model["input_tokens"], model["output_tokens"]) == (18, 9)
    assert texts(model) == [("user", "And in a stream?")]
    assert answer(model)["content"].startswith("I saw ")


def test_tools_arrive_with_their_calls_and_results(sent: Sent) -> None:
    first, second = sorted(sent.models("with_tools", spans=3), key=lambda step: float(step["at_ms"]))
    assert first["finish_reasons"] == ["tool_calls"]
    (call,) = answer(first)["tool_calls"]
    assert call["function"]["name"] == "weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert ("tool", "21 degrees and dry") in texts(second)
    if sent.name not in WITHOUT_CALL_IDS:
        assert call["id"] == "call_0"
        assert second["content"]["request"]["messages"][-1]["tool_call_id"] == "call_0"


def test_an_error_arrives_with_its_kind(sent: Sent) -> None:
    (model,) = sent.models("failing", spans=2)
    assert model["is_error"]
    assert "RateLimitError" in model["error"]
    assert model["model"] == "failing-gpt"
    assert texts(model) == [("user", "fail 429")]
    assert "429" in str(model["content"]["attributes"]) or "rate" in str(model["content"]["attributes"])


def test_a_user_is_known_by_a_pseudonym_only(sent: Sent) -> None:
    answer = sent.up.get("/api/v1/traces?limit=200")
    assert answer.status == 200
    assert b"someone@example.org" not in answer.body


@pytest.mark.parametrize("sent", ["openinference"], indirect=True)
def test_langchains_chain_retriever_and_tool_arrive(sent: Sent) -> None:
    steps = {step["kind"]: step for step in sent.steps("chain", spans=5) if step["source"] == "span"}
    assert steps["retrieval"]["content"]["request"] == {"query": QUESTION["content"]}
    (document,) = steps["retrieval"]["content"]["response"]["documents"]
    assert document["content"] == "The needle is in the north."
    assert "chain" in steps
    assert answer(steps["llm"])["content"].startswith("I saw ")
    tools = [step for step in sent.steps("agent_tool", spans=3) if step["kind"] == "tool"]
    assert [(step["tool"], step["operation"]) for step in tools] == [("weather", "execute_tool")]
    assert "21 degrees and dry" in json.dumps(tools[0]["content"]["response"])


@pytest.mark.parametrize("sent", ["openllmetry"], indirect=True)
def test_openllmetrys_workflow_agent_and_tool_arrive(sent: Sent) -> None:
    steps = {step["kind"]: step for step in sent.steps("chain", spans=5) if step["source"] == "span"}
    assert (steps["agent"]["agent"], steps["agent"]["operation"]) == ("forecaster", "invoke_agent")
    assert steps["tool"]["tool"] == "weather"
    assert steps["tool"]["content"]["response"] == "Paris: 21 degrees and dry"
    assert steps["llm"]["conversation_id"] == "session-1"
    assert steps["chain"]["attributes"]["gen_ai.workflow.name"] == "forecasting"
