"""What several workers say of traffic is put together, and shown as metrics worker by worker."""

from typing import Any

from pilothouse.api.traffic import traffic_of
from pilothouse.api.vitals import vitals_families
from pilothouse.contracts.status import CacheStatus, DeploymentStatus, GatewayStatus, LimitUsage
from pilothouse.contracts.traffic import Limits
from pilothouse.telemetry.prometheus import render


def gateway(worker: str = "0", **fields: Any) -> GatewayStatus:
    known: dict[str, Any] = {"pid": 1, "version": "v", "snapshot_revision": 1, "started_at_ms": 0}
    return GatewayStatus(worker=worker, is_accepting=True, **known | fields)


def deployment(**fields: Any) -> DeploymentStatus:
    return DeploymentStatus(**{"deployment": "a/x-0", "model": "a"} | fields)


def test_of_several_workers_the_worst_breaker_is_shown_and_numbers_are_added() -> None:
    well = deployment(in_flight=1, ok_total=6, ewma_ms=10.0)
    ill = deployment(breaker="open", cause="failures", failed_total=2, opened_total=1, ewma_ms=30.0)
    traffic = traffic_of(
        [
            gateway("0", in_flight=2, queued={"low": 3}, deployments=(well,)),
            gateway(
                "1", in_flight=1, queued={"low": 1, "high": 1}, shed_total=4,
                deployments=(ill,),
            ),
            gateway("2", deployments=(deployment(breaker="half_open"),)),
        ],
        (), {},
    )  # fmt: skip
    (one,) = traffic.deployments
    assert (one.breaker, one.breaker_workers, one.workers, one.cause) == ("open", 1, 3, "failures")
    assert (one.in_flight, one.attempts, one.error_share, one.ewma_ms) == (1, 8, 0.25, 20.0)
    assert (traffic.in_flight, traffic.shed) == (3, 4)
    assert traffic.queued == {"high": 1, "normal": 0, "low": 4}


def test_a_lost_counter_store_is_told_though_one_worker_has_it() -> None:
    lost = gateway("1", counters="host", counters_reason="refused")
    traffic = traffic_of([gateway("0", counters="redis"), lost], (), {})
    assert (traffic.counters, traffic.counters_reason) == ("host", "refused")


def test_limits_are_shown_one_by_one_with_keys_by_name() -> None:
    usage = LimitUsage(
        scope="key", name="key_1", limits=Limits(requests_per_minute=10, budget_day_usd=2.0, concurrency=1),
        requests=5, day_usd=2.5, under_way=0, window_resets_s=12.0, day_resets_s=99.0,
    )  # fmt: skip
    limits = traffic_of([gateway()], [usage], {"key_1": "bot"}).limits
    assert [(one.limit, one.used, one.most, one.share, one.resets_s) for one in limits] == [
        ("requests_per_minute", 5, 10, 0.5, 12.0),
        ("concurrency", 0, 1, 0.0, 0.0),
        ("budget_day_usd", 2.5, 2.0, 1.25, 99.0),
    ]
    assert {one.shown_name for one in limits} == {"bot"}


def test_a_budget_of_nothing_has_no_share() -> None:
    usage = LimitUsage(scope="team", name="t", limits=Limits(budget_day_usd=0.0), day_usd=0.0)
    (one,) = traffic_of([gateway()], [usage], {}).limits
    assert (one.share, one.shown_name) == (None, "t")


def test_caches_of_all_workers_are_one_cache_a_model() -> None:
    traffic = traffic_of(
        [
            gateway("0", caches=(CacheStatus(model="a", entries=1, exact_total=2, misses_total=1),)),
            gateway("1", caches=(CacheStatus(model="a", entries=2, semantic_total=1),)),
        ],
        (), {},
    )  # fmt: skip
    (one,) = traffic.caches
    assert (one.entries, one.exact, one.semantic, one.misses, one.hit_share) == (3, 2, 1, 1, 0.75)


def test_nobody_answers() -> None:
    traffic = traffic_of([], (), {})
    assert (traffic.workers, traffic.counters, traffic.deployments) == (0, "off", [])


def test_metrics_name_the_worker_and_the_state() -> None:
    text = render(
        vitals_families(
            [
                gateway(
                    queued={"low": 2}, shed_total=1, retries_total=3, counters="redis",
                    deployments=(deployment(breaker="open", failed_total=4, ewma_ms=250.0),),
                    caches=(CacheStatus(model="a", exact_total=5),),
                )
            ]
        )
    )  # fmt: skip
    of = 'worker="0",deployment="a/x-0"'
    assert f'pilothouse_deployment_breaker{{{of},state="open"}} 1\n' in text
    assert f'pilothouse_deployment_breaker{{{of},state="closed"}} 0\n' in text
    assert f'pilothouse_deployment_attempts_total{{{of},outcome="failed"}} 4\n' in text
    assert f"pilothouse_deployment_latency_ewma_seconds{{{of}}} 0.25\n" in text
    assert 'pilothouse_gateway_queued{worker="0",priority="low"} 2\n' in text
    assert 'pilothouse_gateway_counters{worker="0",store="redis"} 1\n' in text
    assert 'pilothouse_cache_lookups_total{worker="0",model="a",kind="exact"} 5\n' in text
    assert 'pilothouse_gateway_retries_total{worker="0"} 3\n' in text
