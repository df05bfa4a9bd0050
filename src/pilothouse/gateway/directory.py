"""The snapshot made ready for use: keys by digest, models by name, deployments with their bytes prepared.

Refuses to know requests. Invariant: immutable once built but for caches; a new snapshot makes a new one, so
a revoked key or a removed model is gone with the old object.
"""

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.contracts.errors import SnapshotError
from pilothouse.contracts.snapshot import (
    Deployment,
    KeyRecord,
    ModelKind,
    ModelRoute,
    Price,
    Provider,
    RecordPolicy,
    Snapshot,
)
from pilothouse.gateway.caching.caches import Caches, ModelCache
from pilothouse.gateway.dialects import openai
from pilothouse.gateway.dialects.catalogue import UPSTREAM
from pilothouse.gateway.edits import name_as_json
from pilothouse.gateway.routing.book import Book
from pilothouse.gateway.routing.budget import Budget
from pilothouse.gateway.routing.checks import engine_check
from pilothouse.gateway.routing.group import Group
from pilothouse.gateway.routing.seat import Seat
from pilothouse.gateway.routing.vitals import Vitals
from pilothouse.network.address import Address, parse_base_url
from pilothouse.network.pool import Origin

MOST_CACHED_TOKENS = 10_000
MOST_WILDCARD_ROUTES = 1_000
AFFINITIES = frozenset(("prefix_affinity", "sticky"))

Origins = Callable[[Address], Origin]


class Target(Seat):
    """One deployment as the call step needs it."""

    __slots__ = (
        "check",
        "dialect",
        "drops",
        "heads",
        "is_engine",
        "model_json",
        "origin",
        "provider",
        "responses",
        "upstream_model",
    )

    def __init__(
        self,
        deployment: Deployment,
        provider: Provider,
        secret: str | None,
        origins: Origins,
        vitals: Vitals,
    ) -> None:
        super().__init__(deployment, vitals)
        try:
            address, base_path = parse_base_url(provider.base_url, verify_tls=provider.verify_tls)
        except ValueError as error:
            raise SnapshotError(f"provider {provider.name}: {error}") from error
        self.provider = provider.name
        self.upstream_model = deployment.upstream_model
        self.model_json = name_as_json(deployment.upstream_model)
        self.drops = provider.drops
        self.is_engine = deployment.engine is not None or address.socket_path is not None
        self.origin = origins(address)
        self.check = engine_check(address.authority) if deployment.engine is not None else None
        """The request that asks an engine of ours how it is."""
        self.dialect = UPSTREAM[provider.dialect]
        """What translates; `None` where chats are spoken."""
        self.responses = provider.responses
        heads = openai.request_heads if self.dialect is None else self.dialect.request_heads
        self.heads: dict[str, bytes] = heads(
            provider, address.authority, base_path, deployment.upstream_model, secret
        )


class Route:
    """A public model, its deployments, and how calls are steered among them."""

    __slots__ = (
        "arms",
        "batching",
        "budget",
        "caching",
        "created_s",
        "experiment",
        "fallbacks",
        "gathered",
        "is_listed",
        "is_plain",
        "is_watched",
        "kind",
        "model_json",
        "name",
        "policy",
        "routing",
        "shadows",
        "targets",
        "wants_key",
        "whole",
    )

    def __init__(
        self,
        model: ModelRoute,
        targets: tuple[Target, ...],
        budget: Budget,
        *,
        is_listed: bool,
        caching: ModelCache | None = None,
    ) -> None:
        routing = model.routing
        self.name = model.name
        self.kind: ModelKind | None = model.kind if is_listed else None
        self.model_json = name_as_json(model.name)
        self.policy = model.record
        self.created_s = model.created_s
        self.is_listed = is_listed
        self.targets = targets
        self.routing = routing
        self.budget = budget
        self.fallbacks = routing.fallbacks
        self.shadows = routing.shadows
        self.experiment = routing.experiment
        self.caching = caching
        """What is kept of its answers."""
        self.batching = model.batching if model.kind == "embedding" else None
        self.gathered: dict[bytes, Any] = {}
        """Embedding calls that wait to be sent together; what they are is the step's business."""
        self.is_plain = caching is None and self.batching is None
        """Whether every call is sent upstream by itself."""
        self.wants_key = routing.strategy in AFFINITIES
        self.is_watched = len(targets) > 1 or "outage" in routing.fallbacks
        """Whether there is anywhere to go when a deployment falls silent."""
        self.whole: Group[Target] = Group(targets, routing)
        self.arms: dict[str, Group[Target]] = {}
        if routing.experiment is not None:
            for arm in routing.experiment.arms:
                mine = [target for target in targets if target.arm == arm.name]
                self.arms[arm.name] = Group(mine, routing)

    def group(self, arm: str | None) -> Group[Target]:
        """Returns the deployments that a call of this arm may go to; without an arm all."""
        return self.whole if arm is None else self.arms.get(arm, self.whole)


