"""A completed call under OpenTelemetry's names."""

from pilothouse.contracts.events import Parameters, RequestCompleted
from pilothouse.telemetry.semconv import attributes, span_name


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
