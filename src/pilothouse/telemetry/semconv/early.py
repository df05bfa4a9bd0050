"""The GenAI conventions up to 1.36: `gen_ai.system`, messages as events, and still older names.

https://github.com/open-telemetry/semantic-conventions/tree/v1.36.0/docs/gen-ai. The events come on spans
(their content as attributes, or as JSON in `gen_ai.event.content`) or as log records (as the body).

Refuses to know later names. Invariant: an event becomes one message or one choice, whatever form it has.
"""

from collections.abc import Mapping
from typing import Any

from pilothouse.telemetry.semconv import values
from pilothouse.telemetry.semconv.draft import CONTENT, EARLY, Draft, Rule
from pilothouse.telemetry.semconv.messages import choices, completion, messages

__all__ = ["EVENT_ROLES", "RULES", "choice", "conversation", "turn"]

EVENT_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
"""Whose message an event carries."""

_HELD = CONTENT._replace(convention=EARLY)

RULES = {
    "gen_ai.system": Rule("provider", 1, values.as_label, EARLY),
    "gen_ai.usage.prompt_tokens": Rule("input_tokens", 1, values.as_count, EARLY),
    "gen_ai.usage.completion_tokens": Rule("output_tokens", 1, values.as_count, EARLY),
    "gen_ai.response.finish_reason": Rule("finish_reasons", 1, values.as_labels, EARLY),
    "gen_ai.prompt": _HELD,
    "gen_ai.completion": _HELD,
}
"""What each name means."""


def turn(name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the message of an event."""
    said = _body(body)
    message = {key: said[key] for key in ("content", "tool_calls", "name") if said.get(key) is not None}
    message["role"] = str(said.get("role", EVENT_ROLES[name]))
    if message["role"] == "tool":
        message["tool_call_id"] = said.get("id", said.get("tool_call_id"))
    return messages([message])[0]


def choice(body: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Returns the choice of an event."""
    said = _body(body)
    inner = values.parsed(said.get("message"))
    if not isinstance(inner, dict):
        content = said.get("content") if inner is None else inner
        inner = {"content": content, "tool_calls": said.get("tool_calls")}
    made = {key: each for key, each in inner.items() if each is not None}
    if "tool_calls" not in made and said.get("tool_calls") is not None:
        made["tool_calls"] = said["tool_calls"]
    made.setdefault("role", "assistant")
    index = values.as_count(said.get("index"))
    reason = values.as_label(said.get("finish_reason"))
    return completion(messages([made])[0], reason, number if index is None else index)


def conversation(draft: Draft) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the messages sent and the choices answered."""
    if draft.turns or draft.answers:
        return draft.turns, draft.answers
    return messages(draft.take("gen_ai.prompt")), choices(draft.take("gen_ai.completion"))


def _body(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns what an event says: its attributes, and what its content spells."""
    spelled = values.parsed(body.get("gen_ai.event.content"))
    if isinstance(spelled, dict):
        return {**body, **spelled}
    return body if spelled is None else {**body, "content": spelled}
