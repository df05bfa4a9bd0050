"""A key is found in each header that clients use, and nowhere else."""

import pytest

from pilothouse.access.authenticate import key_text
from pilothouse.contracts.errors import AuthenticationError


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer ph_a_b"},
        {"authorization": "bearer  ph_a_b "},
        {"x-api-key": "ph_a_b"},
        {"api-key": "ph_a_b"},
        {"authorization": "Bearer ph_a_b", "x-api-key": "other"},
    ],
)
def test_a_key_is_read_from_its_header(headers: dict[str, str]) -> None:
    assert key_text(headers) == "ph_a_b"


@pytest.mark.parametrize("headers", [{}, {"cookie": "pilothouse_session=x"}, {"x-api-key": ""}])
def test_without_a_key_there_is_none(headers: dict[str, str]) -> None:
    assert not key_text(headers)


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic eDp5", "ph_a_b"])
def test_another_scheme_is_an_error_and_never_falls_back_to_the_cookie(value: str) -> None:
    with pytest.raises(AuthenticationError) as raised:
        key_text({"authorization": value, "cookie": "pilothouse_session=x"})
    assert not value or "eDp5" not in raised.value.message
