"""How calls are steered, limited, admitted and cached: the policies that the snapshot carries.

Refuses to know how any of them is carried out. Invariant: the defaults of each policy are what a gateway
does that was told nothing: one retry budget, a breaker, no limit, no cache.
"""

from typing import Literal

import msgspec

Strategy = Literal["weighted", "least_busy", "lowest_latency", "cheapest", "prefix_affinity", "sticky"]
"""weighted: at random by weight. least_busy: fewest calls under way for its weight. lowest_latency: peak
EWMA, the better of two chosen at random. cheapest: the lowest price among those that meet the latency
objective. prefix_affinity: the same beginning of a conversation goes to the same deployment. sticky: the
same conversation does."""
ErrorKind = Literal["outage", "rate_limit", "context_length", "content_filter"]
Priority = Literal["high", "normal", "low"]
CacheScope = Literal["key", "team", "all"]
ExperimentUnit = Literal["conversation", "subject", "key", "call"]


class Retries(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a failed attempt is followed by another at the same model's deployments."""

    attempts: int = 2
    """Further attempts after the first, at most."""
    deadline_ms: int = 60_000
    """No attempt begins later than this after the call was accepted."""
    base_ms: int = 25
    """The first back-off; each further one doubles it. The wait is drawn between 0 and it (full jitter)."""
    cap_ms: int = 2_000
    """The longest back-off."""
    budget_ratio: float = 0.2
    """Retries may be at most this share of the calls of the last ten seconds …"""
    budget_floor: int = 10
    """… and this many in any case, so that a quiet model still retries."""


class Breaker(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a deployment is left out, and how it comes back."""

    consecutive: int = 5
    """Failures in a row that open the breaker."""
    error_ratio: float = 0.5
    """Or this share of failures among the calls of `window_s`, if there were `min_calls`."""
    min_calls: int = 10
    window_s: float = 10.0
    open_ms: int = 1_000
    """How long it stays open before one probe is let through (half-open); doubled at each failed probe …"""
    max_open_ms: int = 4_000
    """… up to this, so that a recovered upstream is back within 5 s."""
    outlier_factor: float = 5.0
    """A deployment whose latency is this many times its siblings' median is ejected like a failing one; 0
    never ejects."""
    max_ejected: float = 0.5
    """The share of a model's deployments that outlier ejection may take out at once."""


class Shadow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model that gets a copy of some calls; its answers are recorded and thrown away."""

    model: str
    share: float = 1.0
    """The share of calls that are mirrored, 0 to 1."""


class Arm(msgspec.Struct, frozen=True):
    """One side of an experiment: the deployments that carry its name, and its share."""

    name: str
    weight: int


class Experiment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A/B arms: who falls in which is a stable hash of the unit and the experiment's name."""

    name: str
    arms: tuple[Arm, ...]
    unit: ExperimentUnit = "conversation"


class Routing(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one model's calls find a deployment."""

    strategy: Strategy = "weighted"
    latency_objective_ms: float | None = None
    """For `cheapest`: the time to the first token (streams) or to the answer that a deployment must keep."""
    retries: Retries = Retries()
    breaker: Breaker = Breaker()
    fallbacks: dict[ErrorKind, tuple[str, ...]] = {}
    """Public model names that are tried in order once a call's own deployments have failed in this way."""
    hedge_after_ms: float | None = None
    """A second attempt elsewhere begins when the first has given no byte for so long; `None` never does."""
    shadows: tuple[Shadow, ...] = ()
    experiment: Experiment | None = None


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a key, a team or a model may use; `None` is no limit."""

    requests_per_minute: int | None = None
    """In any 60 s (a sliding window)."""
    tokens_per_minute: int | None = None
    """Input and output together, in any 60 s; reserved by estimate, settled by usage."""
    concurrency: int | None = None
    """Calls under way at once."""
    budget_day_usd: float | None = None
    """US dollars a UTC day."""
    budget_month_usd: float | None = None
    """US dollars a UTC calendar month."""


NO_LIMITS = Limits()


class Counters(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where limits are counted."""

    store: Literal["host", "redis"] = "host"
    """`host`: one file shared by the workers of this host. `redis`: all hosts, through Valkey or Redis."""
    on_loss: Literal["open", "closed"] = "open"
    """When the store is gone: `open` counts on this host alone, `closed` refuses limited calls (503)."""
    namespace: str = "pilothouse"
    """Prefix of the keys in the shared store."""


class Admission(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happens when there are more calls than can be worked on at once, on one worker."""

    in_flight: int = 4096
    """Calls under way on one worker; beyond it (or beyond a deployment's `max_concurrency`) calls queue."""
    queue_calls: int = 1024
    """Calls that may wait on one worker; when it is full, the lowest priority that waits longest is shed."""
    queue_ms: dict[Priority, int] = {}
    """How long each class may wait before it is shed with 429; absent: high 30 s, normal 10 s, low 5 s."""


class Cache(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of one model's answers is answered again."""

    exact: bool = False
    """Answers a request whose canonical digest was answered before."""
    ttl_s: float = 300.0
    scope: CacheScope = "key"
    """Who shares answers: each key for itself, a team, or everybody. Never wider unless said."""
    semantic: bool = False
    """Answers a request whose last message means the same as one answered before, all else being equal."""
    threshold: float = 0.92
    """The cosine from which two messages may mean the same; the default was measured."""
    embedder: str = "all-minilm-l6-v2"
    """The public name of the embedding model that judges it."""
    coalesce: bool = False
    """Identical requests under way at once are sent upstream once."""
    max_bytes: int = 67_108_864
    """Memory for this model's answers on one worker (64 MB)."""


class Batching(msgspec.Struct, frozen=True, omit_defaults=True):
    """Embedding requests that arrive together are sent upstream as one."""

    window_ms: float = 2.0
    max_inputs: int = 64
