"""Prometheus' families of how traffic is steered: breakers, queues, limits, caches, worker by worker.

Refuses to know what a state means to anybody. Invariant: the labels are ids of the configuration and words of
ours, never what a client sent.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import get_args

from pilothouse.contracts.status import BreakerState, CacheStatus, DeploymentStatus, GatewayStatus
from pilothouse.contracts.traffic import Priority
from pilothouse.telemetry.prometheus import Family, Sample

ATTEMPTS = {"ok": "ok_total", "failed": "failed_total", "limited": "limited_total"}
LOOKUPS = {
    "exact": "exact_total",
    "semantic": "semantic_total",
    "coalesced": "coalesced_total",
    "miss": "misses_total",
}
MS_IN_S = 1000.0


def vitals_families(gateways: Sequence[GatewayStatus]) -> list[Family]:
    """Returns what each worker says of its deployments, its queue and its caches."""
    return [
        *_deployments(gateways),
        *_admission(gateways),
        *_second_attempts(gateways),
        *_caches(gateways),
        *_telemetry(gateways),
    ]


def _deployments(gateways: Sequence[GatewayStatus]) -> list[Family]:
    def each(values: Callable[[DeploymentStatus], Iterable[tuple[float, dict[str, str]]]]) -> list[Sample]:
        return [
            Sample(value, {"worker": one.worker, "deployment": found.deployment, **labels})
            for one in gateways
            for found in one.deployments
            for value, labels in values(found)
        ]

    return [
        Family(
            "pilothouse_deployment_breaker",
            "gauge",
            "1 at the state that the breaker is in.",
            each(
                lambda d: [(float(d.breaker == state), {"state": state}) for state in get_args(BreakerState)]
            ),
        ),
        Family(
            "pilothouse_deployment_ejected",
            "gauge",
            "1 when left out because it is far slower than its siblings.",
            each(lambda d: [(float(d.is_ejected), {})]),
        ),
        Family(
            "pilothouse_deployment_in_flight",
            "gauge",
            "Attempts under way.",
            each(lambda d: [(d.in_flight, {})]),
        ),
        Family(
            "pilothouse_deployment_latency_ewma_seconds",
            "gauge",
            "Moving mean of the time to the first event of streams, else to plain answers.",
            each(lambda d: [] if d.ewma_ms is None else [(d.ewma_ms / MS_IN_S, {})]),
        ),
        Family(
            "pilothouse_deployment_attempts_total",
            "counter",
            "Attempts that have ended: ok, failed by its fault, limited (429).",
            each(lambda d: [(getattr(d, name), {"outcome": word}) for word, name in ATTEMPTS.items()]),
        ),
        Family(
            "pilothouse_deployment_breaker_opened_total",
            "counter",
            "Times the breaker opened.",
            each(lambda d: [(d.opened_total, {})]),
        ),
    ]


def _admission(gateways: Sequence[GatewayStatus]) -> list[Family]:
    queued = [
        Sample(one.queued.get(priority, 0), {"worker": one.worker, "priority": priority})
        for one in gateways
        for priority in get_args(Priority)
    ]
    store = [Sample(1, {"worker": one.worker, "store": one.counters}) for one in gateways]
    return [
        Family("pilothouse_gateway_queued", "gauge", "Calls that wait to be let in, by class.", queued),
        Family(
            "pilothouse_gateway_shed_total",
            "counter",
            "Calls refused because they could not be let in in time.",
            _by_worker(gateways, "shed_total"),
        ),
        Family(
            "pilothouse_gateway_limited_total",
            "counter",
            "Calls refused because of a limit of their key, team or model.",
            _by_worker(gateways, "limited_total"),
        ),
        Family("pilothouse_gateway_counters", "gauge", "1 at where limits are counted now.", store),
    ]


def _telemetry(gateways: Sequence[GatewayStatus]) -> list[Family]:
    return [
        Family(
            "pilothouse_gateway_telemetry_items_total",
            "counter",
            "Spans, log records and data points that applications sent and that were taken in.",
            _by_worker(gateways, "telemetry_items_total"),
        ),
        Family(
            "pilothouse_gateway_telemetry_rejected_total",
            "counter",
            "Those whose ids were wrong.",
            _by_worker(gateways, "telemetry_rejected_total"),
        ),
        Family(
            "pilothouse_gateway_telemetry_refused_total",
            "counter",
            "Requests with telemetry that were refused whole.",
            _by_worker(gateways, "telemetry_refused_total"),
        ),
    ]


def _second_attempts(gateways: Sequence[GatewayStatus]) -> list[Family]:
    return [
        Family(
            "pilothouse_gateway_retries_total",
            "counter",
            "Attempts that followed a failed one at the same model.",
            _by_worker(gateways, "retries_total"),
        ),
        Family(
            "pilothouse_gateway_fallbacks_total",
            "counter",
            "Attempts at another model after one had failed.",
            _by_worker(gateways, "fallbacks_total"),
        ),
        Family(
            "pilothouse_gateway_hedges_total",
            "counter",
            "Second attempts because the first was slow.",
            _by_worker(gateways, "hedges_total"),
        ),
        Family(
            "pilothouse_gateway_rescues_total",
            "counter",
            "Second attempts because a deployment had fallen silent.",
            _by_worker(gateways, "rescues_total"),
        ),
        Family(
            "pilothouse_gateway_shadows_total",
            "counter",
            "Calls that were mirrored.",
            _by_worker(gateways, "shadows_total"),
        ),
    ]


def _caches(gateways: Sequence[GatewayStatus]) -> list[Family]:
    def each(values: Callable[[CacheStatus], Iterable[tuple[float, dict[str, str]]]]) -> list[Sample]:
        return [
            Sample(value, {"worker": one.worker, "model": cache.model, **labels})
            for one in gateways
            for cache in one.caches
            for value, labels in values(cache)
        ]

    return [
        Family("pilothouse_cache_entries", "gauge", "Answers kept.", each(lambda c: [(c.entries, {})])),
        Family("pilothouse_cache_bytes", "gauge", "Memory they take.", each(lambda c: [(c.bytes, {})])),
        Family(
            "pilothouse_cache_lookups_total",
            "counter",
            "Calls of models that keep answers, by how they were answered.",
            each(lambda c: [(getattr(c, name), {"kind": kind}) for kind, name in LOOKUPS.items()]),
        ),
    ]


def _by_worker(gateways: Sequence[GatewayStatus], name: str) -> list[Sample]:
    return [Sample(getattr(one, name), {"worker": one.worker}) for one in gateways]
