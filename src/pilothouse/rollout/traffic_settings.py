"""How traffic is steered, limited, admitted and cached, as an operator types it.

Refuses to know how the gateway does any of it. Invariant: names, units and defaults are those of the policies
in `contracts/traffic.py`, so that what is typed becomes a policy field by field.
"""

from typing import Annotated, Literal

import msgspec

from pilothouse.contracts.traffic import CacheScope, ExperimentUnit, Strategy

NonNegative = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
NonNegativeCount = Annotated[int, msgspec.Meta(ge=0)]
Above0 = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
SecretReference = Annotated[str, msgspec.Meta(pattern=r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$")]
"""`${NAME}`: the environment variable that holds the secret. The secret itself never stands in a file."""


class RetrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a failed attempt is followed by another at the same model's deployments."""

    attempts: NonNegativeCount = 2
    """Further attempts after the first, at most; 0 never retries."""
    deadline_ms: Count = 60_000
    """No attempt begins later than this after the call was accepted."""
    base_ms: Count = 25
    """The first back-off; each further one doubles it. The wait is drawn between 0 and it."""
    cap_ms: Count = 2_000
    """The longest back-off."""
    budget_ratio: Share = 0.2
    """Retries may be at most this share of the calls of the last ten seconds …"""
    budget_floor: NonNegativeCount = 10
    """… and this many in any case."""


class BreakerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a deployment is left out because it fails, and how it comes back."""

    consecutive: Count = 5
    """Failures in a row that open the breaker."""
    error_ratio: Share = 0.5
    """Or this share of failures among the calls of `window_s`, if there were `min_calls`."""
    min_calls: Count = 10
    """Calls in the window below which the share says nothing."""
    window_s: Above0 = 10.0
    """The time over which failures are counted, in seconds."""
    open_ms: Count = 1_000
    """How long it stays open before one probe is let through; doubled at each probe that fails."""
    max_open_ms: Count = 4_000
    """The longest that it stays open before the next probe."""
    outlier_factor: NonNegative = 5.0
    """A deployment this many times slower than its siblings' median is left out too; 0 never does so."""
    max_ejected: Share = 0.5
    """The share of a model's deployments that may be left out for slowness at once."""


class ShadowSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model that gets a copy of some calls; its answers are recorded and thrown away."""

    model: str
    """Another model of this file."""
    share: Share = 1.0
    """The share of calls that are copied, 0 to 1."""


class ArmSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One side of an experiment: the deployments whose `arm` is its name."""

    name: Name
    """As deployments and the record name it."""
    weight: NonNegativeCount
    """Its share, relative to the other arms."""


class ExperimentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Deployments compared on real traffic. Who falls in which arm is a stable hash."""

    name: Name
    """As the record names it; another name shuffles anew."""
    arms: tuple[ArmSettings, ...]
    """Two arms or more."""
    unit: ExperimentUnit = "conversation"
    """What stays in one arm: a `conversation`, a `subject` (an end user), a `key`, or each `call` for
    itself."""


class RoutingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a model's calls find a deployment."""

    strategy: Strategy = "weighted"
    """`weighted`: at random by weight. `least_busy`: the fewest calls under way for its weight.
    `lowest_latency`: the better of two chosen at random. `cheapest`: the lowest price among those that keep
    `latency_objective_ms`. `prefix_affinity`: the same beginning goes to the same deployment. `sticky`: the
    same conversation does."""
    latency_objective_ms: Above0 | None = None
    """For `cheapest`: the time to the first token (streams) or to the answer that a deployment must keep."""
    retries: RetrySettings = RetrySettings()
    """When a failed attempt is followed by another."""
    breaker: BreakerSettings = BreakerSettings()
    """When a deployment is left out."""
    hedge_after_ms: Above0 | None = None
    """A second attempt elsewhere begins when the first has given no byte for so long; it costs twice.
    Default: never."""
    shadows: tuple[ShadowSettings, ...] = ()
    """Models that get a copy of some calls."""
    experiment: ExperimentSettings | None = None
    """An A/B comparison of this model's deployments."""


class FallbackSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Other models to try, by the kind of failure."""

    outage: tuple[str, ...] = ()
    """When no deployment answers: refused, hung, cut, 5xx, or left out by the breaker."""
    rate_limit: tuple[str, ...] = ()
    """When the provider says 429."""
    context_length: tuple[str, ...] = ()
    """When the prompt is too long for the model."""
    content_filter: tuple[str, ...] = ()
    """When the provider's filter refuses."""


class LimitSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be used. What is left out is not limited."""

    requests_per_minute: Count | None = None
    """Calls in any 60 s."""
    tokens_per_minute: Count | None = None
    """Input and output tokens together in any 60 s; reserved by estimate, settled by usage."""
    concurrency: Count | None = None
    """Calls under way at once."""
    budget_day_usd: NonNegative | None = None
    """US dollars a UTC day."""
    budget_month_usd: NonNegative | None = None
    """US dollars a UTC calendar month."""


class CacheSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of a model's answers is answered again. Left out: nothing."""

    exact: bool = False
    """Whether a request that was answered before gets the same answer."""
    ttl_s: Above0 = 300.0
    """How long an answer is good, in seconds."""
    scope: CacheScope = "key"
    """Who shares answers: each `key` for itself, a `team`, or `all`."""
    semantic: bool = False
    """Whether a request whose last message means the same as one answered before gets that answer."""
    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.92
    """The cosine from which two messages may mean the same; their words must agree besides."""
    embedder: str = "all-minilm-l6-v2"
    """The embedding model of this file that judges it."""
    coalesce: bool = False
    """Whether identical requests under way at once are sent upstream once."""
    max_bytes: Count = 67_108_864
    """Memory for this model's answers on one worker, in bytes (64 MB)."""


class BatchingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Embedding requests that arrive together are sent upstream as one."""

    window_ms: Above0 = 2.0
    """How long the first request waits for others, in milliseconds."""
    max_inputs: Count = 64
    """The most inputs in one request upstream."""


class TeamSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What holds for all keys with one team label together."""

    limits: LimitSettings = LimitSettings()
    """What the team may use."""


class CounterSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where limits are counted."""

    store: Literal["host", "redis"] = "host"
    """`host`: one file shared by the workers of this host. `redis`: all hosts, through Valkey or Redis."""
    redis_url: SecretReference | None = None
    """The address, by reference: `${REDIS_URL}`, which holds `redis://[user:password@]host:port/number`."""
    on_loss: Literal["open", "closed"] = "open"
    """When the store is gone: `open` counts on this host alone, `closed` refuses limited calls (503)."""
    namespace: Name = "pilothouse"
    """What the keys in the shared store begin with."""


class QueueSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long a call may wait before it is refused with 429, by its key's priority."""

    high: Count = 30_000
    """In milliseconds."""
    normal: Count = 10_000
    """In milliseconds."""
    low: Count = 5_000
    """In milliseconds."""


class AdmissionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What happens when there are more calls than can be worked on at once, on one worker."""

    in_flight: Count = 4096
    """Calls under way; beyond it, or beyond a deployment's `max_concurrency`, calls queue by priority."""
    queue_calls: NonNegativeCount = 1024
    """Calls that may wait; when it is full, the lowest priority is refused first."""
    queue_ms: QueueSettings = QueueSettings()
    """How long each priority may wait."""
