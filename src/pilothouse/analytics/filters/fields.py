"""The fields that a filter can name, and where each stands in the tables of calls and spans.

Refuses to know text and parameters. Invariant: every SQL fragment here is our own; a field that a table does
not have is `None` there, and no row of that table passes a comparison with it.
"""

from dataclasses import dataclass
from typing import Literal

from pilothouse.analytics.filters.quantities import Unit

__all__ = ["CALL_ERROR", "CALL_KIND", "FIELDS", "SCORE_PREFIX", "Field", "Kind", "field_of"]

Kind = Literal["text", "number", "time", "boolean", "choice", "key", "content", "feedback", "score"]

SCORE_PREFIX = "score."
CALL_ERROR = "(status >= 400 OR outcome IN ('failed', 'cut'))"
CALL_KIND = "CASE operation WHEN 'embeddings' THEN 'embeddings' ELSE 'llm' END"


@dataclass(frozen=True, slots=True)
class Field:
    """One field."""

    name: str
    kind: Kind
    description: str
    calls: str | None = None
    """Its expression over the table of calls …"""
    spans: str | None = None
    """… and over that of spans."""
    unit: Unit = "plain"
    choices: tuple[str, ...] = ()


_OUTCOMES = ("completed", "refused", "failed", "cancelled", "cut")
_KINDS = (
    "llm", "embeddings", "agent", "tool", "retrieval", "reranker", "chain", "guardrail", "evaluation",
    "other",
)  # fmt: skip
_ALL = (
    Field("model", "text", "The model that was asked for.", "model", "model"),
    Field("model_answered", "text", "The name in the answer.", "model_answered", "model_answered"),
    Field("provider", "text", "Who answered: a vendor, or an engine of ours.", "provider", "provider"),
    Field("deployment", "text", "The deployment that answered.", "deployment", None),
    Field("key", "key", "The API key, by name or id.", "key_id", "key_id"),
    Field("team", "text", "The key's team.", "team", "team"),
    Field("status", "number", "The HTTP status of a call.", "status", None),
    Field(
        "outcome", "choice", "How it ended.", "outcome",
        "CASE status WHEN 'error' THEN 'failed' ELSE 'completed' END", choices=_OUTCOMES,
    ),
    Field("error", "boolean", "Whether it failed or was refused.", CALL_ERROR, "(status = 'error')"),
    Field("error_code", "text", "What went wrong.", "coalesce(error_code, error_type)", "error_type"),
    Field("kind", "choice", "The kind of step.", CALL_KIND, "kind", choices=_KINDS),
    Field("name", "text", "A span's name; of a call its operation.", "operation", "name"),
    Field("operation", "text", "chat, text_completion, embeddings, execute_tool …", "operation", "operation"),
    Field("service", "text", "The application that sent the span.", None, "service"),
    Field("agent", "text", "The agent's name.", None, "agent"),
    Field("tool", "text", "The tool's name.", None, "tool"),
    Field("conversation", "text", "The conversation's id.", "conversation_id", "conversation_id"),
    Field("latency_ms", "number", "How long it took.", "duration_ms", "duration_ms", "ms"),
    Field("first_token_ms", "number", "Time to the first token.", "first_token_ms", "first_token_ms", "ms"),
    Field(
        "tokens", "number", "Input and output tokens together.",
        "coalesce(input_tokens, 0) + coalesce(output_tokens, 0)",
        "coalesce(input_tokens, 0) + coalesce(output_tokens, 0)", "tokens",
    ),
    Field("input_tokens", "number", "Tokens that went in.", "input_tokens", "input_tokens", "tokens"),
    Field("output_tokens", "number", "Tokens that came out.", "output_tokens", "output_tokens", "tokens"),
    Field("cost_usd", "number", "What it cost, where the price is known.", "cost_usd", "cost_usd", "usd"),
    Field(
        "cache", "choice", "How it was answered without an upstream.", "cache", None,
        choices=("exact", "semantic", "coalesced"),
    ),
    Field(
        "dialect", "choice", "The protocol that the client spoke.", "dialect", None,
        choices=("openai", "responses", "anthropic"),
    ),
    Field("experiment", "text", "The experiment it took part in.", "experiment", None),
    Field("arm", "text", "The arm of the experiment.", "arm", None),
    Field("purpose", "text", "What it was for.", "purpose", None),
    Field("stream", "boolean", "Whether the answer was streamed.", "is_stream", None),
    Field("shadow", "boolean", "Whether it is a copy of a call.", "(shadow_of IS NOT NULL)", None),
    Field("has_content", "boolean", "Whether its words are on record.", "has_content", "has_content"),
    Field("feedback", "feedback", "What people said of it.", "call_id", "span_id", choices=("up", "down")),
    Field("text", "content", "What was asked and answered.", "call_id", "span_id"),
    Field("trace", "text", "The trace's id.", "coalesce(trace_id, call_id)", "trace_id"),
    Field("request_id", "text", "The call's x-request-id.", "request_id", "request_id"),
    Field("time", "time", "When it began.", "at_ns", "at_ns"),
)  # fmt: skip
FIELDS: dict[str, Field] = {field.name: field for field in _ALL}
_SCORE = Field(f"{SCORE_PREFIX}<name>", "score", "A score by name.", "call_id", "span_id")


def field_of(name: str) -> Field | None:
    """Returns the field called `name`, in any case; `score.<name>` is one for each name."""
    if name.lower().startswith(SCORE_PREFIX) and len(name) > len(SCORE_PREFIX):
        return _SCORE
    return FIELDS.get(name.lower())
