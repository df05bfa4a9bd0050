"""Live gauges: what each process answers on its own `/status` Unix socket.

Refuses to know history: that is the journal's. Invariant: reading a status costs microseconds and changes
nothing.
"""

from typing import Literal

import msgspec

from pilothouse.contracts.traffic import Limits, Priority

CounterState = Literal["off", "host", "redis", "open", "closed"]
"""off: nothing is limited. host: in this host's file. redis: for all hosts. open, closed: the shared store is
gone, and limited calls are counted on this host alone, or refused."""
EngineState = Literal["starting", "ready", "restarting", "stopped", "failed"]
BreakerState = Literal["closed", "open", "half_open"]


class EngineStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """One engine process as the supervisor sees it."""

    deployment: str
    """The deployment it answers for."""
    state: EngineState
    """Where it is in its life."""
    reason: str | None = None
    """Why it is not ready."""
    pid: int | None = None
    """Its process."""
    restarts: int = 0
    """Times it was started again."""
    resident_bytes: int | None = None
    """Memory it holds."""
    slots: int | None = None
    """Calls it can work on at once."""
    slots_busy: int | None = None
    """Calls it works on now."""
    queued: int | None = None
    """Calls that wait inside it."""
    prompt_tokens_total: int | None = None
    """Input tokens since it started."""
    output_tokens_total: int | None = None
    """Output tokens since it started."""
    ready_after_s: float | None = None
    """How long its last start took."""


class ProcessStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """One child of the supervisor."""

    name: str
    """`supervisor`, `control`, `gateway-<worker>`, where a worker that took another's place is
    `<number>.<generation>`."""
    state: EngineState
    """Where it is in its life."""
    pid: int | None = None
    """Its process."""
    restarts: int = 0
    """Times it was started again."""
    resident_bytes: int | None = None
    """Memory it holds."""


class SupervisorStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `up` process: its children and engines."""

    version: str
    """Pilothouse's version."""
    started_at_ms: int
    """Unix milliseconds."""
    address: str
    """`http://host:port` that clients use."""
    snapshot_revision: int
    """The revision in force."""
    generation: int = 1
    """How often gateway workers have taken the place of others, and one."""
    processes: tuple[ProcessStatus, ...] = ()
    """The supervisor itself and its children."""
    engines: tuple[EngineStatus, ...] = ()
    """Engines of ours."""


class UpstreamStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The pool of connections to one upstream address."""

    origin: str
    """The address."""
    open: int = 0
    """Connections open."""
    idle: int = 0
    """Connections open and unused."""
    waiting: int = 0
    """Calls that wait for one."""
    opened_total: int = 0
    """Connections ever opened."""
    reused_total: int = 0
    """Calls sent on a connection that had served before."""
    failures_total: int = 0
    """Connections that could not be opened, and calls that met a deadline or a reset."""


class DeploymentStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """One deployment as one gateway worker meets it."""

    deployment: str
    """Its id."""
    model: str
    """The public name that it answers for."""
    breaker: BreakerState = "closed"
    """closed: it gets calls. open: it gets none. half_open: single probes."""
    cause: str | None = None
    """Why the breaker is not closed: `failures`, `silence` or `outlier`."""
    is_ejected: bool = False
    """Left out because it is far slower than its siblings."""
    is_ready: bool = True
    """Whether an engine of ours answers its health check."""
    held_ms: float = 0.0
    """For how much longer a 429 keeps calls away."""
    in_flight: int = 0
    """Attempts under way."""
    ewma_ms: float | None = None
    """Moving mean of the time to the first event of streams, else to plain answers."""
    peak_ms: float | None = None
    """The same, slow ones in full and then sinking (peak EWMA)."""
    ok_total: int = 0
    """Attempts that were answered."""
    failed_total: int = 0
    """Attempts that failed by its fault."""
    limited_total: int = 0
    """Attempts that it answered with 429."""
    opened_total: int = 0
    """Times its breaker opened."""


class CacheStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answers that one worker keeps of one model."""

    model: str
    """Its public name."""
    entries: int = 0
    """Answers kept."""
    bytes: int = 0
    """Memory they take."""
    exact_total: int = 0
    """Calls answered with the answer to an equal request."""
    semantic_total: int = 0
    """Calls answered with the answer to a request that means the same."""
    coalesced_total: int = 0
    """Calls answered together with an equal one under way."""
    misses_total: int = 0
    """Calls that were sent upstream."""
    embedder_misses_total: int = 0
    """Calls among them whose meaning could not be looked up in time."""
    flights: int = 0
    """Calls under way that others may join."""


