"""What an upstream's refusal means for the deployment, a retry and a fallback."""

import pytest

from pilothouse.contracts.errors import InvalidRequestError, RateLimitedError, UpstreamError
from pilothouse.gateway.routing.faults import refusal


@pytest.mark.parametrize(
    ("status", "kind", "blame", "is_retryable"),
    [
        (400, None, "unknown", False),
        (404, None, "unknown", False),
        (422, None, "unknown", False),
        (408, "outage", "unknown", True),
        (409, "outage", "unknown", True),
        (429, "rate_limit", "limited", True),
        (500, "outage", "failed", True),
        (501, None, "unknown", False),
        (502, "outage", "failed", True),
        (503, "outage", "failed", True),
        (504, "outage", "failed", True),
        (529, "outage", "failed", True),
        (401, "outage", "failed", True),
    ],
)
def test_statuses(status: int, kind: str | None, blame: str, is_retryable: bool) -> None:  # noqa: FBT001 - a parameter
    fault = refusal(status, UpstreamError("no"))
    assert (fault.kind, fault.blame, fault.is_retryable) == (kind, blame, is_retryable)
    assert fault.is_elsewhere is (status == 401)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("context_length_exceeded", "", "context_length"),
        (None, "This model's maximum context length is 8192 tokens.", "context_length"),
        (None, "the request exceeds the available context size. try increasing it", "context_length"),
        (None, "prompt is too long: 210000 tokens > 200000 maximum", "context_length"),
        ("content_filter", "", "content_filter"),
        ("content_policy_violation", "", "content_filter"),
        (None, "The response was filtered due to Azure's content management policy", "content_filter"),
        (None, "temperature must be at most 2", None),
    ],
)
def test_words_of_vendors(code: str | None, message: str, kind: str | None) -> None:
    fault = refusal(400, InvalidRequestError(message, code=code))
    assert (fault.kind, fault.blame, fault.is_retryable) == (kind, "unknown", False)


def test_a_429_that_speaks_of_context_is_still_a_rate_limit() -> None:
    fault = refusal(429, RateLimitedError("Rate limit reached; shorten your context window usage"))
    assert fault.kind == "rate_limit"
