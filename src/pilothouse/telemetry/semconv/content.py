"""What was asked and what was answered in one span, composed from whichever convention said it.

Refuses to know numbers and times. Invariant: content is taken out of the draft by its meaning; what stays
there is kept under its own name.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from pilothouse.telemetry.semconv import early, genai, openinference, openllmetry, values
from pilothouse.telemetry.semconv.draft import Draft
from pilothouse.telemetry.semconv.messages import choices, completion, messages

__all__ = ["compose"]

Composed = tuple[Any, Any]
Reader = Callable[[Draft], tuple[list[dict[str, Any]], list[dict[str, Any]]]]

_decode = msgspec.json.Decoder().decode

INPUTS = ("traceloop.entity.input", "input.value")
OUTPUTS = ("traceloop.entity.output", "output.value")


def compose(draft: Draft, kind: str) -> Composed:
    """Returns the request and the response of a span, each `None` where nothing was said."""
    if not draft.held and not draft.trees and not draft.turns and not draft.answers:
        return None, None
    if kind == "tool":
        return _tool(draft)
    if kind in ("retrieval", "reranker"):
        return _documents(draft)
    if kind == "embeddings":
        return _embeddings(draft)
    return _conversation(draft, is_model=kind == "llm")


def _conversation(draft: Draft, *, is_model: bool) -> Composed:
    said: list[dict[str, Any]] = []
    answered: list[dict[str, Any]] = []
    for read in _readers(draft):
        asked, made = read(draft)
        said, answered = said or asked, _with_calls(answered, made) if answered else made
    offered = genai.offered(draft)
    if draft.trees and not offered:
        offered = openinference.offered(draft) or openllmetry.offered(draft)
    request: Any = {"messages": said} if said else _asked(draft, is_model=is_model)
    response: Any = {"choices": answered} if answered else _answered(draft, is_model=is_model)
    if offered:
        request = {**request, "tools": offered} if isinstance(request, dict) else {"tools": offered}
    return request, response


def _readers(draft: Draft) -> list[Reader]:
    """Returns those who may find messages; the one of the newest names first."""
    held = draft.held
    found: list[Reader] = []
    if any(name in held for name in genai.MESSAGES):
        found.append(genai.conversation)
    if draft.trees:
        found += (openinference.conversation, openllmetry.conversation)
    if draft.turns or draft.answers or "gen_ai.prompt" in held or "gen_ai.completion" in held:
        found.append(early.conversation)
    return found


def _with_calls(answered: list[dict[str, Any]], made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns choices with the tool calls that a sender gave under another convention's names only."""
    for choice, other in zip(answered, made, strict=False):
        calls = other["message"].get("tool_calls")
        if calls and not choice["message"].get("tool_calls"):
            choice["message"]["tool_calls"] = calls
    return answered


def _asked(draft: Draft, *, is_model: bool) -> Any:
    value = _spoken(draft, *INPUTS)
    if not is_model or value is None:
        return value
    if isinstance(value, dict):
        if not isinstance(value.get("messages"), list):
            return value
        kept = {name: value[name] for name in ("tools", "tool_choice", "response_format") if name in value}
        return {"messages": messages(value["messages"]), **kept}
    return {"messages": messages(value)}


def _answered(draft: Draft, *, is_model: bool) -> Any:
    value = _spoken(draft, *OUTPUTS)
    if not is_model or value is None or isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {"choices": choices(value)}
    return {"choices": [completion({"role": "assistant", "content": values.as_text(value)}, None, 0)]}


def _tool(draft: Draft) -> Composed:
    arguments = draft.take("gen_ai.tool.call.arguments")
    result = draft.take("gen_ai.tool.call.result")
    asked = _spoken(draft, *INPUTS, "tool.parameters") if arguments is None else values.parsed(arguments)
    return asked, _spoken(draft, *OUTPUTS) if result is None else values.parsed(result)


def _documents(draft: Draft) -> Composed:
    query = draft.take("gen_ai.retrieval.query.text", "gen_ai.memory.query.text", "reranker.query", *INPUTS)
    request = {} if query is None else {"query": values.parsed(query)}
    given = openinference.documents(draft, "reranker.input_documents")
    if given:
        request["documents"] = given
    found = values.parsed(draft.take("gen_ai.retrieval.documents", "gen_ai.memory.records"))
    if not isinstance(found, list):
        found = [] if found is None else [found]
    found += openinference.documents(draft, "retrieval.documents")
    found += openinference.documents(draft, "reranker.output_documents")
    if found:
        return request or None, {"documents": found}
    return request or None, _spoken(draft, *OUTPUTS)


def _embeddings(draft: Draft) -> Composed:
    asked, answered = openinference.texts(draft)
    one = draft.take("embedding.text")
    if one is not None:
        asked.append(one)
    if not asked:
        said, _ = openllmetry.conversation(draft)
        asked = [message.get("content") for message in said or messages(draft.take("gen_ai.input.messages"))]
    if asked:
        return {"input": asked}, {"embeddings": answered} if answered else None
    value = _spoken(draft, *INPUTS)
    return None if value is None else {"input": value}, {"embeddings": answered} if answered else None


def _spoken(draft: Draft, entity: str, *names: str) -> Any:
    """Returns an input or an output; that of an entity is JSON always, a bare text too."""
    value = draft.take(entity)
    if value is None:
        return values.parsed(draft.take(*names))
    if isinstance(value, str) and value[:1] == '"':
        try:
            return _decode(value)
        except ValueError:
            return value
    return None if value == "null" else values.parsed(value)
