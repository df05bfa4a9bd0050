"""What counts as an error, a client's error, a latency: one definition for every question.

Refuses to know the questions. Invariant: each call is in exactly one status class.
"""

from typing import Literal

__all__ = [
    "CLIENT_ERROR",
    "MEASURED",
    "OK",
    "SERVED",
    "SERVER_ERROR",
    "STATUS_CLASSES",
    "UNPRICED",
    "UPSTREAM",
    "StatusClass",
]

StatusClass = Literal["ok", "client_error", "server_error"]

SERVER_ERROR = "(status >= 500 OR outcome IN ('failed', 'cut'))"
"""Ours or the upstream's fault, a stream that broke off midway included."""
CLIENT_ERROR = f"(status BETWEEN 400 AND 499 AND NOT {SERVER_ERROR})"
"""The caller's: a wrong key, a wrong request, a limit; also one that hung up before an answer."""
OK = f"NOT ({SERVER_ERROR} OR {CLIENT_ERROR})"
STATUS_CLASSES: dict[StatusClass, str] = {
    "ok": OK,
    "client_error": CLIENT_ERROR,
    "server_error": SERVER_ERROR,
}
SERVED = "shadow_of IS NULL"
"""Calls that somebody made. A shadow is a copy of one, which nobody waits for: it is counted apart."""
UPSTREAM = "cache IS NULL"
"""Calls that went to a deployment. A cached answer is quick and free and would flatter latencies, and its
tokens were made before."""
MEASURED = f"(outcome = 'completed' AND status < 400 AND {UPSTREAM})"
"""Calls whose times are latencies: refusals are quick and would flatter them, as cached answers would."""
UNPRICED = f"(cost_usd IS NULL AND {OK})"
"""Calls that may have cost something, at a price that is not known."""
