"""Plain answers survive every dialect, and errors have its shape."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.contracts.errors import (
    ApiError,
    AuthenticationError,
    InternalError,
    InvalidRequestError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitedError,
    UnavailableError,
    UpstreamError,
    UpstreamTimeoutError,
)
from pilothouse.gateway.dialects.anthropic_answers import chat_from_message, message_from_chat, stop_reason
from pilothouse.gateway.dialects.anthropic_client import AnthropicClient
from pilothouse.gateway.dialects.anthropic_upstream import AnthropicUpstream
from pilothouse.gateway.dialects.client import Asked
from pilothouse.gateway.dialects.responses_answers import chat_from_response, response_from_chat
from pilothouse.gateway.dialects.responses_client import ResponsesClient

ASKED = Asked(b'{"model":"m","input":"x","temperature":0.50}', "req-1", "a" * 32, 7, "m")
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NAME = st.text(st.sampled_from("abcdef_"), min_size=1, max_size=8)
ARGUMENTS = st.dictionaries(NAME, st.integers() | TEXT, max_size=3).map(json.dumps)
COUNT = st.integers(0, 50)


@st.composite
def chats(draw: st.DrawFn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": draw(TEXT) or None}
    thought = draw(TEXT)
    if thought:
        message["reasoning_content"] = thought
    calls = [
        {"id": f"{name}{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for at, (name, arguments) in enumerate(draw(st.lists(st.tuples(NAME, ARGUMENTS), max_size=3)))
    ]
    if calls:
        message["tool_calls"] = calls
    finish = "tool_calls" if calls else draw(st.sampled_from(["stop", "length", "content_filter"]))
    fresh, cached, written, output, reasoning = (draw(COUNT) for _ in range(5))
    prompt, completion = fresh + cached + written, output + reasoning + 1
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": reasoning + 1},
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }


def same(chat: dict[str, Any], again: bytes) -> None:
    found = json.loads(again)
    assert found["choices"] == chat["choices"]
    assert found["usage"] == chat["usage"]


@given(chats())
def test_there_and_back_by_a_message_a_chat_says_the_same(chat: dict[str, Any]) -> None:
    same(chat, chat_from_message(message_from_chat(json.dumps(chat).encode(), "m"), 7))


@given(chats())
def test_there_and_back_by_a_response_a_chat_says_the_same(chat: dict[str, Any]) -> None:
    same(chat, chat_from_response(response_from_chat(json.dumps(chat).encode(), ASKED), 7))


def test_a_response_repeats_what_was_asked_as_it_was_written() -> None:
    chat = {"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}]}
    assert b'"temperature":0.50' in response_from_chat(json.dumps(chat).encode(), ASKED)


@pytest.mark.parametrize(
    ("finish", "has_tools", "matched", "expected"),
    [
        ("stop", False, None, ("end_turn", None)),
        ("stop", False, "###", ("stop_sequence", "###")),
        ("stop", True, None, ("tool_use", None)),
        (None, False, None, ("end_turn", None)),
        ("length", True, None, ("max_tokens", None)),
        ("content_filter", False, None, ("refusal", None)),
        ("something new", False, None, ("end_turn", None)),
    ],
)
def test_why_it_ended(finish: str | None, has_tools: bool, matched: Any, expected: Any) -> None:  # noqa: FBT001 - a parameter
    assert stop_reason(finish, has_tools=has_tools, matched=matched) == expected


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (InvalidRequestError, "invalid_request_error"),
        (AuthenticationError, "authentication_error"),
        (PermissionDeniedError, "permission_error"),
        (NotFoundError, "not_found_error"),
        (PayloadTooLargeError, "request_too_large"),
        (RateLimitedError, "rate_limit_error"),
        (InternalError, "api_error"),
        (UpstreamError, "api_error"),
        (UnavailableError, "overloaded_error"),
        (UpstreamTimeoutError, "timeout_error"),
    ],
)
def test_every_error_has_anthropics_own_type(kind: type[ApiError], name: str) -> None:
    body = json.loads(AnthropicClient().error(kind("No.", hint="Do this."), request_id="r"))
    assert (body["type"], body["request_id"]) == ("error", "r")
    assert body["error"] == {
        "type": name,
        "message": "No.",
        "code": kind.default_code,
        "param": None,
        "hint": "Do this.",
    }


def test_errors_of_responses_have_openais_shape() -> None:
    error = InvalidRequestError("No.", hint="Do this.", param="input")
    body = json.loads(ResponsesClient().error(error, request_id="r"))
    assert body["error"]["param"] == "input"


def test_a_prompt_that_is_too_long_has_openais_code() -> None:
    said = {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"},
    }
    body = json.dumps(said).encode()
    error = AnthropicUpstream().error_of(400, body, provider="p", secrets=frozenset(), retry_after=None)
    assert (error.status, error.code) == (400, "context_length_exceeded")
