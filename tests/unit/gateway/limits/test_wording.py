"""Headers and durations as OpenAI and Anthropic write them, errors that name the limit and its owner."""

import pytest

from pilothouse.contracts.traffic import Limits
from pilothouse.gateway.limits.cells import Cells
from pilothouse.gateway.limits.gate import NANO, Gate, Refusal, Standing
from pilothouse.gateway.limits.layout import file_bytes
from pilothouse.gateway.limits.wording import duration, error_of, header_lines, reset_text

GATE = Gate("team", "red", Limits(), Cells(memoryview(bytearray(file_bytes(1))), rows=1), 0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, b"0ms"),
        (0.1195, b"120ms"),
        (0.9999, b"1s"),
        (8.64, b"8.64s"),
        (59.999, b"59.999s"),
        (60, b"1m0s"),
        (60.4, b"1m1s"),
        (360, b"6m0s"),
        (3600, b"1h0m0s"),
        (90_061, b"25h1m1s"),
    ],
)
def test_durations_are_written_as_openai_writes_them(seconds: float, text: bytes) -> None:
    assert duration(seconds) == text


def test_only_limits_that_there_are_are_told() -> None:
    standing = Standing()
    assert header_lines(standing, "openai", b"1s") == b""
    standing.note_requests(100, 40)
    standing.note_requests(10, 9)  # the tightest is told
    assert header_lines(standing, "openai", reset_text("openai", 6, 0)) == (
        b"x-ratelimit-limit-requests: 10\r\nx-ratelimit-remaining-requests: 9\r\n"
        b"x-ratelimit-reset-requests: 6s\r\n"
    )
    standing.note_tokens(1000, 0)
    assert b"x-ratelimit-remaining-tokens: 0\r\n" in header_lines(standing, "responses", b"6s")


def test_anthropic_clients_are_told_in_their_words() -> None:
    standing = Standing()
    standing.note_tokens(1000, 5)
    assert header_lines(standing, "anthropic", reset_text("anthropic", 0.5, 1_795_392_000 * NANO)) == (
        b"anthropic-ratelimit-tokens-limit: 1000\r\nanthropic-ratelimit-tokens-remaining: 5\r\n"
        b"anthropic-ratelimit-tokens-reset: 2026-11-23T00:00:01Z\r\n"
    )


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("requests", "rate_limit_exceeded", "requests of this minute"),
        ("tokens", "rate_limit_exceeded", "tokens a minute"),
        ("concurrency", "rate_limit_exceeded", "under way"),
        ("day", "insufficient_quota", "a day (UTC)"),
        ("month", "insufficient_quota", "a month (UTC)"),
    ],
)
def test_an_error_names_the_limit_and_its_owner(kind: str, code: str, words: str) -> None:
    error = error_of(Refusal(GATE, kind, limit=2, used=2, asked=1, wait_s=1.2))  # type: ignore[arg-type] # a Kind
    assert (error.status, error.code, error.retry_after_s) == (429, code, 2)
    assert "The team 'red'" in error.message
    assert words in error.message
    assert error.hint


def test_what_can_never_pass_has_no_time_to_come_back() -> None:
    error = error_of(Refusal(GATE, "tokens", limit=2, used=0, asked=3, wait_s=0))
    assert error.retry_after_s is None
    assert "never" in (error.hint or "")
