"""Whatever goes wrong is told in OpenAI's shape, in our words, with a hint."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pilothouse.api.errors import answer, from_status, from_validation
from pilothouse.contracts.errors import AuthenticationError, RateLimitedError


def body(error: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(bytes(answer(error).body))["error"]
    return decoded


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "not_found"),
        (405, "method_not_allowed"),
        (413, "request_too_large"),
        (503, "unavailable"),
        (400, "invalid_request"),
    ],
)
def test_a_status_of_the_framework_becomes_one_of_ours(status: int, code: str) -> None:
    error = from_status(status, "/api/v1/x")
    assert error.status == status
    assert body(error)["code"] == code
    assert set(body(error)) == {"message", "type", "param", "code", "hint"}


def test_a_long_path_is_not_repeated_whole() -> None:
    assert len(from_status(404, "/" + "x" * 10_000).message) < 300


class Example(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=5)
    count: int = 0


@pytest.mark.parametrize(
    ("sent", "param", "message"),
    [
        ({}, "name", "Field required"),
        ({"name": "x", "count": "sk-secret"}, "count", "valid integer"),
        ({"name": "sk-secret-too-long"}, "name", "at most 5"),
        ({"name": "x", "other": "sk-secret"}, "other", "not known here"),
    ],
)
def test_a_wrong_value_is_named_and_never_repeated(sent: dict[str, Any], param: str, message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Example.model_validate(sent)
    problems = [{**problem, "loc": ("body", *problem["loc"])} for problem in raised.value.errors()]
    error = from_validation(problems)
    assert error.param == param
    assert message in error.message
    assert "secret" not in json.dumps(body(error))


def test_broken_json_is_said_to_be_that() -> None:
    error = from_validation([{"type": "json_invalid", "loc": ("body", 3), "msg": "JSON decode error"}])
    assert error.code == "invalid_json"


def test_further_problems_are_counted() -> None:
    problem = {"type": "missing", "loc": ("query", "limit"), "msg": "Field required"}
    assert "(and 2 more)" in from_validation([problem] * 3).message


def test_the_headers_that_clients_act_on() -> None:
    assert answer(RateLimitedError("slow down", retry_after_s=2.4)).headers["retry-after"] == "2"
    assert answer(AuthenticationError("who")).headers["www-authenticate"] == "Bearer"
