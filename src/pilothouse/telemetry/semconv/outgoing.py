"""The one place that spells OpenTelemetry's generative-AI names: a completed call as span attributes.

The names are those of the GenAI semantic conventions as they stand apart from the main registry
(https://github.com/open-telemetry/semantic-conventions-genai, status Development). Times there are seconds.

Refuses to know content and exporters. Invariant: an attribute is left out when its value is not known, never
given as 0 or an empty text.
"""

from pilothouse.contracts.events import RequestCompleted

__all__ = ["AttributeValue", "attributes", "span_name"]

AttributeValue = str | int | float | bool | tuple[str, ...]

OUTPUT_TYPES = {"text": "text", "json_object": "json", "json_schema": "json"}


def span_name(event: RequestCompleted) -> str:
    """Returns `{operation} {model}`, as the conventions name a client span."""
    return f"{event.operation} {event.model}" if event.model else event.operation


def attributes(event: RequestCompleted) -> dict[str, AttributeValue]:
    """Returns the call's metadata under the conventions' names; ours are under `pilothouse.`."""
    parameters = event.parameters
    named: dict[str, AttributeValue | None] = {
        "gen_ai.operation.name": event.operation,
        "gen_ai.provider.name": event.provider,
        "gen_ai.conversation.id": event.conversation_id,
        "gen_ai.output.type": OUTPUT_TYPES.get(parameters.response_format or ""),
        "gen_ai.request.model": event.model,
        "gen_ai.request.stream": event.is_stream or None,
        "gen_ai.request.choice.count": parameters.n if parameters.n != 1 else None,
        "gen_ai.request.seed": parameters.seed,
        "gen_ai.request.temperature": parameters.temperature,
        "gen_ai.request.top_p": parameters.top_p,
        "gen_ai.request.max_tokens": parameters.max_tokens,
        "gen_ai.request.presence_penalty": parameters.presence_penalty,
        "gen_ai.request.frequency_penalty": parameters.frequency_penalty,
        "gen_ai.request.encoding_formats": (parameters.encoding_format,)
        if parameters.encoding_format
        else None,
        "gen_ai.embeddings.dimension.count": parameters.dimensions,
        "gen_ai.response.model": event.model_answered,
        "gen_ai.response.finish_reasons": event.finish_reasons or None,
        "gen_ai.response.time_to_first_chunk": _first_chunk_s(event),
        "gen_ai.usage.input_tokens": event.input_tokens,
        "gen_ai.usage.output_tokens": event.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": event.cached_tokens,
        "gen_ai.usage.reasoning.output_tokens": event.reasoning_tokens,
        "http.response.status_code": event.status,
        "error.type": event.error_type,
        "pilothouse.call.id": event.call_id,
        "pilothouse.request.id": event.request_id,
        "pilothouse.outcome": event.outcome,
        "pilothouse.deployment": event.deployment,
        "pilothouse.key.id": event.key_id,
        "pilothouse.team": event.team,
        "pilothouse.purpose": event.purpose,
        "pilothouse.cost_usd": event.cost_usd,
    }
    return {name: value for name, value in named.items() if value is not None}


def _first_chunk_s(event: RequestCompleted) -> float | None:
    if not event.is_stream or event.first_token_ms is None:
        return None
    return event.first_token_ms / 1000
