"""What a token costs: the configuration's word first, then the `genai-prices` package's, else nothing.

Refuses to know how many tokens a call used. Invariant: what is not known has no `Price`; it is never 0.
The package is imported when a list is opened and not before: it takes 30 MB.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pilothouse.contracts.snapshot import Price

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

    from pilothouse.rollout.settings import PriceSettings


class PriceList(Protocol):
    """Prices by a vendor's name in the list."""

    def find(self, price_list: str, model: str) -> Price | None:
        """Returns the price of the vendor's `model`, or `None` when it is not known."""

    def all(self, price_list: str) -> dict[str, Price]:
        """Returns every price known for the vendor, by each exact name the model is called by."""


class PackagedPrices:
    """The list inside the installed `genai-prices` package; no network is used."""

    def __init__(self, now: datetime) -> None:
        """Opens the list.

        Args:
            now: The time for which prices are asked, with a time zone: some change by date or hour.
        """
        from genai_prices import __version__
        from genai_prices.data_snapshot import get_snapshot

        self._now = now
        self._source = f"genai-prices {__version__}"
        self._data = get_snapshot()

    def find(self, price_list: str, model: str) -> Price | None:
        """Returns the price of the vendor's `model`, or `None` when it is not known."""
        try:
            _, info = self._data.find_provider_model(model, None, price_list, None)
        except LookupError:
            return None
        return self._price(info)

    def all(self, price_list: str) -> dict[str, Price]:
        """Returns every price known for the vendor, by each exact name the model is called by."""
        try:
            vendor = self._data.find_provider(None, price_list, None)
        except LookupError:
            return {}
        prices: dict[str, Price] = {}
        for info in vendor.models:
            price = self._price(info)
            if price is not None:
                prices |= dict.fromkeys((info.id, *_exact_names(info.match)), price)
        return prices

    def _price(self, info: "ModelInfo") -> Price | None:
        listed = info.get_prices(self._now)
        input_usd, is_input_tiered = _number(listed, "input_mtok")
        output_usd, is_output_tiered = _number(listed, "output_mtok")
        if input_usd is None or _number(listed, "requests_kcount")[0]:
            return None  # Not sold by the token alone: a figure from tokens would be wrong.
        cached_input_usd, _ = _number(listed, "cache_read_mtok")
        is_tiered = is_input_tiered or is_output_tiered
        return Price(
            input_usd=input_usd,
            output_usd=output_usd or 0.0,  # Embedding models have no output to pay for.
            cached_input_usd=cached_input_usd,
            source=f"{self._source}, lowest tier" if is_tiered else self._source,
        )


class PricesWhenAsked:
    """The packaged list, opened only when somebody asks for a price: most homes start without."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._list: PackagedPrices | None = None

    def find(self, price_list: str, model: str) -> Price | None:
        """Returns the price of the vendor's `model`, or `None` when it is not known."""
        return self._opened().find(price_list, model)

    def all(self, price_list: str) -> dict[str, Price]:
        """Returns every price known for the vendor, by each exact name the model is called by."""
        return self._opened().all(price_list)

    def _opened(self) -> PackagedPrices:
        if self._list is None:
            self._list = PackagedPrices(self._now)
        return self._list


def configured(settings: "PriceSettings") -> Price:
    """Returns the price an operator typed."""
    return Price(
        input_usd=settings.input_usd,
        output_usd=settings.output_usd,
        cached_input_usd=settings.cached_input_usd,
        source="configuration",
    )


def _number(listed: "ModelPrice", name: str) -> tuple[float | None, bool]:
    """Returns a listed price in US dollars, and whether it is only the lowest of several tiers."""
    value = getattr(listed, name, None)
    if value is None:
        return None, False
    base = getattr(value, "base", None)
    return (float(value), False) if base is None else (float(base), True)


def _exact_names(match: object) -> Iterator[str]:
    """Yields the literal names in a match rule; a rule by prefix or pattern names none that can be listed."""
    name = getattr(match, "equals", None)
    if isinstance(name, str):
        yield name
    for clause in getattr(match, "or_", ()):
        yield from _exact_names(clause)
