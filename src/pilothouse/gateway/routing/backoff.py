"""How long a deployment is left in peace before it is tried again: exponential back-off with full jitter.

Follows "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). Refuses to know the reason. Invariant:
the wait is drawn between 0 and the back-off, which doubles up to the cap.
"""

from pilothouse.contracts.traffic import Retries

MOST_DOUBLINGS = 32


def backoff_s(policy: Retries, retries: int, drawn: float) -> float:
    """Returns the wait before the next retry, in seconds.

    Args:
        policy: The model's.
        retries: How many were made before.
        drawn: A random number from 0 to 1.
    """
    longest_ms = min(policy.cap_ms, policy.base_ms << min(retries, MOST_DOUBLINGS))
    return drawn * longest_ms / 1000
