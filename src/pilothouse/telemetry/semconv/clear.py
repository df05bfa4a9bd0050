"""The names whose values may stand in clear: settings, counts, ids and addresses, never what a person wrote.

Refuses to know names that may hold more: what is not here is sealed. Invariant: a value in clear is short
(`values.as_clear`), whatever its name allows.
"""

from typing import Any

from pilothouse.telemetry.semconv import values

__all__ = ["CLEAR", "settings"]

CLEAR = {
    name: name
    for name in (
        "gen_ai.agent.id",
        "gen_ai.agent.version",
        "gen_ai.data_source.id",
        "gen_ai.embeddings.dimension.count",
        "gen_ai.evaluation.name",
        "gen_ai.memory.record.count",
        "gen_ai.memory.store.id",
        "gen_ai.output.type",
        "gen_ai.prompt.name",
        "gen_ai.prompt.version",
        "gen_ai.request.choice.count",
        "gen_ai.request.encoding_formats",
        "gen_ai.request.frequency_penalty",
        "gen_ai.request.max_tokens",
        "gen_ai.request.presence_penalty",
        "gen_ai.request.reasoning.level",
        "gen_ai.request.seed",
        "gen_ai.request.stream",
        "gen_ai.request.temperature",
        "gen_ai.request.top_k",
        "gen_ai.request.top_p",
        "gen_ai.request.service_tier",
        "gen_ai.response.service_tier",
        "gen_ai.token.type",
        "gen_ai.tool.call.id",
        "gen_ai.tool.type",
        "gen_ai.usage.audio.input_tokens",
        "gen_ai.usage.audio.output_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.image.input_tokens",
        "gen_ai.usage.text.input_tokens",
        "gen_ai.usage.text.output_tokens",
        "gen_ai.usage.total_tokens",
        "gen_ai.usage.video.input_tokens",
        "gen_ai.openai.api_version",
        "gen_ai.openai.request.response_format",
        "gen_ai.openai.request.service_tier",
        "gen_ai.openai.response.service_tier",
        "gen_ai.openai.response.system_fingerprint",
        "openai.api.type",
        "openai.request.service_tier",
        "openai.response.service_tier",
        "openai.response.system_fingerprint",
        "aws.bedrock.guardrail.id",
        "aws.bedrock.knowledge_base.id",
        "azure.resource_provider.namespace",
        "llm.usage.total_tokens",
        "llm.token_count.total",
        "llm.token_count.prompt_details.audio",
        "llm.token_count.prompt_details.cache_write",
        "llm.token_count.completion_details.audio",
        "llm.cost.prompt",
        "llm.cost.completion",
        "llm.prompt_template.version",
        "reranker.top_k",
        "embedding.vector.length",
        "input.mime_type",
        "output.mime_type",
        "session.previous_id",
        "traceloop.entity.name",
        "traceloop.entity.path",
        "traceloop.entity.version",
        "traceloop.prompt.key",
        "traceloop.prompt.version",
        "traceloop.span.kind",
        "gen_ai.workflow.name",
        "mcp.method.name",
        "mcp.protocol.version",
        "mcp.session.id",
        "jsonrpc.request.id",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "server.address",
        "server.port",
        "network.protocol.name",
        "network.protocol.version",
        "network.transport",
        "rpc.system",
        "rpc.service",
        "rpc.method",
        "rpc.response.status_code",
        "db.system",
        "db.system.name",
        "db.operation",
        "db.operation.name",
        "db.collection.name",
        "db.vector.query.top_k",
        "messaging.system",
        "messaging.operation.name",
        "code.function.name",
        "thread.id",
        "deployment.environment.name",
        "service.version",
    )
} | {
    "http.method": "http.request.method",
    "http.status_code": "http.response.status_code",
    "net.peer.name": "server.address",
    "net.peer.port": "server.port",
    "llm.is_streaming": "gen_ai.request.stream",
    "gen_ai.is_streaming": "gen_ai.request.stream",
    "llm.temperature": "gen_ai.request.temperature",
    "llm.request.temperature": "gen_ai.request.temperature",
    "llm.top_p": "gen_ai.request.top_p",
    "llm.top_k": "gen_ai.request.top_k",
    "llm.request.max_tokens": "gen_ai.request.max_tokens",
    "llm.frequency_penalty": "gen_ai.request.frequency_penalty",
    "llm.presence_penalty": "gen_ai.request.presence_penalty",
    "gen_ai.openai.request.seed": "gen_ai.request.seed",
    "gen_ai.request.is_stream": "gen_ai.request.stream",
    "gen_ai.usage.cache_creation_input_tokens": "gen_ai.usage.cache_creation.input_tokens",
}
"""Each name allowed, and the name that it has now."""

INVOCATION = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
    "stream": "gen_ai.request.stream",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
}
"""Of `llm.invocation_parameters`, what is a number or a truth value."""


NUMBERS = (int, float, bool)


def settings(said: dict[str, Any]) -> dict[str, Any]:
    """Returns what of a call's parameters may stand in clear, under the conventions' names."""
    return {
        INVOCATION[key]: each
        for key, each in said.items()
        if key in INVOCATION and type(each) in NUMBERS and values.as_clear(each) is not None
    }
