"""llama.cpp's errors as OpenAI writes them."""

import json

import pytest

from pilothouse.serving.llama_cpp.native import default_threads, inner_path
from pilothouse.serving.llama_cpp.refusals import refusal


def test_a_prompt_over_the_context_has_openai_s_code() -> None:
    detail = {"type": "exceed_context_size_error", "message": "x", "n_prompt_tokens": 9, "n_ctx": 5}
    status, body = refusal(400, json.dumps({"error": detail}).encode())
    error = json.loads(body)["error"]
    assert (status, error["code"], error["type"]) == (400, "context_length_exceeded", "invalid_request_error")
    assert "5 tokens" in error["message"]


def test_a_text_too_long_for_an_embedding_is_the_same() -> None:
    message = (
        "input (70 tokens) is too large to process. increase the physical batch size (current batch size: 64)"
    )
    status, body = refusal(500, json.dumps({"error": {"message": message, "type": "server_error"}}).encode())
    assert (status, json.loads(body)["error"]["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": 5}', b'{"error": {"message": 5}}'])
def test_garbage_is_still_an_error_of_ours(body: bytes) -> None:
    status, made = refusal(500, body)
    error = json.loads(made)["error"]
    assert status == 500
    assert error["type"] == "api_error"
    assert isinstance(error["code"], str)


def test_the_inner_socket_stands_beside_the_outer_one() -> None:
    assert inner_path("/run/engine-0.sock") == "/run/engine-0-inner.sock"


def test_one_core_is_left_to_the_rest() -> None:
    assert [default_threads(cores) for cores in (1, 2, 4, 8)] == [1, 1, 3, 7]
