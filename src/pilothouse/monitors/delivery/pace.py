"""When a delivery that failed is tried again, and when it is given up.

Refuses to know clocks and receivers. Invariant: pauses double up to half an hour, each a little different, so
that receivers that come back are not met by everything at once.
"""

from hashlib import sha256

__all__ = ["GIVE_UP_MS", "next_try_ms"]

FIRST_PAUSE_MS = 5_000
LONGEST_PAUSE_MS = 1_800_000
GIVE_UP_MS = 86_400_000
"""A day: after it, whoever needs to know has read it in the console, or never will here."""
JITTER = 0.25
MOST_DOUBLINGS = 16


def next_try_ms(
    delivery_id: str, *, attempts: int, created_at_ms: int, now_ms: int, retry_after_s: float | None = None
) -> int | None:
    """Returns when to try again, `None` when to give up.

    Args:
        delivery_id: Whose try: it decides about the jitter, up to a quarter more.
        attempts: Tries made so far.
        created_at_ms: When it was to be told first.
        now_ms: The time.
        retry_after_s: What the receiver asked for.
    """
    pause_ms = min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** min(max(0, attempts - 1), MOST_DOUBLINGS))
    chance = int.from_bytes(sha256(f"{delivery_id}:{attempts}".encode()).digest()[:4]) / 2**32
    pause_ms = int(pause_ms * (1 + JITTER * chance))
    if retry_after_s is not None:
        pause_ms = max(pause_ms, min(LONGEST_PAUSE_MS, int(retry_after_s * 1000)))
    at_ms = now_ms + pause_ms
    return None if at_ms > created_at_ms + GIVE_UP_MS else at_ms
