"""What counts as an error, a client's error, a latency: one definition for roll-ups and for every question.

Refuses to know the questions. Invariant: each call is in exactly one of `OK`, `CLIENT_ERROR` and
`SERVER_ERROR`, and each server error is either a provider's or ours.
"""

__all__ = [
    "CLIENT_ERROR",
    "GUARDRAIL_BLOCK",
    "MEASURED",
    "OK",
    "OUR_ERROR",
    "PROVIDER_ERROR",
    "SERVED",
    "SERVER_ERROR",
    "UNPRICED",
    "UPSTREAM",
]

SERVER_ERROR = "(status >= 500 OR outcome IN ('failed', 'cut'))"
"""Ours or the upstream's fault, a stream that broke off midway included."""
PROVIDER_ERROR = f"({SERVER_ERROR} AND coalesce(error_type, '') = 'upstream_error')"
"""The upstream's fault: it refused, reset, cut, was late or answered what is no answer."""
OUR_ERROR = f"({SERVER_ERROR} AND coalesce(error_type, '') <> 'upstream_error')"
CLIENT_ERROR = f"(status BETWEEN 400 AND 499 AND NOT {SERVER_ERROR})"
"""The caller's: a wrong key, a wrong request, a limit; also one that hung up before an answer."""
GUARDRAIL_BLOCK = f"({CLIENT_ERROR} AND coalesce(error_code, '') LIKE 'guardrail%')"
"""Stopped by a check; one of the client's errors."""
OK = f"NOT ({SERVER_ERROR} OR {CLIENT_ERROR})"
SERVED = "shadow_of IS NULL"
"""Calls that somebody made. A shadow is a copy of one, which nobody waits for: it is counted apart."""
UPSTREAM = "cache IS NULL"
"""Calls that went to a deployment. A cached answer is quick and free and would flatter latencies, and its
tokens were made before."""
MEASURED = f"(outcome = 'completed' AND status < 400 AND {UPSTREAM})"
"""Calls whose times are latencies: refusals are quick and would flatter them, as cached answers would."""
UNPRICED = f"(cost_usd IS NULL AND {OK})"
"""Calls that may have cost something, at a price that is not known."""
