"""OpenInference's names: kinds of spans, numbered messages, documents, tools, and `input.value`.

https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md

Refuses to know the GenAI conventions. Invariant: `RULES` and `TREES` say what each name means.
"""

from collections.abc import Iterator
from typing import Any

from pilothouse.telemetry.semconv import values
from pilothouse.telemetry.semconv.draft import CONTENT, OPENINFERENCE, Draft, Rule, numbered
from pilothouse.telemetry.semconv.messages import completion, messages, tool_call, tools

__all__ = ["KINDS", "RULES", "TREES", "conversation", "documents", "offered", "texts"]

KINDS = {
    "LLM": "llm",
    "EMBEDDING": "embeddings",
    "CHAIN": "chain",
    "RETRIEVER": "retrieval",
    "RERANKER": "reranker",
    "TOOL": "tool",
    "AGENT": "agent",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluation",
    "PROMPT": "chain",
}
"""What kind of step `openinference.span.kind` says."""

RULES = {
    "openinference.span.kind": Rule("openinference.kind", 0, values.as_label, OPENINFERENCE),
    "llm.model_name": Rule("model", 3, values.as_label, OPENINFERENCE),
    "llm.request.model_name": Rule("model", 2, values.as_label, OPENINFERENCE),
    "llm.response.model_name": Rule("model_answered", 2, values.as_label, OPENINFERENCE),
    "embedding.model_name": Rule("model", 3, values.as_label, OPENINFERENCE),
    "reranker.model_name": Rule("model", 3, values.as_label, OPENINFERENCE),
    "llm.provider": Rule("provider", 2, values.as_label),
    "llm.system": Rule("provider", 3, values.as_label),
    "llm.finish_reason": Rule("finish_reasons", 2, values.as_labels),
    "llm.token_count.prompt": Rule("input_tokens", 2, values.as_count, OPENINFERENCE),
    "llm.token_count.completion": Rule("output_tokens", 2, values.as_count, OPENINFERENCE),
    "llm.token_count.prompt_details.cache_read": Rule("cached_tokens", 2, values.as_count),
    "llm.token_count.completion_details.reasoning": Rule("reasoning_tokens", 2, values.as_count),
    "llm.cost.total": Rule("cost_usd", 0, values.as_number),
    "session.id": Rule("conversation_id", 1, values.as_label),
    "user.id": Rule("user", 0, values.as_label),
    "enduser.id": Rule("user", 1, values.as_label),
    "agent.name": Rule("agent", 1, values.as_label),
    "tool.name": Rule("tool", 1, values.as_label),
    "input.value": CONTENT,
    "output.value": CONTENT,
    "tool.parameters": CONTENT,
    "reranker.query": CONTENT,
    "embedding.text": CONTENT,
    "llm.invocation_parameters": CONTENT,
}
"""What each name means."""

TREES = dict.fromkeys(
    (
        "llm.input_messages",
        "llm.output_messages",
        "llm.choices",
        "llm.tools",
        "retrieval.documents",
        "reranker.input_documents",
        "reranker.output_documents",
        "embedding.embeddings",
    ),
    OPENINFERENCE,
)
"""The beginnings of numbered names."""


def conversation(draft: Draft) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the messages sent and the choices answered."""
    said = [made for each in draft.tree("llm.input_messages") for made in messages([_message(each, "user")])]
    answered = [_message(each, "assistant") for each in draft.tree("llm.output_messages")]
    if not answered:
        answered = [
            {"role": "assistant", "content": _inner(each, "completion").get("text")}
            for each in draft.tree("llm.choices")
        ]
    reasons = draft.fields.get("finish_reasons") or ()
    made = []
    for number, each in enumerate(answered):
        reason = reasons[number] if number < len(reasons) else None
        made.append(completion(messages([each])[0], reason, number))
    return said, made


def offered(draft: Draft) -> list[dict[str, Any]]:
    """Returns the tools that were offered to the model."""
    described = [_inner(each, "tool") for each in draft.tree("llm.tools")]
    return tools([_defined(each) for each in described])


def documents(draft: Draft, tree: str) -> list[dict[str, Any]]:
    """Returns the documents of a numbered tree."""
    found = []
    for each in draft.tree(tree):
        document = dict(_inner(each, "document"))
        if "metadata" in document:
            document["metadata"] = values.parsed(document["metadata"])
        found.append(document)
    return found


def texts(draft: Draft) -> tuple[list[Any], list[dict[str, Any]]]:
    """Returns the texts that were embedded, and of the vectors their lengths."""
    asked, answered = [], []
    for each in draft.tree("embedding.embeddings"):
        embedding = _inner(each, "embedding")
        if "text" in embedding:
            asked.append(embedding["text"])
        vector = values.parsed(embedding.get("vector"))
        if isinstance(vector, list):
            answered.append({"dimensions": len(vector)})
    return asked, answered


def _inner(value: Any, name: str) -> dict[str, Any]:
    """Returns `value[name]`, or the value itself where the inner name was left out."""
    inner = value.get(name, value) if isinstance(value, dict) else {"text": value, "content": value}
    return inner if isinstance(inner, dict) else {"text": inner, "content": inner}


def _defined(tool: dict[str, Any]) -> Any:
    schema = values.parsed(tool.get("json_schema"))
    if isinstance(schema, dict) and ("function" in schema or "name" in schema):
        return schema
    named = {name: tool[name] for name in ("name", "description") if name in tool}
    return {**named, "parameters": schema} if isinstance(schema, dict) else named or tool


def _message(value: Any, role: str) -> dict[str, Any]:
    inner = _inner(value, "message")
    if len(inner) == 2 and "role" in inner and "content" in inner:  # noqa: PLR2004 - as most are
        return inner
    said = dict(inner)
    made: dict[str, Any] = {"role": said.pop("role", role), "content": said.pop("content", None)}
    parts = list(_parts(said.pop("contents", None), made))
    if parts:
        made["content"] = parts if made["content"] is None else [made["content"], *parts]
    calls = [_call(each) for each in numbered(said.pop("tool_calls", None))]
    name = said.pop("function_call_name", None)
    if name is not None:
        calls.append(tool_call(None, name, said.pop("function_call_arguments_json", None)))
    if calls:
        made["tool_calls"] = [*made.get("tool_calls", []), *calls]
    made.update(said)
    return made


def _call(value: Any) -> dict[str, Any]:
    call = _inner(value, "tool_call")
    function = call.get("function")
    if not isinstance(function, dict):
        return call
    return tool_call(call.get("id"), function.get("name"), function.get("arguments"))


def _parts(value: Any, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the parts of a message's content; puts its thoughts and calls where they belong."""
    for each in numbered(value):
        part = _inner(each, "message_content")
        kind = part.get("type")
        if kind == "reasoning":
            before = message.get("reasoning_content")
            thought = values.as_text(part.get("text", ""))
            message["reasoning_content"] = thought if before is None else f"{before}\n{thought}"
        elif kind == "tool_use" and "tool_call" in part:
            message.setdefault("tool_calls", []).append(_call(part))
        elif kind == "image":
            image = _inner(part.get("image"), "image")
            yield {"type": "image_url", "image_url": {"url": values.as_text(image.get("url", image))}}
        else:
            yield part
