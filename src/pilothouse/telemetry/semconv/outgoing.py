"""A completed call under OpenTelemetry's generative-AI names: span attributes, content, and metrics' names.

Two editions: 1.41, the last of the main registry, and `latest`, of the conventions' own repository
(https://github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/non-normative/migration.md; status
Development). Times there are seconds.

Refuses to know exporters. Invariant: an attribute is left out when its value is not known, never given as 0
or an empty text; what a person wrote is named only where it is handed in.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from pilothouse.contracts.events import RequestCompleted

__all__ = [
    "AttributeValue",
    "Conventions",
    "attributes",
    "content_attributes",
    "metric_names",
    "span_name",
]

AttributeValue = str | int | float | bool | tuple[str, ...]
Conventions = Literal["1.41", "latest"]

OUTPUT_TYPES = {"text": "text", "json_object": "json", "json_schema": "json"}

METRICS: dict[Conventions, dict[str, str]] = {
    "1.41": {
        "duration": "gen_ai.client.operation.duration",
        "input_tokens": "gen_ai.client.token.usage",
        "output_tokens": "gen_ai.client.token.usage",
        "first_token": "gen_ai.client.operation.time_to_first_chunk",
        "token_time": "gen_ai.client.operation.time_per_output_chunk",
        "server_duration": "gen_ai.server.request.duration",
        "server_first_token": "gen_ai.server.time_to_first_token",
        "server_token_time": "gen_ai.server.time_per_output_token",
    },
    "latest": {
        "duration": "gen_ai.client.inference.duration",
        "input_tokens": "gen_ai.client.inference.operation.input_tokens",
        "output_tokens": "gen_ai.client.inference.operation.output_tokens",
        "first_token": "gen_ai.client.inference.time_to_first_chunk",
        "token_time": "gen_ai.client.inference.time_per_output_chunk",
        "input_tokens_total": "gen_ai.client.inference.usage.input_tokens",
        "output_tokens_total": "gen_ai.client.inference.usage.output_tokens",
        "cached_tokens_total": "gen_ai.client.inference.usage.cache_read.input_tokens",
        "reasoning_tokens_total": "gen_ai.client.inference.usage.reasoning.output_tokens",
        "server_duration": "gen_ai.server.request.duration",
        "server_first_token": "gen_ai.server.time_to_first_token",
        "server_token_time": "gen_ai.server.time_per_output_token",
    },
}
"""What each figure's metric is called. In 1.41 both kinds of tokens are one metric, told apart by
`gen_ai.token.type`; in `latest` that attribute is gone, and embeddings keep
`gen_ai.client.operation.duration`."""

_json = msgspec.json.Encoder(enc_hook=str).encode


def span_name(event: RequestCompleted) -> str:
    """Returns `{operation} {model}`, as the conventions name a client span."""
    return f"{event.operation} {event.model}" if event.model else event.operation


def metric_names(conventions: Conventions = "1.41") -> dict[str, str]:
    """Returns what each figure's metric is called; a figure that an edition has no metric for is left out."""
    return dict(METRICS[conventions])


def attributes(event: RequestCompleted, *, conventions: Conventions = "1.41") -> dict[str, AttributeValue]:
    """Returns the call's metadata under the conventions' names; ours are under `pilothouse.`.

    Args:
        event: The call.
        conventions: The edition. They name a call's metadata alike.
    """
    del conventions  # alike so far: the editions part in metrics and in content
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


def content_attributes(request: Any, response: Any, *, conventions: Conventions = "1.41") -> dict[str, str]:
    """Returns what was asked and answered, as JSON under the conventions' names: only where an operator asks.

    Args:
        request: The body that came, parsed; of OpenAI's shape.
        response: The answer that left, parsed.
        conventions: The edition; `latest` gives finish reasons apart from the messages.
    """
    found: dict[str, str] = {}
    if isinstance(request, dict):
        asked = request.get("messages", request.get("prompt", request.get("input")))
        if sent := list(_messages(asked)):
            found["gen_ai.input.messages"] = _json(sent).decode()
        if isinstance(tools := request.get("tools"), list) and tools:
            found["gen_ai.tool.definitions"] = _json([_flat(tool) for tool in tools]).decode()
    choices = response.get("choices") if isinstance(response, dict) else None
    if isinstance(choices, list) and (answered := list(_answers(choices, conventions))):
        found["gen_ai.output.messages"] = _json(answered).decode()
    return found


def _first_chunk_s(event: RequestCompleted) -> float | None:
    if not event.is_stream or event.first_token_ms is None:
        return None
    return event.first_token_ms / 1000


def _flat(tool: Any) -> Any:
    """Returns a tool's definition without OpenAI's inner object."""
    function = tool.get("function") if isinstance(tool, dict) else None
    return {"type": "function", **function} if isinstance(function, dict) else tool


def _messages(asked: Any) -> Iterator[dict[str, Any]]:
    for message in asked if isinstance(asked, list) else [] if asked is None else [asked]:
        if not isinstance(message, dict):
            yield {"role": "user", "parts": [{"type": "text", "content": message}]}
        elif message.get("role") == "tool":
            part = {
                "type": "tool_call_response",
                "id": message.get("tool_call_id"),
                "response": message.get("content"),
            }
            yield {"role": "tool", "parts": [part]}
        else:
            yield {"role": message.get("role", "user"), "parts": list(_parts(message))}


def _answers(choices: list[Any], conventions: Conventions) -> Iterator[dict[str, Any]]:
    for choice in choices:
        if not isinstance(choice, dict):
            continue
        message = choice.get("message")
        if not isinstance(message, dict):
            message = {"content": choice.get("text")}
        answered: dict[str, Any] = {"role": "assistant", "parts": list(_parts(message))}
        if conventions == "1.41":
            answered["finish_reason"] = choice.get("finish_reason") or "stop"
        yield answered


def _parts(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    thought = message.get("reasoning_content")
    if thought:
        yield {"type": "reasoning", "content": thought}
    content = message.get("content")
    for part in content if isinstance(content, list) else [] if content is None else [content]:
        yield _part(part)
    for call in message.get("tool_calls") or ():
        function = call.get("function", {}) if isinstance(call, dict) else {}
        yield {
            "type": "tool_call",
            "id": call.get("id") if isinstance(call, dict) else None,
            "name": function.get("name"),
            "arguments": function.get("arguments"),
        }


def _part(part: Any) -> dict[str, Any]:
    if not isinstance(part, dict):
        return {"type": "text", "content": part}
    if part.get("type") == "text":
        return {"type": "text", "content": part.get("text")}
    image = part.get("image_url")
    if isinstance(image, dict) and isinstance(url := image.get("url"), str):
        if url.startswith("data:"):
            mime, _, data = url[5:].partition(";base64,")
            return {"type": "blob", "modality": "image", "mime_type": mime, "content": data}
        return {"type": "uri", "modality": "image", "uri": url}
    return part
