"""The snapshot made ready for use: keys by digest, models by name, deployments with their bytes prepared.

Refuses to know requests. Invariant: immutable once built but for caches; a new snapshot makes a new one, so
a revoked key or a removed model is gone with the old object.
"""

import hmac
from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import accumulate
from random import random
from typing import TYPE_CHECKING

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
from pilothouse.gateway.dialects import openai
from pilothouse.gateway.dialects.catalogue import UPSTREAM
from pilothouse.gateway.edits import name_as_json
from pilothouse.network.address import Address, parse_base_url
from pilothouse.network.pool import Origin

if TYPE_CHECKING:
    from pilothouse.contracts.events import Operation

MOST_CACHED_TOKENS = 10_000
MOST_WILDCARD_ROUTES = 1_000

Origins = Callable[[Address], Origin]


class Target:
    """One deployment as the call step needs it."""

    __slots__ = (
        "deployment",
        "dialect",
        "drops",
        "heads",
        "is_engine",
        "model_json",
        "origin",
        "price",
        "provider",
        "responses",
        "upstream_model",
    )

    def __init__(
        self, deployment: Deployment, provider: Provider, secret: str | None, origins: Origins
    ) -> None:
        try:
            address, base_path = parse_base_url(provider.base_url, verify_tls=provider.verify_tls)
        except ValueError as error:
            raise SnapshotError(f"provider {provider.name}: {error}") from error
        self.deployment = deployment.id
        self.provider = provider.name
        self.upstream_model = deployment.upstream_model
        self.model_json = name_as_json(deployment.upstream_model)
        self.price = deployment.price
        self.drops = provider.drops
        self.is_engine = deployment.engine is not None or address.socket_path is not None
        self.origin = origins(address)
        self.dialect = UPSTREAM[provider.dialect]
        """What translates; `None` where chats are spoken."""
        self.responses = provider.responses
        heads = openai.request_heads if self.dialect is None else self.dialect.request_heads
        self.heads: dict[str, bytes] = heads(
            provider, address.authority, base_path, deployment.upstream_model, secret
        )


class Route:
    """A public model and its deployments."""

    __slots__ = (
        "_bounds",
        "_total",
        "created_s",
        "is_listed",
        "kind",
        "model_json",
        "name",
        "policy",
        "targets",
    )

    def __init__(self, model: ModelRoute, targets: tuple[Target, ...], *, is_listed: bool) -> None:
        weights = [max(0, deployment.weight) for deployment in model.deployments]
        self.name = model.name
        self.kind: ModelKind | None = model.kind if is_listed else None
        self.model_json = name_as_json(model.name)
        self.policy = model.record
        self.created_s = model.created_s
        self.is_listed = is_listed
        self.targets = targets
        self._bounds = list(accumulate(weights))
        self._total = self._bounds[-1] if self._bounds else 0

    def choose(self) -> Target | None:
        """Returns a deployment by weight, or `None` when none has any."""
        if self._total <= 0:
            return None
        if len(self.targets) == 1:
            return self.targets[0]
        return self.targets[bisect_right(self._bounds, random() * self._total)]  # noqa: S311 - load spreading

    def next_after(self, tried: set[str]) -> Target | None:
        """Returns the first deployment with weight that was not tried; when there is none, a fallback."""
        before = 0
        for target, bound in zip(self.targets, self._bounds, strict=True):
            if bound > before and target.deployment not in tried:
                return target
            before = bound
        return next((target for target in self.targets if target.deployment not in tried), None)


class Directory:
    """All that one snapshot says, ready for look-ups."""

    def __init__(
        self, snapshot: Snapshot, *, pepper: bytes, secrets: Mapping[str, str], origins: Origins
    ) -> None:
        self.revision = snapshot.revision
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
            self._wildcard_routes.pop(next(iter(self._wildcard_routes)))
        self._wildcard_routes[name] = route
        return route

    def _route(self, model: ModelRoute, *, is_listed: bool) -> Route:
        targets = tuple(self._target(deployment) for deployment in model.deployments)
        return Route(model, targets, is_listed=is_listed)

    def _target(self, deployment: Deployment) -> Target:
        provider = self._providers.get(deployment.provider)
        if provider is None:
            raise SnapshotError(f"deployment {deployment.id} names no known provider: {deployment.provider}")
        secret = self._secrets.get(provider.secret) if provider.secret is not None else None
        return Target(deployment, provider, secret, self._origins)
