"""Seats without anything behind them."""

from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.contracts.snapshot import Deployment
from pilothouse.contracts.traffic import Breaker
from pilothouse.gateway.routing.seat import Seat
from pilothouse.gateway.routing.vitals import Vitals


def make_seat(name: str, **fields: Any) -> Seat:
    deployment = Deployment(id=name, provider="p", upstream_model="m", **fields)
    vitals = Vitals(name, Breaker())
    vitals.obey(deployment, Breaker())
    return Seat(deployment, vitals)


@pytest.fixture
def seat() -> Callable[..., Seat]:
    """Makes a seat."""
    return make_seat
