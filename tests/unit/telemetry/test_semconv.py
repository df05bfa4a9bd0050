"""A completed call under OpenTelemetry's names."""

import json

from pilothouse.contracts.events import Parameters, RequestCompleted
from pilothouse.telemetry.otlp.raw import RawSpan
from pilothouse.telemetry.semconv import attributes, content_attributes, metric_names, span_name
from pilothouse.telemetry.semconv.fold import fold_span


def test_what_is_known_is_named_and_what_is_not_is_left_out() -> None:
    event = RequestCompleted(
        call_id="c", request_id="r", at_ns=1, operation="chat", status=200, outcome="completed",
        model="asked", model_answered="answered", provider="openai", is_stream=True, first_token_ms=250.0,
        input_tokens=7, output_tokens=0, finish_reasons=("stop",),
        parameters=Parameters(temperature=0.0, n=1, response_format="json_schema"),
    )  # fmt: skip
    assert attributes(event) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.output.type": "json",
        "gen_ai.request.model": "asked",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.response.model": "answered",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 0,
        "http.response.status_code": 200,
        "pilothouse.call.id": "c",
        "pilothouse.request.id": "r",
        "pilothouse.outcome": "completed",
        "pilothouse.purpose": "serve",
    }
    assert span_name(event) == "chat asked"


def test_a_refused_call_without_a_model_is_still_a_span() -> None:
    event = RequestCompleted(
        call_id="c", request_id="r", at_ns=1, operation="embeddings", status=400, outcome="refused",
        error_type="invalid_request_error",
    )  # fmt: skip
    assert span_name(event) == "embeddings"
    assert attributes(event)["error.type"] == "invalid_request_error"
    assert "gen_ai.usage.input_tokens" not in attributes(event)


def test_content_is_named_only_when_it_is_handed_in() -> None:
    request = {
        "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "dry"},
        ],
        "tools": [{"type": "function", "function": {"name": "weather"}}],
    }  # fmt: skip
    response = {"choices": [{"message": {"content": "Dry."}, "finish_reason": "stop"}]}
    named = content_attributes(request, response)
    sent = json.loads(named["gen_ai.input.messages"])
    assert [part["type"] for message in sent for part in message["parts"]] == [
        "text", "tool_call", "tool_call_response",
    ]  # fmt: skip
    assert json.loads(named["gen_ai.tool.definitions"]) == [{"type": "function", "name": "weather"}]
    (answer,) = json.loads(named["gen_ai.output.messages"])
    assert answer["finish_reason"] == "stop"
    (latest,) = json.loads(
        content_attributes(request, response, conventions="latest")["gen_ai.output.messages"]
    )
    assert "finish_reason" not in latest
    assert content_attributes(None, None) == {}


def test_what_goes_out_comes_in_again() -> None:
    request = {"messages": [{"role": "user", "content": "Weather?"}]}
    response = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Dry."},
                             "finish_reason": "stop"}]}  # fmt: skip
    raw = RawSpan("1" * 32, "2" * 16, None, "chat", 3, 1, 2, dict(content_attributes(request, response)))
    folded = fold_span({}, "s", raw)
    assert folded.content is not None
    assert (folded.content.request, folded.content.response) == (request, response)


def test_both_editions_name_their_metrics() -> None:
    assert metric_names()["input_tokens"] == "gen_ai.client.token.usage"
    assert metric_names("latest")["duration"] == "gen_ai.client.inference.duration"