class LimitUsage(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much of its limits one key, team or model has used, on this host."""

    scope: Literal["key", "team", "model"]
    """What is limited."""
    name: str
    """The key's id, the team's label, or the model's public name."""
    limits: Limits
    """Its limits."""
    requests: int | None = None
    """Requests in the window; `None` without such a limit, as below."""
    tokens: int | None = None
    """Tokens in the window: used, or reserved by calls under way."""
    under_way: int | None = None
    """Calls under way."""
    day_usd: float | None = None
    """US dollars spent since UTC midnight."""
    month_usd: float | None = None
    """US dollars spent since the UTC month began."""
    window_resets_s: float = 0.0
    """Until the window is empty, in seconds."""
    day_resets_s: float = 0.0
    """Until UTC midnight, in seconds."""
    month_resets_s: float = 0.0
    """Until the next UTC month, in seconds."""


class UsageStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `GET /usage` on a gateway worker's status socket says; any worker of the host says the same."""

    limits: tuple[LimitUsage, ...] = ()
    """One entry for each key, team and model with limits."""


class GatewayStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """One gateway worker."""

    worker: str
    """Its number."""
    pid: int
    """Its process."""
    version: str
    """Pilothouse's version."""
    snapshot_revision: int
    """The revision in force."""
    started_at_ms: int
    """Unix milliseconds."""
    is_accepting: bool
    """Whether new calls are taken in."""
    reason: str | None = None
    """Why not."""
    in_flight: int = 0
    """Calls under way."""
    streams: int = 0
    """Streams among them."""
    requests_total: int = 0
    """Calls since it started."""
    errors_total: int = 0
    """Calls that ended in an error."""
    journal_segment: str = ""
    """The segment file being written."""
    journal_bytes: int = 0
    """Bytes written to it."""
    journal_events_total: int = 0
    """Events written since it started."""
    snapshot_refusals_total: int = 0
    """Snapshots refused: unsigned, older or broken."""
    resident_bytes: int | None = None
    """Memory it holds."""
    upstreams: tuple[UpstreamStatus, ...] = ()
    """The pool, one entry an address."""
    queued: dict[Priority, int] = {}
    """Calls that wait to be let in, by class; a class in which none waits is left out."""
    shed_total: int = 0
    """Calls that were refused because they could not be let in in time."""
    limited_total: int = 0
    """Calls that were refused because of a limit of their key, team or model."""
    counters: CounterState = "off"
    """Where limits are counted now."""
    counters_reason: str | None = None
    """Why the shared store is not used, where it should be."""
    deployments: tuple[DeploymentStatus, ...] = ()
    """The deployments, one entry each."""
    retries_total: int = 0
    """Attempts that followed a failed one at the same model."""
    fallbacks_total: int = 0
    """Attempts at another model after one had failed."""
    hedges_total: int = 0
    """Second attempts because the first was slow (`hedge_after_ms`)."""
    rescues_total: int = 0
    """Second attempts because a deployment had fallen silent."""
    shadows_total: int = 0
    """Calls that were mirrored."""
    shadows_dropped_total: int = 0
    """Calls that were not mirrored because too many mirrors were under way."""
    telemetry_items_total: int = 0
    """Spans, log records and data points that applications sent and that were taken in."""
    telemetry_rejected_total: int = 0
    """Those whose ids were wrong."""
    telemetry_refused_total: int = 0
    """Requests with telemetry that were refused whole."""
    caches: tuple[CacheStatus, ...] = ()
    """Answers kept, one entry a model that keeps some."""
