"""`/api/v1/traffic`: how traffic is steered at this moment, all workers together.

Refuses to know history. Invariant: of several workers the worst breaker is shown, and how many have it;
numbers are their sums. A worker that is away is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from fastapi import APIRouter, Request

from pilothouse.access.authenticate import DeskHere, Viewer
from pilothouse.api.metrics import instruments_of
from pilothouse.contracts.status import (
    BreakerState,
    CacheStatus,
    CounterState,
    DeploymentStatus,
    GatewayStatus,
    LimitUsage,
)
from pilothouse.contracts.traffic import Priority

router = APIRouter(prefix="/api/v1")

WORST_FIRST: tuple[BreakerState, ...] = ("open", "half_open", "closed")


@dataclass(frozen=True, slots=True)
class DeploymentTraffic:
    """One deployment as the gateways meet it."""

    deployment: str
    model: str
    breaker: BreakerState
    breaker_workers: int
    """Workers whose breaker is in that state."""
    workers: int
    cause: str | None
    is_ejected: bool
    is_ready: bool
    held_ms: float
    in_flight: int
    ewma_ms: float | None
    attempts: int
    """Attempts that have ended since the workers started."""
    failed: int
    limited: int
    error_share: float | None
    """Of the attempts that have ended."""
    opened: int


@dataclass(frozen=True, slots=True)
class LimitTraffic:
    """One limit, and how much of it is used."""

    scope: str
    name: str
    shown_name: str
    """A key's own name; else as `name`."""
    limit: str
    used: float
    most: float
    share: float | None
    resets_s: float


@dataclass(frozen=True, slots=True)
class CacheTraffic:
    """The answers that are kept of one model."""

    model: str
    entries: int
    bytes: int
    exact: int
    semantic: int
    coalesced: int
    misses: int
    hit_share: float | None


@dataclass(frozen=True, slots=True)
class Traffic:
    """How traffic is steered now."""

    workers: int
    in_flight: int
    queued: dict[str, int]
    shed: int
    limited: int
    counters: CounterState
    counters_reason: str | None
    retries: int
    fallbacks: int
    hedges: int
    shadows: int
    deployments: list[DeploymentTraffic]
    limits: list[LimitTraffic]
    caches: list[CacheTraffic]


@router.get("/traffic", tags=["Health"], summary="How traffic is steered now")
def show_traffic(request: Request, _: Viewer, desk: DeskHere) -> Traffic:
    """Breakers, queue, limits and caches at this moment, all workers together."""
    status = instruments_of(request).status
    return traffic_of(status.gateways(), status.usage(), desk.names())


def traffic_of(
    gateways: Sequence[GatewayStatus], usage: Iterable[LimitUsage], names: Mapping[str, str]
) -> Traffic:
    """Returns what the workers say, put together.

    Args:
        gateways: How each worker is.
        usage: How much of each limit is used.
        names: Keys' names by id.
    """
    lost = next((one for one in gateways if one.counters_reason is not None), None)
    shown = lost or next(iter(gateways), None)
    return Traffic(
        workers=len(gateways),
        in_flight=sum(one.in_flight for one in gateways),
        queued={word: sum(one.queued.get(word, 0) for one in gateways) for word in get_args(Priority)},
        shed=sum(one.shed_total for one in gateways),
        limited=sum(one.limited_total for one in gateways),
        counters=shown.counters if shown is not None else "off",
        counters_reason=lost.counters_reason if lost is not None else None,
        retries=sum(one.retries_total for one in gateways),
        fallbacks=sum(one.fallbacks_total for one in gateways),
        hedges=sum(one.hedges_total for one in gateways),
        shadows=sum(one.shadows_total for one in gateways),
        deployments=_deployments(gateways),
        limits=[limit for one in usage for limit in _limits(one, names)],
        caches=_caches(gateways),
    )


def _deployments(gateways: Sequence[GatewayStatus]) -> list[DeploymentTraffic]:
    found: dict[tuple[str, str], list[DeploymentStatus]] = {}
    for gateway in gateways:
        for one in gateway.deployments:
            found.setdefault((one.model, one.deployment), []).append(one)
    return [_deployment(statuses) for statuses in found.values()]


def _deployment(statuses: list[DeploymentStatus]) -> DeploymentTraffic:
    worst = min(statuses, key=lambda one: WORST_FIRST.index(one.breaker))
    timed = [one.ewma_ms for one in statuses if one.ewma_ms is not None]
    failed = sum(one.failed_total for one in statuses)
    limited = sum(one.limited_total for one in statuses)
    ended = sum(one.ok_total for one in statuses) + failed + limited
    return DeploymentTraffic(
        deployment=worst.deployment,
        model=worst.model,
        breaker=worst.breaker,
        breaker_workers=sum(one.breaker == worst.breaker for one in statuses),
        workers=len(statuses),
        cause=worst.cause,
        is_ejected=any(one.is_ejected for one in statuses),
        is_ready=all(one.is_ready for one in statuses),
        held_ms=max(one.held_ms for one in statuses),
        in_flight=sum(one.in_flight for one in statuses),
        ewma_ms=sum(timed) / len(timed) if timed else None,
        attempts=ended,
        failed=failed,
        limited=limited,
        error_share=failed / ended if ended else None,
        opened=sum(one.opened_total for one in statuses),
    )


def _limits(usage: LimitUsage, names: Mapping[str, str]) -> Iterable[LimitTraffic]:
    limits = usage.limits
    rows: tuple[tuple[str, float | None, float | None, float], ...] = (
        ("requests_per_minute", usage.requests, limits.requests_per_minute, usage.window_resets_s),
        ("tokens_per_minute", usage.tokens, limits.tokens_per_minute, usage.window_resets_s),
        ("concurrency", usage.under_way, limits.concurrency, 0.0),
        ("budget_day_usd", usage.day_usd, limits.budget_day_usd, usage.day_resets_s),
        ("budget_month_usd", usage.month_usd, limits.budget_month_usd, usage.month_resets_s),
    )
    shown = names.get(usage.name, usage.name) if usage.scope == "key" else usage.name
    for limit, used, most, resets_s in rows:
        if most is not None:
            spent = float(used or 0)
            share = spent / most if most else None
            yield LimitTraffic(usage.scope, usage.name, shown, limit, spent, float(most), share, resets_s)


def _caches(gateways: Sequence[GatewayStatus]) -> list[CacheTraffic]:
    found: dict[str, list[CacheStatus]] = {}
    for gateway in gateways:
        for one in gateway.caches:
            found.setdefault(one.model, []).append(one)
    return [_cache(model, statuses) for model, statuses in found.items()]


def _cache(model: str, statuses: list[CacheStatus]) -> CacheTraffic:
    exact = sum(one.exact_total for one in statuses)
    semantic = sum(one.semantic_total for one in statuses)
    coalesced = sum(one.coalesced_total for one in statuses)
    misses = sum(one.misses_total for one in statuses)
    hits = exact + semantic + coalesced
    return CacheTraffic(
        model=model,
        entries=sum(one.entries for one in statuses),
        bytes=sum(one.bytes for one in statuses),
        exact=exact,
        semantic=semantic,
        coalesced=coalesced,
        misses=misses,
        hit_share=hits / (hits + misses) if hits + misses else None,
    )
