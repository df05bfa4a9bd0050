"""The caches of one worker, by model: they outlive a snapshot that leaves their model as it was.

Refuses to know requests. Invariant: a cache that is found here holds only answers of the deployments, and
under the policy, that are in force; an answer made for somebody who was forgotten is never taken in.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

import msgspec

from pilothouse.contracts.snapshot import ModelRoute, Provider
from pilothouse.contracts.status import CacheStatus
from pilothouse.contracts.traffic import Cache
from pilothouse.gateway.caching.meanings import Meanings
from pilothouse.gateway.caching.memory import Answers, Entry

_encode = msgspec.msgpack.Encoder().encode


class ModelCache:
    """What is kept of one model."""

    __slots__ = (
        "answers",
        "coalesced_total",
        "embedder_misses_total",
        "exact_total",
        "fingerprint",
        "flights",
        "is_kept",
        "is_semantic",
        "keeps",
        "meanings",
        "misses_total",
        "policy",
        "semantic_total",
    )

    def __init__(self, policy: Cache, fingerprint: bytes) -> None:
        self.policy = policy
        self.fingerprint = fingerprint
        self.keeps = policy.exact or policy.semantic
        """Whether answers are kept at all; with `coalesce` alone they are not."""
        self.is_semantic = policy.semantic
        self.meanings = Meanings()
        self.answers = Answers(policy.max_bytes, self.meanings.remove)
        self.flights: dict[bytes, Any] = {}
        """Calls under way that others may join, by digest; what they are is the steps' business."""
        self.is_kept = True
        """Whether it is in force: an answer that comes later is not taken in."""
        self.exact_total = 0
        self.semantic_total = 0
        self.coalesced_total = 0
        self.misses_total = 0
        self.embedder_misses_total = 0
        """Calls that went on as a miss because the embedding model did not answer in time."""

    def put(self, entry: Entry, now_s: float) -> bool:
        """Keeps an answer, if this cache is in force. Returns whether it was kept."""
        return self.is_kept and self.answers.put(entry, now_s)

    def status(self, model: str) -> CacheStatus:
        """Returns the live gauges."""
        return CacheStatus(
            model=model,
            entries=len(self.answers),
            bytes=self.answers.held_bytes,
            exact_total=self.exact_total,
            semantic_total=self.semantic_total,
            coalesced_total=self.coalesced_total,
            misses_total=self.misses_total,
            embedder_misses_total=self.embedder_misses_total,
            flights=len(self.flights),
        )


class Caches:
    """All of a worker's caches."""

    __slots__ = ("_by_model", "forgotten")

    def __init__(self) -> None:
        self._by_model: dict[str, ModelCache] = {}
        self.forgotten: frozenset[str] = frozenset()
        """Data subjects of whom nothing is taken in."""

    def of(self, model: ModelRoute, provider: Callable[[str], Provider | None]) -> ModelCache | None:
        """Returns a model's cache, the one that is there if nothing about it has changed."""
        policy = model.cache
        if not (policy.exact or policy.semantic or policy.coalesce):
            return None
        fingerprint = fingerprint_of(model, provider)
        held = self._by_model.get(model.name)
        if held is not None and held.fingerprint == fingerprint:
            return held
        return ModelCache(policy, fingerprint)

    def obey(self, caches: Iterable[tuple[str, ModelCache]]) -> None:
        """Puts the caches of a snapshot in force; those that are no more of it are emptied."""
        fresh = dict(caches)
        for name, held in self._by_model.items():
            if fresh.get(name) is not held:
                held.is_kept = False
                held.answers.clear()
        self._by_model = fresh

    def forget(self, subjects: Iterable[str]) -> int:
        """Lets go all answers made for these people, now and in time to come. Returns how many went.

        Args:
            subjects: All that are forgotten, as the record of a call names them.
        """
        self.forgotten = frozenset(subjects)
        if not self.forgotten:
            return 0
        return sum(held.answers.forget(self.forgotten) for held in self._by_model.values())

    def expire(self, now_s: float) -> None:
        """Lets go what is past its time."""
        for held in self._by_model.values():
            held.answers.expire(now_s)

    def status(self) -> tuple[CacheStatus, ...]:
        """Returns the live gauges of each model."""
        return tuple(held.status(name) for name, held in self._by_model.items())


def fingerprint_of(model: ModelRoute, provider: Callable[[str], Provider | None]) -> bytes:
    """Returns a digest of all that makes a model's answers what they are, and of its cache's policy.

    A deployment that gets its first weight or loses its last changes it; a shift of weights between those in
    service does not, nor do prices and limits.
    """
    made_of: list[Any] = [model.name, model.cache]
    for deployment in model.deployments:
        vendor = provider(deployment.provider)
        where = None if vendor is None else (vendor.base_url, vendor.dialect, vendor.drops, vendor.query)
        made_of.append(
            (
                deployment.id,
                deployment.provider,
                where,
                deployment.upstream_model,
                deployment.weight > 0,
                deployment.engine,
                deployment.arm,
            )
        )
    return blake2b(_encode(made_of), digest_size=32).digest()
