"""Keys are random, shown once, and known by their HMAC alone."""

import hashlib
import hmac
import logging
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.access.tokens import Purpose, digest, new_token
from pilothouse.telemetry.logs import redact

PEPPER = b"p" * 32


@pytest.mark.parametrize(
    ("purpose", "text_prefix", "id_prefix"), [("key", "ph_", "key_"), ("link", "ph_link_", "lnk_")]
)
def test_a_token_has_a_public_part_and_a_secret_of_256_bits(
    purpose: Purpose, text_prefix: str, id_prefix: str
) -> None:
    token = new_token(purpose, PEPPER)
    assert re.fullmatch(rf"{text_prefix}[A-Za-z0-9]{{16}}_[A-Za-z0-9]{{43}}", token.text)
    assert token.id == id_prefix + token.text.split("_")[-2]


def test_the_shown_prefix_lets_a_person_recognise_a_key_and_holds_no_secret() -> None:
    token = new_token("key", PEPPER)
    secret = token.text.rsplit("_", 1)[1]
    assert token.text.startswith(token.prefix.removesuffix("…"))
    assert secret[:4] not in token.prefix


@pytest.mark.parametrize("purpose", get_args(Purpose))
def test_what_is_taken_out_of_logs_takes_out_each_kind_of_token(purpose: Purpose) -> None:
    text = new_token(purpose, PEPPER).text
    assert text.rsplit("_", 1)[1] not in redact(f"somebody sent {text} to us")


def test_no_two_tokens_are_alike() -> None:
    assert len({new_token("key", PEPPER).text for _ in range(200)}) == 200


def test_a_printed_or_logged_token_shows_no_text(caplog: pytest.LogCaptureFixture) -> None:
    token = new_token("session", PEPPER)
    logging.getLogger(__name__).warning("made %s", token)
    assert token.text not in caplog.text
    assert token.text not in repr(token)


@given(st.text(min_size=1), st.binary(min_size=32, max_size=32))
def test_a_digest_is_the_hmac_of_the_whole_text(text: str, pepper: bytes) -> None:
    assert digest(pepper, text) == hmac.new(pepper, text.encode(), hashlib.sha256).digest()


def test_another_pepper_gives_another_digest() -> None:
    assert digest(PEPPER, "ph_a_b") != digest(b"q" * 32, "ph_a_b")
