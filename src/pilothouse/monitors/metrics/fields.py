"""What an expression can speak of: the fields of a call, each with its type, and the words of it.

Refuses to know expressions. Invariant: a field's value has its type or is `None`; words are there only while
a call is evaluated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from pilothouse.contracts.events import RequestCompleted

__all__ = ["CONTENT", "FIELDS", "Field", "Kind", "Scope", "Value", "words_of"]

Kind = Literal["number", "text", "boolean"]
Value = float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class Scope:
    """One call, while it is evaluated."""

    call: RequestCompleted
    question: str | None = None
    """The last user message's text."""
    answer: str | None = None
    """The first choice's text."""
    body: str | None = None
    """The answer's whole JSON."""


@dataclass(frozen=True, slots=True)
class Field:
    """A name that an expression can use."""

    kind: Kind
    read: Callable[[Scope], Any]


def _of_call(kind: Kind, path: str) -> Field:
    read = attrgetter(path)
    return Field(kind, lambda scope: read(scope.call))


NUMBERS = (
    "status", "duration_ms", "queue_ms", "first_token_ms", "last_token_ms", "tokens_per_second",
    "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_usd", "saved_usd",
    "logprob_mean", "logprob_min", "logprob_entropy", "request_bytes", "response_bytes",
)  # fmt: skip
TEXTS = (
    "operation", "outcome", "model", "model_answered", "provider", "deployment", "key_id", "team",
    "error_type", "error_code", "dialect", "cache", "experiment", "arm", "priority", "conversation_id",
)  # fmt: skip
PARAMETERS = ("temperature", "top_p", "max_tokens", "message_count", "tool_count")
CONTENT = frozenset(("question", "answer", "body"))
"""Fields that need what was written: it is unsealed in memory, for this only."""

FIELDS: Mapping[str, Field] = MappingProxyType(
    {name: _of_call("number", name) for name in NUMBERS}
    | {name: _of_call("text", name) for name in TEXTS}
    | {name: _of_call("number", f"parameters.{name}") for name in PARAMETERS}
    | {
        "is_stream": _of_call("boolean", "is_stream"),
        "attempts": Field("number", lambda scope: len(scope.call.attempts)),
        "finish_reason": Field("text", lambda scope: next(iter(scope.call.finish_reasons), None)),
        "question": Field("text", lambda scope: scope.question),
        "answer": Field("text", lambda scope: scope.answer),
        "body": Field("text", lambda scope: scope.body),
    }
)


def words_of(request: bytes | None, response: bytes | None) -> tuple[str | None, str | None, str | None]:
    """Returns a call's question, its answer and the answer's JSON; what is not there is `None`."""
    asked, answered = _decoded(request), _decoded(response)
    body = None if response is None else response.decode(errors="replace")
    return _question(asked), _answer(answered), body


def _decoded(body: bytes | None) -> Any:
    try:
        return None if body is None else msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _question(asked: Any) -> str | None:
    if not isinstance(asked, dict):
        return None
    messages = asked.get("messages")
    if not isinstance(messages, list):
        return _text(asked.get("prompt"))
    users = [one for one in messages if isinstance(one, dict) and one.get("role") == "user"]
    return _text(users[-1].get("content")) if users else None


def _answer(answered: Any) -> str | None:
    choices = answered.get("choices") if isinstance(answered, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return None
    message = choices[0].get("message")
    return _text(message.get("content")) if isinstance(message, dict) else _text(choices[0].get("text"))


def _text(content: Any) -> str | None:
    """Returns a message's text: as it is, or its parts' texts together."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "\n".join(texts) if texts else None
