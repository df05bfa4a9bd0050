"""What a caller is told of its limits: the `x-ratelimit-*` headers, and the errors of calls not let in.

The names and durations are OpenAI's (`6m0s`, `120ms`), and Anthropic's for its dialect. Refuses to know how
anything is counted. Invariant: an error names the limit, whose it is, and when to come back.
"""

from datetime import UTC, datetime
from math import ceil

from pilothouse.contracts.errors import ApiError, RateLimitedError
from pilothouse.contracts.events import ClientDialect
from pilothouse.gateway.limits.gate import NANO, Gate, Refusal, Standing

OPENAI_REQUESTS = (
    b"x-ratelimit-limit-requests: %d\r\n"
    b"x-ratelimit-remaining-requests: %d\r\n"
    b"x-ratelimit-reset-requests: %b\r\n"
)
OPENAI_TOKENS = OPENAI_REQUESTS.replace(b"requests", b"tokens")
ANTHROPIC_REQUESTS = (
    b"anthropic-ratelimit-requests-limit: %d\r\n"
    b"anthropic-ratelimit-requests-remaining: %d\r\n"
    b"anthropic-ratelimit-requests-reset: %b\r\n"
)
ANTHROPIC_TOKENS = ANTHROPIC_REQUESTS.replace(b"requests", b"tokens")
OVER_LIMIT = "rate_limit_exceeded"
OVER_BUDGET = "insufficient_quota"


def header_lines(standing: Standing, dialect: ClientDialect, reset: bytes) -> bytes:
    """Returns the header lines that say what is left; none for limits the caller does not have.

    Args:
        standing: What is left.
        dialect: What the client speaks.
        reset: When all is left again, as `reset_text` writes it.
    """
    is_anthropic = dialect == "anthropic"
    said = b""
    if standing.requests_limit >= 0:
        lines = ANTHROPIC_REQUESTS if is_anthropic else OPENAI_REQUESTS
        said = lines % (standing.requests_limit, standing.requests_left, reset)
    if standing.tokens_limit >= 0:
        lines = ANTHROPIC_TOKENS if is_anthropic else OPENAI_TOKENS
        said += lines % (standing.tokens_limit, standing.tokens_left, reset)
    return said


def reset_text(dialect: ClientDialect, reset_s: float, now_ns: int) -> bytes:
    """Returns when all is left again: for OpenAI's clients after how long, for Anthropic's at what moment."""
    return _moment(reset_s, now_ns) if dialect == "anthropic" else duration(reset_s)


def duration(seconds: float) -> bytes:
    """Returns a duration as OpenAI writes it: `120ms`, `8.64s`, `6m0s`, `1h0m0s`; never too short."""
    ms = ceil(seconds * 1000)
    if ms < 1000:  # noqa: PLR2004 - milliseconds of a second
        return b"%dms" % max(0, ms)
    if ms < 60_000:  # noqa: PLR2004 - milliseconds of a minute
        return f"{ms / 1000:g}s".encode()
    whole = ceil(ms / 1000)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return b"%dh%dm%ds" % (hours, minutes, left) if hours else b"%dm%ds" % (minutes, left)


def _moment(reset_s: float, now_ns: int) -> bytes:
    moment = datetime.fromtimestamp(ceil(now_ns / NANO + reset_s), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def error_of(refusal: Refusal) -> ApiError:
    """Returns what a call is answered that was not let in."""
    wait_s = refusal.wait_s
    code = OVER_BUDGET if refusal.kind in ("day", "month") else OVER_LIMIT
    return RateLimitedError(
        f"{_owner(refusal.gate)} {_said(refusal)}",
        hint=_hint(refusal),
        code=code,
        retry_after_s=ceil(wait_s) if wait_s > 0 else None,
    )


def _owner(gate: Gate) -> str:
    return f"The {gate.scope} {gate.name!r}"


def _said(refusal: Refusal) -> str:
    limit, used = refusal.limit, refusal.used
    if refusal.kind == "requests":
        return f"has made its {limit} requests of this minute."
    if refusal.kind == "tokens":
        return f"may use {limit} tokens a minute: {used} are used, and this call may need {refusal.asked}."
    if refusal.kind == "concurrency":
        return f"may have {limit} calls under way at once, and has {used}."
    spent, budget = used / NANO, limit / NANO
    return f"has spent ${spent:.2f} of its budget of ${budget:.2f} a {refusal.kind} (UTC)."


def _hint(refusal: Refusal) -> str:
    if refusal.wait_s <= 0:
        if refusal.kind == "tokens":
            return "It can never pass: send less, or ask for fewer tokens with `max_tokens`."
        return "It lets nothing through: ask the operator for a higher limit."
    if refusal.kind == "concurrency":
        return "Wait for one of them to end, or ask the operator for a higher limit."
    when = duration(refusal.wait_s).decode()
    if refusal.kind in ("day", "month"):
        return f"The budget is whole again in {when}; the operator can raise it."
    return f"Try again in {when}, or ask the operator for a higher limit."
