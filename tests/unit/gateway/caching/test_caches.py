"""A cache outlives a snapshot that leaves its model as it was, and no other."""

from typing import Any

import msgspec
import pytest

from pilothouse.contracts.snapshot import Deployment, ModelRoute, Price, Provider
from pilothouse.contracts.traffic import Cache, Limits
from pilothouse.gateway.caching.caches import Caches, ModelCache
from pilothouse.gateway.caching.memory import Entry

VENDOR = Provider(name="vendor", base_url="http://127.0.0.1:1/v1")
ONE = Deployment(id="m/0", provider="vendor", upstream_model="up", weight=9)
TWO = Deployment(id="m/1", provider="vendor", upstream_model="next", weight=1)
MODEL = ModelRoute(name="m", kind="chat", deployments=(ONE, TWO), cache=Cache(exact=True))


def _of(caches: Caches, model: ModelRoute, vendor: Provider = VENDOR) -> ModelCache:
    cache = caches.of(model, lambda _: vendor)
    assert cache is not None
    return cache


def _entry(subject: str = "ann") -> Entry:
    return Entry(b"d", b"body", subject=subject, price=None, created_s=0.0, ttl_s=10.0)


def _filled() -> tuple[Caches, ModelCache]:
    caches = Caches()
    cache = _of(caches, MODEL)
    caches.obey([("m", cache)])
    assert cache.put(_entry(), 0.0)
    return caches, cache


def _replace(**changes: Any) -> ModelRoute:
    return msgspec.structs.replace(MODEL, **changes)


@pytest.mark.parametrize(
    "model",
    [
        MODEL,
        _replace(limits=Limits(concurrency=1)),
        _replace(
            deployments=(
                msgspec.structs.replace(ONE, weight=1, price=Price(1.0, 1.0)),
                msgspec.structs.replace(TWO, weight=9),
            )
        ),
    ],
)
def test_it_outlives_what_does_not_change_answers(model: ModelRoute) -> None:
    caches, cache = _filled()
    again = _of(caches, model)
    caches.obey([("m", again)])
    assert again is cache
    assert cache.answers.find(b"d", 1.0) is not None


@pytest.mark.parametrize(
    "model",
    [
        _replace(deployments=(ONE,)),
        _replace(deployments=(ONE, msgspec.structs.replace(TWO, weight=0))),
        _replace(deployments=(ONE, msgspec.structs.replace(TWO, upstream_model="newer"))),
        _replace(cache=Cache(exact=True, scope="all")),
        _replace(cache=Cache(exact=True, ttl_s=1.0)),
    ],
)
def test_it_is_emptied_by_what_does(model: ModelRoute) -> None:
    caches, cache = _filled()
    caches.obey([("m", _of(caches, model))])
    assert len(cache.answers) == 0
    assert not cache.put(_entry(), 1.0), "an answer that was under way must not come back"


def test_a_provider_that_moves_empties_it() -> None:
    caches, cache = _filled()
    moved = msgspec.structs.replace(VENDOR, base_url="http://127.0.0.1:2/v1")
    assert _of(caches, MODEL, moved) is not cache


def test_a_model_without_a_policy_has_none() -> None:
    caches, cache = _filled()
    assert caches.of(_replace(cache=Cache()), lambda _: VENDOR) is None
    caches.obey([])
    assert len(cache.answers) == 0


def test_people_are_forgotten_in_all_of_them() -> None:
    caches, cache = _filled()
    assert caches.forget(["bob"]) == 0
    assert caches.forget(["ann"]) == 1
    assert len(cache.answers) == 0
    assert "ann" in caches.forgotten


def test_gauges_say_what_is_kept() -> None:
    caches, cache = _filled()
    cache.exact_total = 3
    (status,) = caches.status()
    assert (status.model, status.entries, status.exact_total) == ("m", 1, 3)
    assert status.bytes == cache.answers.held_bytes > 0
    caches.expire(10.0)
    assert caches.status()[0].entries == 0
