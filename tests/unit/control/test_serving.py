"""Whether it serves is said from the processes' own words; what is not known is not made up."""

from dataclasses import dataclass

import msgspec

from pilothouse.api.metrics import IngestState
from pilothouse.contracts.snapshot import Deployment, EngineSpec, ModelRoute, Price, RecordPolicy
from pilothouse.contracts.status import (
    BreakerState,
    DeploymentStatus,
    EngineStatus,
    GatewayStatus,
    SupervisorStatus,
)
from pilothouse.control.serving import ServingNow
from pilothouse.rollout.build import Catalogue

ENGINE = EngineSpec(
    engine="llama_cpp", kind="chat", artefact="/a", digest="sha256:a", socket="/s", alias="small"
)
CATALOGUE = Catalogue(
    models=(
        ModelRoute(
            name="small",
            kind="chat",
            deployments=(
                Deployment(
                    id="small/llama_cpp-0", provider="llama_cpp-0", upstream_model="small", engine=ENGINE
                ),
                Deployment(id="small/openai-1", provider="openai", upstream_model="gpt", price=Price(1, 2)),
            ),
        ),
    ),
    providers=(),
    wildcard_providers=(),
    prices={},
    default_record=RecordPolicy(),
    missing=(),
)
GATEWAY = GatewayStatus(
    worker="0", pid=1, version="v", snapshot_revision=1, started_at_ms=0, is_accepting=True
)
READY = EngineStatus(deployment="small/llama_cpp-0", state="ready", slots=8, slots_busy=2)


def supervisor(*engines: EngineStatus) -> SupervisorStatus:
    return SupervisorStatus(
        version="v", started_at_ms=0, address="http://x", snapshot_revision=1, engines=engines
    )


class Processes:
    """What processes say."""

    def __init__(self, up: SupervisorStatus | None, *gateways: GatewayStatus) -> None:
        self._up, self._gateways = up, list(gateways)

    def supervisor(self) -> SupervisorStatus | None:
        return self._up

    def gateways(self) -> list[GatewayStatus]:
        return self._gateways


@dataclass
class Published:
    """A catalogue in force."""

    catalogue: Catalogue


class Ingest:
    """A record that is a little behind."""

    def state(self, now_ms: int) -> IngestState:
        return IngestState(12.5 if now_ms == 0 else 0.0, 0, 0, 0, 0, 0)


def serving(
    up: SupervisorStatus | None, *gateways: GatewayStatus, missing: tuple[str, ...] = ()
) -> ServingNow:
    catalogue = Catalogue(CATALOGUE.models, (), (), {}, RecordPolicy(), missing)
    return ServingNow(
        Published(catalogue), Processes(up, *gateways), Ingest(), telemetry_lag_ms=lambda now_ms: now_ms * 2.0
    )


def test_all_well() -> None:
    state = serving(supervisor(READY), GATEWAY).state()
    assert (state.level, state.reasons) == ("ok", [])


def test_an_engine_that_restarts_degrades_it_and_says_why() -> None:
    broken = EngineStatus(deployment="small/llama_cpp-0", state="restarting", reason="it ended with 9")
    state = serving(supervisor(broken), GATEWAY).state()
    assert (state.level, state.reasons) == ("degraded", ["small/llama_cpp-0 is restarting: it ended with 9"])


def test_weights_that_are_not_here_degrade_it() -> None:
    state = serving(supervisor(READY), GATEWAY, missing=("hf:a/b/c.gguf",)).state()
    assert state.level == "degraded"
    assert "hf:a/b/c.gguf" in state.reasons[0]


def test_without_a_gateway_that_takes_calls_it_is_down() -> None:
    full = GatewayStatus(
        worker="1",
        pid=1,
        version="v",
        snapshot_revision=1,
        started_at_ms=0,
        is_accepting=False,
        reason="disk full",
    )
    assert serving(supervisor(READY)).state().level == "down"
    state = serving(supervisor(READY), full).state()
    assert (state.level, state.reasons) == ("down", ["gateway 1 takes no calls: disk full"])
    assert serving(supervisor(READY), full, GATEWAY).state().level == "degraded"


def test_deployments_have_their_engines_gauges() -> None:
    own, provided = serving(supervisor(READY), GATEWAY).deployments()
    assert (own.state, own.engine, own.slots, own.slots_busy, own.price) == ("ready", "llama_cpp", 8, 2, None)
    assert (provided.state, provided.engine, provided.slots) == ("unknown", None, None)
    assert provided.price is not None
    assert (provided.price.input_usd, provided.price.source) == (1, "configuration")


def test_an_engine_not_yet_heard_of_is_starting_and_with_the_supervisor_away_unknown() -> None:
    assert serving(supervisor(), GATEWAY).deployments()[0].state == "starting"
    away = serving(None, GATEWAY).deployments()[0]
    assert (away.state, away.reason) == ("unknown", "the supervisor does not answer")


def test_how_far_the_record_is_behind() -> None:
    assert serving(None).ingest_lag_ms(0) == 12.5


def test_a_tripped_deployment_degrades_it_and_a_model_without_another_is_named() -> None:
    def worker(*breakers: BreakerState) -> GatewayStatus:
        deployments = tuple(
            DeploymentStatus(f"d{number}", "small", breaker=breaker, cause="failures")
            for number, breaker in enumerate(breakers)
        )
        return msgspec.structs.replace(GATEWAY, deployments=deployments)

    assert serving(supervisor(READY), worker("closed", "closed")).state().reasons == []
    state = serving(supervisor(READY), worker("open", "closed")).state()
    assert (state.level, state.reasons) == ("degraded", ["small does without d0 (tripped by failures)"])
    state = serving(supervisor(READY), worker("open", "half_open")).state()
    assert state.reasons == [
        "small has no deployment that works: d0 (tripped by failures), d1 (tripped by failures)"
    ]


def test_the_lag_is_of_whatever_is_further_behind() -> None:
    assert serving(supervisor(READY), GATEWAY).ingest_lag_ms(0) == 12.5  # calls
    assert serving(supervisor(READY), GATEWAY).ingest_lag_ms(50) == 100.0  # telemetry
