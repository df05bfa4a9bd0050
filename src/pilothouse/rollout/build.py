"""Builds the snapshot: settings, keys, artefacts and prices in, one immutable document out.

Refuses to know files, clocks, databases and the environment: all of it is passed in. Invariant: the same
input gives the same snapshot; every deployment names a provider that is in it, and every id in it is unique.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.contracts.snapshot import (
    SNAPSHOT_VERSION,
    Deployment,
    EngineSpec,
    KeyRecord,
    ModelRoute,
    Price,
    Provider,
    RecordPolicy,
    Snapshot,
)
from pilothouse.contracts.traffic import Admission, Batching, Cache, Counters, Limits
from pilothouse.rollout import traffic
from pilothouse.rollout.check import Bundle, kind_of, problems
from pilothouse.rollout.prices import PriceList, configured
from pilothouse.rollout.providers import CATALOGUE, Vendor
from pilothouse.rollout.settings import (
    DeploymentSettings,
    ModelSettings,
    ProviderSettings,
    RecordSettings,
    RolloutSettings,
    counters_variable,
    secret_variable,
)

DEFAULT_CONTEXT_TOKENS = 8192
DEFAULT_PARALLEL = 8


@dataclass(frozen=True, slots=True)
class Artefact:
    """A model's weights on this machine."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the settings do not say: what this machine has, and what it knows."""

    bundle: Bundle
    prices: PriceList
    engine_socket: Callable[[int], str]
    """Gives the path of the Unix socket for the engine of that number."""
    artefacts: Mapping[str, Artefact]
    """The weights that are here, by source."""
    secrets: frozenset[str]
    """Names of the environment variables that hold a provider's key."""
    engine_numbers: Mapping[str, int] = field(default_factory=dict)
    """Numbers that engines already running have, by deployment: theirs stay, and no other engine gets one."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All of a snapshot that does not depend on who calls."""

    models: tuple[ModelRoute, ...]
    providers: tuple[Provider, ...]
    wildcard_providers: tuple[str, ...]
    prices: dict[str, Price]
    default_record: RecordPolicy
    missing: tuple[str, ...] = ()
    """Sources whose weights are not on this machine; the deployments that need them are left out."""
    teams: dict[str, Limits] = field(default_factory=dict)
    """Limits by team label."""
    counters: Counters = field(default_factory=Counters)
    """Where limits are counted."""
    admission: Admission = field(default_factory=Admission)
    """How calls are admitted."""
    engine_numbers: Mapping[str, int] = field(default_factory=dict)
    """The number of each engine's socket, by deployment: the next catalogue keeps them."""


@dataclass(slots=True)
class _Draft:
    settings: RolloutSettings
    models: Mapping[str, ModelSettings]
    around: Surroundings
    providers: dict[str, Provider] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    engine_numbers: dict[str, int] = field(default_factory=dict)


def sources(settings: RolloutSettings, bundle: Bundle) -> tuple[str, ...]:
    """Returns where the weights of every engine in `settings` come from, without repetition, in order."""
    found = (
        deployment.source or bundle[name].source
        for name, model in _models(settings, bundle).items()
        for deployment in _deployments(model)
        if deployment.engine is not None and (deployment.source or name in bundle)
    )
    return tuple(dict.fromkeys(found))


def build_catalogue(settings: RolloutSettings, around: Surroundings, *, configured_at_s: int) -> Catalogue:
    """Builds routes, providers and prices.

    Args:
        settings: What the operator wants.
        around: What is here to serve it with.
        configured_at_s: Unix seconds when this configuration was first applied.

    Raises:
        ConfigurationError: The settings are wrong, or need a secret that is not set.
    """
    for problem in problems(settings, around.bundle):
        where = ".".join(str(part) for part in problem.place)
        raise ConfigurationError(f"{where}: {problem.message}", hint=problem.hint)
    _require_counters(settings, around)
    draft = _Draft(settings, _models(settings, around.bundle), around)
    own = {name: _own_deployments(draft, name, model) for name, model in draft.models.items()}
    served = {name for name, deployments in own.items() if deployments}
    routes = [
        ModelRoute(
            name=name,
            kind=kind_of(name, model, around.bundle),
            deployments=own[name],
            record=_record(model.record, settings.record),
            created_s=configured_at_s,
            routing=traffic.pruned(traffic.routing(model.routing, traffic.fallbacks(model.fallback)), served),
            limits=traffic.limits(model.limits),
            cache=traffic.policy(model.cache, Cache),
            batching=traffic.policy(model.batching, Batching) if model.batching is not None else None,
        )
        for name, model in draft.models.items()
    ]
    wildcards = _wildcards(draft)
    return Catalogue(
        models=tuple(route for route in routes if route.deployments),
        providers=tuple(draft.providers.values()),
        wildcard_providers=wildcards,
        prices=_wildcard_prices(draft, wildcards),
        default_record=_record(settings.record, RecordSettings()),
        teams={name: traffic.limits(team.limits) for name, team in settings.teams.items()},
        counters=traffic.counters(settings.limits),
        admission=traffic.admission(settings.admission),
        missing=tuple(dict.fromkeys(draft.missing)),
        engine_numbers=draft.engine_numbers,
    )


