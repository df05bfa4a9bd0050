"""Turns what was typed about traffic into the policies of the snapshot.

Refuses to know whether it makes sense: that is `check_traffic.py`. Invariant: a section left out gives the
policy's own defaults.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from pilothouse.contracts.traffic import (
    NO_LIMITS,
    Admission,
    Counters,
    ErrorKind,
    Limits,
    Routing,
    Shadow,
)
from pilothouse.rollout.traffic_settings import (
    AdmissionSettings,
    CounterSettings,
    FallbackSettings,
    LimitSettings,
    RoutingSettings,
)

Policy = TypeVar("Policy", bound=msgspec.Struct)

FALLBACK_KINDS: tuple[ErrorKind, ...] = ("outage", "rate_limit", "context_length", "content_filter")
COUNTERS_SECRET = "counters"  # noqa: S105 - a secret's name, not a secret
"""The name under which gateways are handed the address of the shared counters."""


def policy(settings: msgspec.Struct, kind: type[Policy]) -> Policy:
    """Returns what was typed as the policy with the same field names."""
    return msgspec.convert(msgspec.to_builtins(settings), kind)


def limits(settings: LimitSettings) -> Limits:
    """Returns limits; the one shared object where there are none, which the gateway tests by identity."""
    made = policy(settings, Limits)
    return NO_LIMITS if made == NO_LIMITS else made


def counters(settings: CounterSettings) -> Counters:
    """Returns where limits are counted, without the address, which is a secret."""
    return Counters(store=settings.store, on_loss=settings.on_loss, namespace=settings.namespace)


def admission(settings: AdmissionSettings) -> Admission:
    """Returns how calls are admitted."""
    if settings == AdmissionSettings():
        return Admission()
    return policy(settings, Admission)


def routing(settings: RoutingSettings, fallback: dict[ErrorKind, tuple[str, ...]]) -> Routing:
    """Returns how a model's calls find a deployment, and the models that stand in for it."""
    made = policy(settings, Routing)
    return msgspec.structs.replace(made, fallbacks=fallback)


def fallbacks(typed: tuple[str, ...] | FallbackSettings) -> dict[ErrorKind, tuple[str, ...]]:
    """Returns the models to try by kind of failure; a plain list holds for every kind."""
    if isinstance(typed, tuple):
        return dict.fromkeys(FALLBACK_KINDS, typed) if typed else {}
    found: dict[ErrorKind, tuple[str, ...]] = {kind: getattr(typed, kind) for kind in FALLBACK_KINDS}
    return {kind: names for kind, names in found.items() if names}


def pruned(routing: Routing, served: Iterable[str]) -> Routing:
    """Returns `routing` without the models that cannot be served here, since their weights are missing."""
    there = frozenset(served)
    kept = {kind: tuple(name for name in names if name in there) for kind, names in routing.fallbacks.items()}
    shadows: tuple[Shadow, ...] = tuple(shadow for shadow in routing.shadows if shadow.model in there)
    return msgspec.structs.replace(
        routing, fallbacks={kind: names for kind, names in kept.items() if names}, shadows=shadows
    )