class Directory:
    """All that one snapshot says, ready for look-ups."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        pepper: bytes,
        secrets: Mapping[str, str],
        origins: Origins,
        book: Book | None = None,
        caches: Caches | None = None,
    ) -> None:
        """Makes a snapshot ready.

        Args:
            snapshot: What is in force.
            pepper: What keys are hashed with.
            secrets: Providers' API keys by the names that the snapshot uses.
            origins: Gives the connections to an address.
            book: The worker's memory of its deployments; without it everything starts anew.
            caches: The answers that it keeps; without them nothing is found again.

        Raises:
            SnapshotError: It cannot be obeyed.
        """
        self._book = Book() if book is None else book
        self._caches = Caches() if caches is None else caches
        self.revision = snapshot.revision
        self.forgotten_subjects = snapshot.forgotten_subjects
        self._pepper = pepper
        self._secrets = secrets
        self._origins = origins
        self._keys = {record.digest: record for record in snapshot.keys}
        self._known: dict[bytes, KeyRecord] = {}
        self._providers = {provider.name: provider for provider in snapshot.providers}
        self._wildcards = frozenset(snapshot.wildcard_providers)
        self._wildcard_routes: dict[str, Route] = {}
        self._prices: Mapping[str, Price] = snapshot.prices
        self._default_policy: RecordPolicy = snapshot.default_record
        self.routes = {model.name: self._route(model, is_listed=True) for model in snapshot.models}
        self._book.keep(
            {target.deployment for route in self.routes.values() for target in route.targets},
            self.routes,
            self._wildcards,
        )

    def key(self, token: bytes) -> KeyRecord | None:
        """Returns the record of an API key or session by its text, or `None` when it is not known.

        The text is known only by its HMAC; what verified once is remembered, so that this costs one look-up.
        """
        record = self._known.get(token)
        if record is None:
            record = self._keys.get(hmac.digest(self._pepper, token, "sha256"))
            if record is not None:
                if len(self._known) >= MOST_CACHED_TOKENS:
                    self._known.pop(next(iter(self._known)))
                self._known[token] = record
        return record

    def route(self, name: str) -> Route | None:
        """Returns the route of a public model name, or of `<provider>/<model>` where that is open."""
        return self.routes.get(name) or self._wildcard_routes.get(name) or self._wildcard(name)

    def _wildcard(self, name: str) -> Route | None:
        provider, slash, upstream_model = name.partition("/")
        if not slash or not upstream_model or provider not in self._wildcards:
            return None
        deployment = Deployment(
            id=name, provider=provider, upstream_model=upstream_model, price=self._prices.get(name)
        )
        model = ModelRoute(name=name, kind="chat", deployments=(deployment,), record=self._default_policy)
        route = self._route(model, is_listed=False)
        if len(self._wildcard_routes) >= MOST_WILDCARD_ROUTES:
            oldest = next(iter(self._wildcard_routes))
            del self._wildcard_routes[oldest]
            self._book.forget(oldest, oldest)
        self._wildcard_routes[name] = route
        return route

    def _route(self, model: ModelRoute, *, is_listed: bool) -> Route:
        targets = tuple(self._target(deployment, model) for deployment in model.deployments)
        budget = self._book.budget(model.name, model.routing)
        caching = self._caches.of(model, self._providers.get)
        return Route(model, targets, budget, is_listed=is_listed, caching=caching)

    def _target(self, deployment: Deployment, model: ModelRoute) -> Target:
        provider = self._providers.get(deployment.provider)
        if provider is None:
            raise SnapshotError(f"deployment {deployment.id} names no known provider: {deployment.provider}")
        secret = self._secrets.get(provider.secret) if provider.secret is not None else None
        vitals = self._book.vitals(deployment, model.routing)
        return Target(deployment, provider, secret, self._origins, vitals)
