"""What is added up of calls, and how it is read off a row of `calls`: sums and histograms.

Refuses to know who asks. Invariant: a sum over roll-ups and rows is the sum over the rows alone.
"""

from pilothouse.store.call_classes import (
    CLIENT_ERROR,
    GUARDRAIL_BLOCK,
    MEASURED,
    OUR_ERROR,
    PROVIDER_ERROR,
    UNPRICED,
    UPSTREAM,
)

__all__ = ["COUNTERS", "DIMENSIONS", "HISTOGRAMS"]

DIMENSIONS = ("operation", "model", "provider", "deployment", "key_id", "team")
"""What numbers can be told apart by."""


def _ones(condition: str) -> str:
    return f"CASE WHEN {condition} THEN 1 ELSE 0 END"


COUNTERS: dict[str, str] = {
    "calls": "1",
    "server_errors": _ones(OUR_ERROR),
    "provider_errors": _ones(PROVIDER_ERROR),
    "client_errors": _ones(CLIENT_ERROR),
    "guardrail_blocks": _ones(GUARDRAIL_BLOCK),
    "cut": _ones("outcome = 'cut'"),
    "streams": _ones("is_stream"),
    "cached": _ones(f"NOT {UPSTREAM}"),
    "input_tokens": f"CASE WHEN {UPSTREAM} THEN coalesce(input_tokens, 0) ELSE 0 END",
    "output_tokens": f"CASE WHEN {UPSTREAM} THEN coalesce(output_tokens, 0) ELSE 0 END",
    "cached_tokens": f"CASE WHEN {UPSTREAM} THEN coalesce(cached_tokens, 0) ELSE 0 END",
    "cost_usd": "cost_usd",
    "unpriced": _ones(UNPRICED),
    "saved_usd": "saved_usd",
}
"""Each sum, and a call's share of it. Of money, NULL where no price is known."""

HISTOGRAMS: dict[str, tuple[str, str]] = {
    "latency": ("duration_ms", MEASURED),
    "first_token": ("first_token_ms", f"{MEASURED} AND is_stream"),
    "token_time": (
        "(last_token_ms - first_token_ms) / (output_tokens - 1)",
        f"{MEASURED} AND is_stream AND output_tokens > 1 AND last_token_ms >= first_token_ms",
    ),
    "queue": ("queue_ms", MEASURED),
    "logprob_mean": ("logprob_mean", MEASURED),
    "logprob_min": ("logprob_min", MEASURED),
    "logprob_entropy": ("logprob_entropy", MEASURED),
}
"""Each histogram: the value of a call, in milliseconds or nats, and which calls have one."""
