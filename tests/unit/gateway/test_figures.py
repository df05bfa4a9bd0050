"""Tokens, cost and confidence; what is not known is not 0."""

import json
import math

import pytest
from msgspec import Raw

from pilothouse.contracts.snapshot import Price
from pilothouse.gateway.figures import Tokens, confidence_of, cost_usd, entropy_of, tokens_of
from pilothouse.gateway.wire import decode_usage

PRICE = Price(input_usd=2.0, output_usd=10.0)


def test_without_a_price_or_counts_there_is_no_cost() -> None:
    assert cost_usd(Tokens(10, 10), None) is None
    assert cost_usd(Tokens(), PRICE) is None
    assert cost_usd(Tokens(0, 0), PRICE) == 0


def test_cached_tokens_have_their_own_price() -> None:
    assert cost_usd(Tokens(1_000_000, 100_000), PRICE) == pytest.approx(3.0)
    cheap = Price(input_usd=2.0, output_usd=10.0, cached_input_usd=0.5)
    assert cost_usd(Tokens(1_000_000, None, 500_000), cheap) == pytest.approx(1.25)
    assert cost_usd(Tokens(100, None, 500), cheap) == pytest.approx(100 * 0.5 / 1e6)


def test_vendors_spell_cached_tokens_in_two_ways() -> None:
    one = decode_usage(b'{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4}}')
    other = decode_usage(b'{"prompt_tokens":9,"prompt_cache_hit_tokens":4}')
    assert tokens_of(one).cached == tokens_of(other).cached == 4
    details = decode_usage(b'{"completion_tokens":9,"completion_tokens_details":{"reasoning_tokens":5}}')
    assert tokens_of(details).reasoning == 5


def test_confidence_is_over_all_tokens_of_all_choices() -> None:
    chat = Raw(json.dumps({"content": [{"logprob": -1.0}, {"logprob": -2.0}]}).encode())
    text = Raw(json.dumps({"token_logprobs": [None, -6.0]}).encode())
    assert confidence_of([chat, text]) == (-3.0, -6.0, None)
    assert confidence_of([Raw(b"null")]) is None
    assert confidence_of([Raw(b'{"content":7}')]) is None


def test_entropy_is_the_least_that_the_likeliest_tokens_allow() -> None:
    half = math.log(0.5)
    assert entropy_of([half, half]) == pytest.approx(math.log(2))
    assert entropy_of([half]) == pytest.approx(math.log(2)), "the rest counts as one token"
    assert entropy_of([0.0]) == 0


def test_entropy_is_the_mean_over_the_steps_that_give_the_likeliest_tokens() -> None:
    half = math.log(0.5)
    tops = [{"logprob": half}, {"logprob": half}]
    steps = [{"logprob": half, "top_logprobs": tops}, {"logprob": 0.0, "top_logprobs": [{"logprob": 0.0}]}]
    chat = Raw(json.dumps({"content": [*steps, {"logprob": -1.0, "top_logprobs": []}]}).encode())
    found = confidence_of([chat])
    assert found is not None
    assert found[2] == pytest.approx(math.log(2) / 2)
    text = Raw(json.dumps({"token_logprobs": [half], "top_logprobs": [{"a": half, "b": half}]}).encode())
    assert confidence_of([text]) == pytest.approx((half, half, math.log(2)))
