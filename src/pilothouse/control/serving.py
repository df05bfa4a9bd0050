"""What is served now: the routes in force, with how their engines are.

Refuses to know what was served before: that is on record. Invariant: it answers though the supervisor is
away, and says so.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from pilothouse.analytics.overview import Level, State
from pilothouse.analytics.routes import DeploymentState, PriceView, Served
from pilothouse.api.metrics import Ingest
from pilothouse.contracts.snapshot import Deployment, ModelRoute, Price
from pilothouse.contracts.status import EngineStatus, GatewayStatus, SupervisorStatus
from pilothouse.rollout.build import Catalogue

_UNKNOWN = EngineStatus(deployment="", state="starting")


class Processes(Protocol):
    """Whoever knows how the processes are."""

    def supervisor(self) -> SupervisorStatus | None:
        """Returns how the supervisor is, `None` when it does not answer."""

    def gateways(self) -> list[GatewayStatus]:
        """Returns how each gateway worker is."""


class Published(Protocol):
    """Whoever publishes what is served."""

    @property
    def catalogue(self) -> Catalogue:
        """The routes, providers and prices in force."""


class ServingNow:
    """Puts the catalogue and the processes' own words together."""

    def __init__(
        self,
        published: Published,
        status: Processes,
        ingest: Ingest,
        *,
        telemetry_lag_ms: Callable[[int], float],
    ) -> None:
        self._telemetry_lag_ms = telemetry_lag_ms
        self._published = published
        self._status = status
        self._ingest = ingest

    def deployments(self) -> list[Served]:
        """Returns every deployment of the configuration, with its live state."""
        supervisor = self._status.supervisor()
        engines = {engine.deployment: engine for engine in supervisor.engines} if supervisor else None
        return [
            _served(route, deployment, engines)
            for route in self._published.catalogue.models
            for deployment in route.deployments
        ]

    def state(self) -> State:
        """Returns whether it serves, and why not."""
        supervisor, gateways = self._status.supervisor(), self._status.gateways()
        accepting = [gateway for gateway in gateways if gateway.is_accepting]
        reasons = [
            f"gateway {gateway.worker} takes no calls: {gateway.reason or 'no reason given'}"
            for gateway in gateways
            if not gateway.is_accepting
        ]
        if not gateways:
            reasons.append("no gateway answers")
        if supervisor is None:
            reasons.append("the supervisor does not answer")
        else:
            reasons += [
                f"{engine.deployment} is {engine.state}" + (f": {engine.reason}" if engine.reason else "")
                for engine in supervisor.engines
                if engine.state != "ready"
            ]
        reasons += tripped(gateways)
        reasons += [
            f"{source} is not here: run `pilothouse models pull`"
            for source in self._published.catalogue.missing
        ]
        level: Level = "degraded" if reasons else "ok"
        return State("down" if not accepting else level, reasons)

    def ingest_lag_ms(self, now_ms: int) -> float:
        """Returns how far the record is behind, of calls or of what applications sent."""
        return max(self._ingest.state(now_ms).lag_ms, self._telemetry_lag_ms(now_ms))


def tripped(gateways: Sequence[GatewayStatus]) -> list[str]:
    """Returns which deployments get no calls because they failed, and which models have no other."""
    causes: dict[str, dict[str, str | None]] = {}
    for gateway in gateways:
        for one in gateway.deployments:
            known = causes.setdefault(one.model, {})
            if one.breaker != "closed":
                known[one.deployment] = known.get(one.deployment) or one.cause or "failures"
            else:
                known.setdefault(one.deployment, None)
    reasons = []
    for model, deployments in causes.items():
        open_ones = {name: cause for name, cause in deployments.items() if cause}
        if open_ones and len(open_ones) == len(deployments):
            reasons.append(f"{model} has no deployment that works: {_listed(open_ones)}")
        elif open_ones:
            reasons.append(f"{model} does without {_listed(open_ones)}")
    return reasons


def _listed(causes: Mapping[str, str]) -> str:
    return ", ".join(f"{name} (tripped by {cause})" for name, cause in causes.items())


def _served(route: ModelRoute, deployment: Deployment, engines: dict[str, EngineStatus] | None) -> Served:
    engine = deployment.engine
    state: DeploymentState = "unknown"
    reason = None
    status = _UNKNOWN
    if engine is not None:
        status = (engines or {}).get(deployment.id, _UNKNOWN)
        state = status.state if engines is not None else "unknown"
        reason = status.reason if engines is not None else "the supervisor does not answer"
    return Served(
        id=deployment.id,
        model=route.name,
        kind=route.kind,
        provider=deployment.provider,
        upstream_model=deployment.upstream_model,
        weight=deployment.weight,
        engine=engine.engine if engine is not None else None,
        state=state,
        reason=reason,
        slots=status.slots,
        slots_busy=status.slots_busy,
        queued=status.queued,
        resident_bytes=status.resident_bytes,
        price=_price(deployment.price),
    )


def _price(price: Price | None) -> PriceView | None:
    if price is None:
        return None
    return PriceView(price.input_usd, price.output_usd, price.cached_input_usd, price.source)