def build_snapshot(
    catalogue: Catalogue, keys: Iterable[KeyRecord], *, revision: int, created_at_ms: int
) -> Snapshot:
    """Puts a catalogue and the keys of the moment together.

    Raises:
        ConfigurationError: Two keys or two deployments have the same id, or two keys the same digest.
    """
    records = tuple(keys)
    _require_unique("key id", (record.id for record in records))
    _require_unique("key", (record.digest.hex() for record in records))
    _require_unique(
        "deployment id", (deployment.id for route in catalogue.models for deployment in route.deployments)
    )
    return Snapshot(
        version=SNAPSHOT_VERSION,
        revision=revision,
        created_at_ms=created_at_ms,
        keys=records,
        models=catalogue.models,
        providers=catalogue.providers,
        wildcard_providers=catalogue.wildcard_providers,
        prices=catalogue.prices,
        default_record=catalogue.default_record,
        teams=catalogue.teams,
        counters=catalogue.counters,
        admission=catalogue.admission,
    )


def _models(settings: RolloutSettings, bundle: Bundle) -> Mapping[str, ModelSettings]:
    return {name: ModelSettings() for name in bundle} if settings.models is None else settings.models


def _deployments(model: ModelSettings) -> tuple[DeploymentSettings, ...]:
    return model.deployments or (DeploymentSettings(engine="llama_cpp"),)


def _own_deployments(draft: _Draft, name: str, model: ModelSettings) -> tuple[Deployment, ...]:
    made = []
    for index, settings in enumerate(_deployments(model)):
        if settings.engine is not None:
            deployment = _engine_deployment(draft, name, index, settings)
        else:
            deployment = _provider_deployment(draft, name, index, settings)
        if deployment is not None:
            made.append(deployment)
    return tuple(made)


def _engine_deployment(
    draft: _Draft, name: str, index: int, settings: DeploymentSettings
) -> Deployment | None:
    engine = settings.engine
    assert engine is not None
    bundled = draft.around.bundle.get(name)
    source = settings.source or (bundled.source if bundled else "")
    artefact = draft.around.artefacts.get(source)
    if artefact is None:
        draft.missing.append(source)
        return None
    deployment_id = f"{name}/{engine}-{index}"
    number = draft.engine_numbers[deployment_id] = _engine_number(draft, deployment_id)
    socket = draft.around.engine_socket(number)
    provider = Provider(name=f"{engine}-{number}", base_url=f"unix:{socket}:/v1")
    draft.providers[provider.name] = provider
    model = draft.models[name]
    return Deployment(
        id=deployment_id,
        provider=provider.name,
        upstream_model=name,
        weight=settings.weight,
        arm=settings.arm,
        max_concurrency=settings.max_concurrency,
        price=_configured_price(draft, settings, f"{engine}/{name}"),
        engine=EngineSpec(
            engine=engine,
            kind=kind_of(name, model, draft.around.bundle),
            artefact=artefact.path,
            digest=artefact.digest,
            socket=socket,
            alias=name,
            context_tokens=settings.context_tokens
            or (bundled.context_tokens if bundled else DEFAULT_CONTEXT_TOKENS),
            parallel=settings.parallel or (bundled.parallel if bundled else DEFAULT_PARALLEL),
            threads=settings.threads,
            options=settings.options,
        ),
    )


def _engine_number(draft: _Draft, deployment_id: str) -> int:
    """Returns the number this engine has, else the lowest that no engine has or had a moment ago."""
    known = draft.around.engine_numbers
    if deployment_id in known:
        return known[deployment_id]
    taken = {*known.values(), *draft.engine_numbers.values()}
    return next(number for number in count() if number not in taken)


