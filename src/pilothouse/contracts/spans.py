"""The span model: one step of an application's work, whatever convention its sender speaks.

All generations of the GenAI conventions and OpenInference fold into this; so do the gateway's own calls when
a trace is shown. Refuses to know any convention's names. Invariant: what a person or a model wrote is in
`SpanContent` only, which is sealed before it reaches a file.
"""

from typing import Any, Literal

import msgspec

__all__ = ["Evaluation", "Span", "SpanContent", "SpanKind", "SpanStatus"]

SpanKind = Literal[
    "llm", "embeddings", "agent", "tool", "retrieval", "reranker", "chain", "guardrail", "evaluation", "other"
]
SpanStatus = Literal["unset", "ok", "error"]


class Span(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of one span in clear."""

    trace_id: str
    """32 hex characters."""
    span_id: str
    """16 hex characters."""
    at_ns: int
    """Unix nanoseconds when it began; a time far in the future is set to when it was received."""
    name: str
    parent_span_id: str | None = None
    duration_ms: float = 0.0
    kind: SpanKind = "other"
    """What kind of step it is, as we tell them apart."""
    operation: str | None = None
    """The operation, as the conventions name it, sent so or meant by the other conventions' words."""
    status: SpanStatus = "unset"
    error_type: str | None = None
    service: str | None = None
    """`service.name` of the resource."""
    scope: str | None = None
    """The instrumentation's name."""
    convention: str | None = None
    """What the sender spoke: `genai-1.36`, `genai-1.37`, `genai`, `openinference`, or `None`."""
    provider: str | None = None
    model: str | None = None
    model_answered: str | None = None
    agent: str | None = None
    tool: str | None = None
    conversation_id: str | None = None
    subject: str | None = None
    """Under whose key the content is sealed: the pseudonym of the user named, else the sender's key id."""
    key_id: str | None = None
    team: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    """As the sender says."""
    first_token_ms: float | None = None
    finish_reasons: tuple[str, ...] = ()
    request_id: str | None = None
    """The answer's id, where the sender gives it: it may name a call of ours."""
    attributes: dict[str, Any] = {}
    """The further attributes that hold nothing a person wrote (a list of names allowed, not forbidden)."""


class SpanContent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What people and models wrote in one span: `Content.request`, `.response` and `.attributes` as JSON."""

    request: Any = None
    """Of a model's call `{"messages": […], "tools": […]}` in OpenAI's shape; of a tool its arguments; of a
    retrieval `{"query": …}`; of a chain or an agent its input."""
    response: Any = None
    """`{"choices": [{"message": …, "finish_reason": …}]}`, a tool's result, `{"documents": [{"id": …,
    "content": …, "score": …}]}`, or an output."""
    attributes: dict[str, Any] = {}
    """All further attributes and events of the span, by name, and the error's message."""


class Evaluation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A score that an application gave a span."""

    trace_id: str
    at_ns: int
    name: str
    span_id: str | None = None
    value: float | None = None
    label: str | None = None
    explanation: str | None = None
    """Content: sealed."""
    request_id: str | None = None
