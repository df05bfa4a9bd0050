"""What real senders sent, captured (capture.py): folded, it is whole."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pilothouse.contracts.spans import Span
from pilothouse.telemetry.otlp.raw import RawLog, RawSpan, Resource
from pilothouse.telemetry.semconv.fold import Folded, FoldedLog, fold_log, fold_span
from pilothouse.telemetry.semconv.joining import joined

CAPTURED = Path(__file__).parent / "captured"
NAMES = ("early", "litellm", "openinference", "openllmetry", "opentelemetry")
WITH_USERS = {"litellm", "openinference", "openllmetry"}
USER = "someone@example.org"


def pseudonym(user: str) -> str:
    return f"pseudonym of {len(user)}"


class Captured(msgspec.Struct):
    """What one sender sent."""

    traces: dict[str, str]
    spans: list[tuple[Resource, RawSpan]]
    logs: list[tuple[Resource, RawLog]]

    def folded(self) -> Iterator[Folded]:
        for resource, raw in self.spans:
            yield fold_span(
                resource.attributes, resource.scope, raw, lambda user: f"pseudonym of {len(user)}"
            )

    def logged(self) -> Iterator[tuple[RawLog, FoldedLog]]:
        for resource, raw in self.logs:
            folded = fold_log(resource.attributes, resource.scope, raw)
            assert folded is not None
            yield raw, folded

    def models(self, part: str) -> list[tuple[Span, Any, Any]]:
        """Returns the model calls of a part with what was asked and answered, in order."""
        found = []
        for each in self.folded():
            if each.span.trace_id == self.traces[part] and each.span.kind == "llm":
                content = each.content
                asked = (None, None) if content is None else (content.request, content.response)
                if asked[0] is None:
                    of_span = [log for raw, log in self.logged() if raw.span_id == each.span.span_id]
                    asked = joined(
                        (log.content.request, log.content.response) for log in of_span if log.content
                    )
                found.append((each.span, *asked))
        return sorted(found, key=lambda one: one[0].at_ns)


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def captured(name: str) -> Captured:
    return msgspec.json.decode((CAPTURED / f"{name}.json").read_bytes(), type=Captured)


def test_a_plain_call_is_whole(captured: Captured) -> None:
    ((span, request, response),) = captured.models("plain")
    assert (span.provider, span.model, span.operation) == ("openai", "gpt-scripted", "chat")
    assert (span.input_tokens, span.output_tokens, span.finish_reasons) == (18, 9, ("stop",))
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert request["messages"][1]["content"] == "Which needle is in the haystack?"
    assert response["choices"][0]["message"]["content"].startswith("I saw ")
    assert response["choices"][0]["finish_reason"] == "stop"


def test_a_stream_is_whole(captured: Captured) -> None:
    ((span, request, response),) = captured.models("streamed")
    assert (span.input_tokens, span.output_tokens) == (18, 9)
    assert request["messages"] == [{"role": "user", "content": "And in a stream?"}]
    assert response["choices"][0]["message"]["content"].startswith("I saw ")


def test_tools_are_whole(captured: Captured, name: str) -> None:
    (span, _, answered), (_, request, _) = captured.models("with_tools")
    assert span.finish_reasons == ("tool_calls",)
    (call,) = answered["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert request["messages"][-1]["role"] == "tool"
    assert request["messages"][-1]["content"] == "21 degrees and dry"
    if name in {"openinference", "openllmetry", "litellm"}:
        assert request["tools"][0]["function"]["name"] == "weather"


def test_an_error_is_whole(captured: Captured) -> None:
    ((span, request, response),) = captured.models("failing")
    assert span.status == "error"
    assert span.error_type is not None
    assert span.error_type.endswith("RateLimitError")
    assert span.model == "failing-gpt"
    assert request["messages"][-1]["content"] == "fail 429"
    assert response is None


def test_nothing_in_clear_holds_what_a_person_wrote(captured: Captured, name: str) -> None:
    users = set()
    for each in captured.folded():
        clear = msgspec.json.encode(each.span).decode()
        for said in ("needle", "haystack", USER, "21 degrees", "Traceback", "traceparent"):
            assert said not in clear
        users.add(each.span.subject)
    assert (f"pseudonym of {len(USER)}" in users) == (name in WITH_USERS)
