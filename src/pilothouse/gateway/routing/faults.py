"""What went wrong with an attempt, and what that means: for the deployment, for a retry, for a fallback.

Refuses to know who called and how the error is shown. Invariant: a fault of the caller (400, 404, 422 …) is
neither retried nor blamed on a deployment.
"""

from typing import Literal

from pilothouse.contracts.errors import ApiError
from pilothouse.contracts.traffic import ErrorKind

Blame = Literal["failed", "limited", "unknown"]
"""failed: counts against the deployment. limited: closes it for a while. unknown: says nothing about it."""

NOT_IMPLEMENTED = 501
SERVER_ERRORS = 500
RATE_LIMITED = 429
PASSING = frozenset((408, 409, 425))
"""Refusals that may be gone a moment later, and say nothing about the deployment's health."""
CREDENTIALS = frozenset((401, 402, 403))
"""The provider refuses us, not the caller: others may still answer."""
CONTEXT_CODES = frozenset(("context_length_exceeded", "string_above_max_length", "exceed_context_size_error"))
FILTER_CODES = frozenset(
    ("content_filter", "content_policy_violation", "responsibleaipolicyviolation", "content_filtered")
)
CONTEXT_WORDS = (
    "maximum context length",
    "context length",
    "context window",
    "context size",
    "prompt is too long",
    "input is too long",
    "too many input tokens",
    "exceeds the maximum number of tokens",
    "input token count",
)
FILTER_WORDS = (
    "content management policy",
    "content policy",
    "content filter",
    "usage policies",
    "safety system",
    "flagged as potentially violating",
    "was flagged",
)


class Fault:
    """One attempt's end, when it was not an answer."""

    __slots__ = ("blame", "error", "is_elsewhere", "is_retryable", "is_unsent", "kind", "message", "status")

    def __init__(
        self,
        error: ApiError,
        *,
        kind: ErrorKind | None = "outage",
        blame: Blame = "failed",
        status: int | None = None,
        message: str | None = None,
        is_retryable: bool = True,
        is_elsewhere: bool = False,
        is_unsent: bool = False,
    ) -> None:
        self.error = error
        self.kind: ErrorKind | None = kind
        """Which list of fallbacks it calls for; `None` for a fault of the caller."""
        self.blame: Blame = blame
        self.status = status
        """The upstream's HTTP status, if there was one."""
        self.message = message
        """Our own words, where the error's message holds an upstream's."""
        self.is_retryable = is_retryable
        self.is_elsewhere = is_elsewhere
        """A retry makes sense only at another deployment."""
        self.is_unsent = is_unsent
        """Nothing had been sent, so trying elsewhere costs nobody anything."""


def refusal(status: int, error: ApiError, said: str | None = None) -> Fault:
    """Returns what an upstream's refusal means.

    Args:
        status: The upstream's HTTP status.
        error: The error as the caller would be shown it.
        said: What the upstream said in its own words, where the error does not hold it.
    """
    message = f"the provider answered {status}"
    kind = spoken_kind(error.code, said or error.message)
    if kind is not None and status < SERVER_ERRORS and status != RATE_LIMITED:
        return Fault(error, kind=kind, blame="unknown", status=status, message=message, is_retryable=False)
    if status == RATE_LIMITED:
        return Fault(error, kind="rate_limit", blame="limited", status=status, message=message)
    if status in CREDENTIALS:
        return Fault(error, status=status, message=message, is_elsewhere=True)
    if status >= SERVER_ERRORS and status != NOT_IMPLEMENTED:
        return Fault(error, status=status, message=message)
    is_passing = status in PASSING
    return Fault(
        error,
        kind="outage" if is_passing else None,
        blame="unknown",
        status=status,
        message=message,
        is_retryable=is_passing,
    )


def spoken_kind(code: str | None, message: str) -> ErrorKind | None:
    """Returns `context_length` or `content_filter` when that is what an error's code or words say."""
    lowered = (code or "").lower()
    if lowered in CONTEXT_CODES:
        return "context_length"
    if lowered in FILTER_CODES:
        return "content_filter"
    words = message.lower()
    if any(phrase in words for phrase in CONTEXT_WORDS):
        return "context_length"
    if any(phrase in words for phrase in FILTER_WORDS):
        return "content_filter"
    return None