def _provider_deployment(draft: _Draft, name: str, index: int, settings: DeploymentSettings) -> Deployment:
    provider = settings.provider
    assert provider is not None
    _require_provider(draft, provider, f"models.{name}.deployments.{index}")
    upstream = settings.model or name
    vendor = CATALOGUE.get(provider)
    price = _configured_price(draft, settings, f"{provider}/{upstream}")
    if price is None and vendor is not None and vendor.price_list is not None:
        price = draft.around.prices.find(vendor.price_list, upstream)
    return Deployment(
        id=f"{name}/{provider}-{index}",
        provider=provider,
        upstream_model=upstream,
        weight=settings.weight,
        price=price,
        arm=settings.arm,
        max_concurrency=settings.max_concurrency,
    )


def _configured_price(draft: _Draft, settings: DeploymentSettings, name: str) -> Price | None:
    typed = settings.price or draft.settings.prices.get(name)
    return configured(typed) if typed is not None else None


def _require_counters(settings: RolloutSettings, around: Surroundings) -> None:
    variable = counters_variable(settings)
    if variable is not None and traffic.COUNTERS_SECRET not in around.secrets:
        raise ConfigurationError(
            f"limits.redis_url: the gateways were not handed the address in {variable}.",
            hint=f"Set {variable} where Pilothouse starts, and start it again: it is read only then.",
        )


def _require_provider(draft: _Draft, name: str, where: str) -> None:
    if name in draft.providers:
        return
    settings, vendor = draft.settings.providers.get(name), CATALOGUE.get(name)
    secret = secret_variable(name, draft.settings)
    if secret is not None and secret not in draft.around.secrets:
        raise ConfigurationError(
            f"{where}: the provider {name!r} needs the environment variable {secret}, which is not set.",
            hint=f"Set {secret} where Pilothouse starts, or take the deployment out.",
        )
    draft.providers[name] = _provider(name, settings or ProviderSettings(), vendor, secret)


def _provider(name: str, settings: ProviderSettings, vendor: Vendor | None, secret: str | None) -> Provider:
    row = (
        vendor if vendor is not None and settings.dialect in {None, vendor.dialect} else _row(name, settings)
    )
    return Provider(
        name=name,
        base_url=(settings.base_url or (vendor.base_url if vendor else None) or "").rstrip("/"),
        dialect=settings.dialect or row.dialect,
        secret=secret,
        auth_header=row.auth_header,
        auth_prefix=row.auth_prefix,
        headers=settings.headers,
        query=settings.query or "",
        paths=dict(row.paths),
        drops=tuple(dict.fromkeys((*row.drops, *settings.drops))),
        verify_tls=settings.verify_tls,
        responses=row.responses if settings.responses is None else settings.responses,
    )


def _row(name: str, settings: ProviderSettings) -> Vendor:
    """Returns what the catalogue would say of a server of the operator's own."""
    if settings.dialect == "anthropic":
        return Vendor(
            name, base_url=None, key=None, dialect="anthropic", auth_header="x-api-key", auth_prefix=""
        )
    return Vendor(name, base_url=None, key=None)


def _wildcards(draft: _Draft) -> tuple[str, ...]:
    """Returns the providers that answer for `<provider>/<any model>`, adding each to the draft.

    These are the ones named in the configuration, and the vendors whose key is in the environment.
    """
    wildcards = []
    for name in dict.fromkeys((*draft.settings.providers, *CATALOGUE)):
        settings, vendor = draft.settings.providers.get(name), CATALOGUE.get(name)
        if settings is None:
            assert vendor is not None
            if vendor.key is None or vendor.key not in draft.around.secrets or vendor.base_url is None:
                continue
        elif not settings.wildcard:
            continue
        _require_provider(draft, name, f"providers.{name}")
        wildcards.append(name)
    return tuple(wildcards)


def _wildcard_prices(draft: _Draft, wildcards: tuple[str, ...]) -> dict[str, Price]:
    prices: dict[str, Price] = {}
    for name in wildcards:
        vendor = CATALOGUE.get(name)
        if vendor is not None and vendor.price_list is not None:
            listed = draft.around.prices.all(vendor.price_list)
            prices |= {f"{name}/{model}": price for model, price in listed.items()}
    typed = draft.settings.prices
    prices |= {
        name: configured(price) for name, price in typed.items() if name.partition("/")[0] in wildcards
    }
    return prices


def _record(settings: RecordSettings, above: RecordSettings) -> RecordPolicy:
    default = RecordPolicy()
    body_bytes = settings.max_body_bytes if settings.max_body_bytes is not None else above.max_body_bytes
    return RecordPolicy(
        content=settings.content or above.content or default.content,
        confidence=settings.confidence or above.confidence or default.confidence,
        max_body_bytes=body_bytes if body_bytes is not None else default.max_body_bytes,
    )


def _require_unique(what: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ConfigurationError(
                f"Two entries have the same {what}: {value}.", hint="Each must be there once; remove one."
            )
        seen.add(value)
