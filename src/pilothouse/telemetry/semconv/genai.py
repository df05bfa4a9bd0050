"""The GenAI conventions of 1.37 and later, and those of their own repository: names and messages with parts.

https://github.com/open-telemetry/semantic-conventions/tree/v1.41.0/docs/gen-ai and
https://github.com/open-telemetry/semantic-conventions-genai (status Development).

Refuses to know older names. Invariant: `RULES` says of each name what it means.
"""

from typing import Any

from pilothouse.telemetry.semconv import values
from pilothouse.telemetry.semconv.draft import CONTENT, LATEST, STRUCTURED, Draft, Rule
from pilothouse.telemetry.semconv.messages import choices, messages, system, tools

__all__ = ["KINDS", "MESSAGES", "RULES", "conversation", "offered"]

KINDS = {
    "chat": "llm",
    "generate_content": "llm",
    "text_completion": "llm",
    "fetch_response": "llm",
    "responses": "llm",
    "embeddings": "embeddings",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "execute_tool": "tool",
    "retrieval": "retrieval",
    "search_memory": "retrieval",
    "invoke_workflow": "chain",
    "plan": "chain",
    "rerank": "reranker",
    "apply_guardrail": "guardrail",
}
"""What kind of step an operation is."""

_HELD = CONTENT._replace(convention=STRUCTURED)

RULES = {
    "gen_ai.operation.name": Rule("operation", 0, values.as_label),
    "gen_ai.provider.name": Rule("provider", 0, values.as_label, STRUCTURED),
    "gen_ai.request.model": Rule("model", 0, values.as_label),
    "gen_ai.response.model": Rule("model_answered", 0, values.as_label),
    "gen_ai.response.id": Rule("request_id", 0, values.as_label),
    "gen_ai.response.finish_reasons": Rule("finish_reasons", 0, values.as_labels),
    "gen_ai.response.time_to_first_chunk": Rule("first_token_ms", 0, values.as_seconds, STRUCTURED),
    "gen_ai.server.time_to_first_token": Rule("first_token_ms", 2, values.as_seconds),
    "gen_ai.conversation.id": Rule("conversation_id", 0, values.as_label),
    "gen_ai.agent.name": Rule("agent", 0, values.as_label),
    "gen_ai.agent.id": Rule("agent", 5, values.as_label),
    "gen_ai.workflow.name": Rule("workflow", 0, values.as_label),
    "gen_ai.tool.name": Rule("tool", 0, values.as_label),
    "gen_ai.usage.input_tokens": Rule("input_tokens", 0, values.as_count),
    "gen_ai.usage.output_tokens": Rule("output_tokens", 0, values.as_count),
    "gen_ai.usage.cache_read.input_tokens": Rule("cached_tokens", 0, values.as_count),
    "gen_ai.usage.reasoning.output_tokens": Rule("reasoning_tokens", 0, values.as_count),
    "gen_ai.input.messages": _HELD,
    "gen_ai.output.messages": _HELD,
    "gen_ai.system_instructions": _HELD,
    "gen_ai.tool.definitions": CONTENT,
    "gen_ai.tool.call.arguments": CONTENT,
    "gen_ai.tool.call.result": CONTENT,
    "gen_ai.retrieval.query.text": CONTENT,
    "gen_ai.retrieval.documents": CONTENT,
    "gen_ai.memory.query.text": CONTENT,
    "gen_ai.memory.records": CONTENT,
    "gen_ai.evaluation.explanation": CONTENT,
    "gen_ai.evaluation.name": Rule("evaluation.name", 0, values.as_label),
    "gen_ai.evaluation.score.value": Rule("evaluation.value", 0, values.as_number),
    "gen_ai.evaluation.score.label": Rule("evaluation.label", 0, values.as_label),
    # Only the new repository has these.
    "gen_ai.usage.cache_write.input_tokens": Rule("cache_write_tokens", 0, values.as_count, LATEST),
    "gen_ai.retrieval.top_k": Rule("retrieval.top_k", 0, values.as_count, LATEST),
    "gen_ai.execution.steps": CONTENT._replace(convention=LATEST),
}
"""What each name means."""


MESSAGES = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions")
"""The names that hold a conversation."""


def conversation(draft: Draft) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the messages sent and the choices answered."""
    said = system(draft.take("gen_ai.system_instructions"))
    said += messages(draft.take("gen_ai.input.messages"))
    return said, choices(draft.take("gen_ai.output.messages"))


def offered(draft: Draft) -> list[dict[str, Any]]:
    """Returns the tools that were offered to the model."""
    return tools(draft.take("gen_ai.tool.definitions"))
