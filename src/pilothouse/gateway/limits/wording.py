"""What a caller is told of its limits: the `x-ratelimit-*` headers, and the errors of calls not let in.

The names and durations are OpenAI's (`6m0s`, `120ms`), and Anthropic's for its dialect. Refuses to know how
anything is counted. Invariant: an error names the limit, whose it is, and when to come back.
"""

from datetime import UTC, datetime
from math import ceil

from pilothouse.contracts.errors import ApiError, RateLimitedError
from pilothouse.contracts.events import ClientDialect
from pilothouse.gateway.limits.gate import NANO, Gate, Refusal, Standing

OPENAI_LINES = b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\nx-ratelimit-reset-%b: %b\r\n"
ANTHROPIC_LINES = (
    b"anthropic-ratelimit-%b-limit: %d\r\nanthropic-ratelimit-%b-remaining: %d\r\n"
    b"anthropic-ratelimit-%b-reset: %b\r\n"
)
OVER_LIMIT = "rate_limit_exceeded"
OVER_BUDGET = "insufficient_quota"


def header_lines(standing: Standing, dialect: ClientDialect, *, reset_s: float, now_ns: int) -> bytes:
    """Returns the header lines that say what is left; none for limits the caller does not have."""
    if dialect == "anthropic":
        lines, reset = ANTHROPIC_LINES, _moment(reset_s, now_ns)
    else:
        lines, reset = OPENAI_LINES, duration(reset_s)
    said = b""
    if standing.requests_limit >= 0:
        of = b"requests"
        said = lines % (of, standing.requests_limit, of, standing.requests_left, of, reset)
    if standing.tokens_limit >= 0:
        of = b"tokens"
        said += lines % (of, standing.tokens_limit, of, standing.tokens_left, of, reset)
    return said


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
