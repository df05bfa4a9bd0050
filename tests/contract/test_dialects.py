"""What every dialect holds to: prepared heads, errors in OpenAI's shape, no provider's key in an answer.

A new dialect of providers joins by its name in `DIALECTS`.
"""

import json
from typing import Any

import pytest
from msgspec import Raw

from pilothouse.contracts.errors import ApiError
from pilothouse.contracts.snapshot import Provider
from pilothouse.gateway.dialects import openai
from pilothouse.gateway.dialects.anthropic_upstream import AnthropicUpstream
from pilothouse.gateway.dialects.responses_upstream import ResponsesUpstream

DIALECTS = [openai, AnthropicUpstream(), ResponsesUpstream()]
SECRET = "sk-provider-secret"
SECRETS = frozenset({SECRET})
PROVIDER = Provider(
    name="vendor", base_url="https://x.example/v1", headers={"X-Extra": "1"}, query="api-version=7"
)
BODIES = [
    b"",
    b"<html>",
    b"[]",
    b"null",
    b'{"error":"text sk-provider-secret"}',
    b'{"error":{"message":"bad sk-provider-secret","code":17}}',
    b'{"message":"text"}',
    b'{"detail":[{"msg":"x"}]}',
    b'{"error":{"message":null}}',
    b"\xff\xfe",
]

every_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@every_dialect
def test_heads_are_one_request_line_and_lines_up_to_the_length(dialect: Any) -> None:
    heads = dialect.request_heads(PROVIDER, "x.example", "/v1", "m", SECRET)
    assert "chat" in heads
    for head in heads.values():
        first, *lines = head.decode().split("\r\n")
        assert first.startswith("POST /v1/")
        assert first.endswith("?api-version=7 HTTP/1.1")
        assert lines[-1] == "content-length: "
        assert "host: x.example" in lines
        assert "x-extra: 1" in lines
        assert any(SECRET in line for line in lines)


@every_dialect
def test_without_a_secret_no_credentials_are_sent(dialect: Any) -> None:
    for head in dialect.request_heads(PROVIDER, "x.example", "/v1", "m", None).values():
        assert b"authorization" not in head
        assert b"x-api-key" not in head


@every_dialect
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    "status", [300, 400, 401, 403, 404, 409, 413, 418, 422, 429, 500, 502, 503, 504, 529, 599]
)
def test_every_refusal_has_a_message_a_hint_and_no_secret(dialect: Any, status: int, body: bytes) -> None:
    error = dialect.error_of(status, body, provider="vendor", secrets=SECRETS, retry_after=b"3")
    assert isinstance(error, ApiError)
    assert error.status >= 400
    assert error.message
    assert error.hint
    assert SECRET not in error.message
    if status in {401, 403}:
        assert error.status == 502, "our credentials are not the client's fault"


@pytest.mark.parametrize("raw", [b'"x"', b'{"message":"sk-provider-secret"}', b"7", b"{}"])
def test_an_error_in_a_stream_is_ours(raw: bytes) -> None:
    error = openai.event_error(Raw(raw), provider="vendor", secrets=SECRETS)
    assert json.dumps(error.message).find(SECRET) < 0
    assert error.status == 502


def test_azure_names_the_deployment_in_its_path() -> None:
    provider = Provider(
        name="azure",
        base_url="https://x.example",
        auth_header="api-key",
        auth_prefix="",
        paths={"/chat/completions": "/openai/deployments/{model}/chat/completions"},
    )
    head = openai.request_heads(provider, "x.example", "", "gpt", SECRET)["chat"].decode()
    assert head.startswith("POST /openai/deployments/gpt/chat/completions HTTP/1.1\r\n")
    assert f"\r\napi-key: {SECRET}\r\n" in head
