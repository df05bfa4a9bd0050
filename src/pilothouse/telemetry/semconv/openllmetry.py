"""OpenLLMetry's names: numbered prompts and completions, `traceloop.*` entities, and the older `llm.*`.

https://github.com/traceloop/openllmetry (opentelemetry-semantic-conventions-ai). LiteLLM's callback and
others number messages the same way.

Refuses to know the conventions' own messages. Invariant: `RULES` and `TREES` say what each name means.
"""

from typing import Any

from pilothouse.telemetry.semconv import values
from pilothouse.telemetry.semconv.draft import CONTENT, EARLY, Draft, Rule, numbered
from pilothouse.telemetry.semconv.messages import completion, messages, tools

__all__ = ["KINDS", "OPERATIONS", "RULES", "TREES", "conversation", "offered"]

KINDS = {"workflow": "chain", "task": "chain", "agent": "agent", "tool": "tool"}
"""What kind of step `traceloop.span.kind` says."""
OPERATIONS = {
    "chat": "chat",
    "completion": "text_completion",
    "embedding": "embeddings",
    "embeddings": "embeddings",
    "rerank": "rerank",
}
"""What operation `llm.request.type` says."""

_ASSOCIATED = "traceloop.association.properties."

RULES = {
    "traceloop.span.kind": Rule("traceloop.kind", 0, values.as_label, EARLY),
    "traceloop.entity.name": Rule("entity", 0, values.as_label),
    "traceloop.workflow.name": Rule("workflow", 1, values.as_label),
    "traceloop.entity.input": CONTENT,
    "traceloop.entity.output": CONTENT,
    f"{_ASSOCIATED}session_id": Rule("conversation_id", 2, values.as_label),
    f"{_ASSOCIATED}conversation_id": Rule("conversation_id", 2, values.as_label),
    f"{_ASSOCIATED}thread_id": Rule("conversation_id", 3, values.as_label),
    f"{_ASSOCIATED}chat_id": Rule("conversation_id", 3, values.as_label),
    f"{_ASSOCIATED}user_id": Rule("user", 2, values.as_label),
    "llm.request.type": Rule("llm.operation", 0, values.as_label, EARLY),
    "llm.user": Rule("user", 3, values.as_label),
    "gen_ai.user": Rule("user", 3, values.as_label),
    "llm.vendor": Rule("provider", 4, values.as_label),
    "llm.request.model": Rule("model", 4, values.as_label, EARLY),
    "llm.response.model": Rule("model_answered", 4, values.as_label, EARLY),
    "llm.usage.prompt_tokens": Rule("input_tokens", 4, values.as_count, EARLY),
    "llm.usage.completion_tokens": Rule("output_tokens", 4, values.as_count, EARLY),
    "gen_ai.usage.cache_read_input_tokens": Rule("cached_tokens", 1, values.as_count, EARLY),
    "gen_ai.usage.reasoning_tokens": Rule("reasoning_tokens", 1, values.as_count),
    "llm.response.finish_reason": Rule("finish_reasons", 3, values.as_labels),
    "llm.response.stop_reason": Rule("finish_reasons", 4, values.as_labels),
    "gen_ai.usage.cost": Rule("cost_usd", 1, values.as_number),
    "gen_ai.cost.total_cost": Rule("cost_usd", 2, values.as_number),
}
"""What each name means."""

TREES = {
    "gen_ai.prompt": EARLY,
    "gen_ai.completion": EARLY,
    "llm.prompts": EARLY,
    "llm.completions": EARLY,
    "llm.request": 0,
}
"""The beginnings of numbered names."""


def conversation(draft: Draft) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the messages sent and the choices answered."""
    asked = draft.tree("gen_ai.prompt") or draft.tree("llm.prompts")
    answered = draft.tree("gen_ai.completion") or draft.tree("llm.completions")
    said = [message for each in asked for message in messages([_message(each, "user")])]
    made = []
    for number, each in enumerate(answered):
        reason = values.as_label(each.get("finish_reason")) if isinstance(each, dict) else None
        made.append(completion(messages([_message(each, "assistant")])[0], reason, number))
    return said, made


def offered(draft: Draft) -> list[dict[str, Any]]:
    """Returns the tools that were offered to the model."""
    requested = draft.trees.get("llm.request")
    if not requested or not isinstance(requested.get("functions"), dict):
        return []
    del draft.trees["llm.request"]
    return tools(numbered(requested["functions"]))


def _message(value: Any, role: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {"role": role, "content": value}
    if isinstance(value.get("prompt"), dict):  # OpenInference's `llm.prompts.N.prompt.text`
        return {"role": role, "content": value["prompt"].get("text")}
    made = {name: each for name, each in value.items() if name != "finish_reason"}
    made.setdefault("role", role)
    if "tool_calls" in made:
        made["tool_calls"] = numbered(values.parsed(made["tool_calls"]))
    if "function_call" in made and isinstance(made["function_call"], dict):
        made["tool_calls"] = [made.pop("function_call")]
    return made
