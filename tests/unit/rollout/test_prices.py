"""Prices come from the list that others keep; what is not known has none."""

from datetime import UTC, datetime

import pytest

from pilothouse.rollout.prices import PackagedPrices, configured
from pilothouse.rollout.providers import VENDORS
from pilothouse.rollout.settings import PriceSettings


@pytest.fixture(scope="module")
def prices() -> PackagedPrices:
    return PackagedPrices(datetime(2026, 11, 22, tzinfo=UTC))


def test_a_known_model_has_its_listed_price(prices: PackagedPrices) -> None:
    price = prices.find("openai", "gpt-4o-mini")
    assert price is not None
    assert (price.input_usd, price.output_usd, price.cached_input_usd) == (0.15, 0.6, 0.075)
    assert price.source.startswith("genai-prices 0.")


def test_a_dated_name_has_the_price_of_its_model(prices: PackagedPrices) -> None:
    assert prices.find("openai", "gpt-4o-mini-2024-07-18") == prices.find("openai", "gpt-4o-mini")


@pytest.mark.parametrize(
    ("vendor", "model"), [("openai", "no-such-model"), ("no-such-vendor", "gpt-4o-mini")]
)
def test_an_unknown_model_has_no_price(prices: PackagedPrices, vendor: str, model: str) -> None:
    assert prices.find(vendor, model) is None


def test_a_model_paid_by_the_request_has_no_price_in_tokens(prices: PackagedPrices) -> None:
    assert prices.find("perplexity", "sonar") is None


def test_an_embedding_model_costs_its_input_only(prices: PackagedPrices) -> None:
    price = prices.find("openai", "text-embedding-3-small")
    assert price is not None
    assert price.input_usd > 0
    assert price.output_usd == 0


def test_a_price_with_tiers_says_that_it_is_the_lowest(prices: PackagedPrices) -> None:
    price = prices.find("google", "gemini-2.5-pro")
    assert price is not None
    assert price.source.endswith("lowest tier")


def test_all_prices_of_a_vendor_are_by_exact_names_and_agree_with_a_single_look(
    prices: PackagedPrices,
) -> None:
    listed = prices.all("openai")
    assert listed["gpt-4o-mini"] == prices.find("openai", "gpt-4o-mini")
    assert len(listed) > 50
    assert all(price.input_usd >= 0 and price.output_usd >= 0 for price in listed.values())


def test_a_vendor_without_a_list_has_no_prices(prices: PackagedPrices) -> None:
    assert prices.all("no-such-vendor") == {}


def test_every_list_that_the_catalogue_names_is_there(prices: PackagedPrices) -> None:
    for vendor in VENDORS:
        if vendor.price_list is not None:
            assert prices.all(vendor.price_list), vendor.name


def test_what_an_operator_types_says_so() -> None:
    price = configured(PriceSettings(input_usd=1, output_usd=2))
    assert (price.input_usd, price.output_usd, price.cached_input_usd, price.source) == (
        1,
        2,
        None,
        "configuration",
    )
