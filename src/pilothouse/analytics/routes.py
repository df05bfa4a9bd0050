"""The management API's questions to the record: overview, models, calls, one call, the live tail.

Refuses to know who may ask, and which processes run: both are handed in. Invariant: an answer's content is
unsealed for the one call that is asked for, and for nobody else.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Annotated, Literal, Protocol

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import StreamingResponse

from pilothouse.analytics.calls import (
    CallDetail,
    CallFilter,
    CallPage,
    get_call,
    list_calls,
)
from pilothouse.analytics.classes import StatusClass
from pilothouse.analytics.deployments import DeploymentNumbers, deployment_numbers
from pilothouse.analytics.experiments import ExperimentNumbers, experiments
from pilothouse.analytics.live import Rendering, Watched, events
from pilothouse.analytics.overview import Overview, State, overview
from pilothouse.contracts.snapshot import ModelKind
from pilothouse.store.dialects.reader import Readable
from pilothouse.telemetry.keyring import Keyring

router = APIRouter(prefix="/api/v1")

MOST_NAME_CHARACTERS = 300

DeploymentState = Literal["ready", "starting", "restarting", "stopped", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class PriceView:
    """US dollars for a million tokens."""

    input_usd: float
    output_usd: float
    cached_input_usd: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Served:
    """A deployment as it is served now, by whoever knows."""

    id: str
    model: str
    kind: ModelKind
    provider: str
    upstream_model: str
    weight: int
    engine: str | None = None
    state: DeploymentState = "unknown"
    reason: str | None = None
    slots: int | None = None
    slots_busy: int | None = None
    queued: int | None = None
    resident_bytes: int | None = None
    price: PriceView | None = None


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """A deployment: how it is, and what it did in the window."""

    id: str
    provider: str
    upstream_model: str
    engine: str | None
    state: DeploymentState
    reason: str | None
    weight: int
    requests: int
    errors: int
    error_rate: float | None
    first_token_p95_ms: float | None
    latency_p95_ms: float | None
    output_tokens_per_second: float
    cost_usd: float | None
    unpriced_calls: int
    slots: int | None
    slots_busy: int | None
    queued: int | None
    resident_bytes: int | None
    price: PriceView | None


@dataclass(frozen=True, slots=True)
class ModelView:
    """A public model name and who answers for it."""

    model: str
    kind: ModelKind
    deployments: list[DeploymentView]


@dataclass(frozen=True, slots=True)
class ExperimentList:
    """Experiments that had calls in the window, by model and name."""

    data: list[ExperimentNumbers]


@dataclass(frozen=True, slots=True)
class ModelList:
    """Models, in the order of the configuration; then those called by `<provider>/<model>`."""

    data: list[ModelView]


class Serving(Protocol):
    """Whoever knows what is served now."""

    def deployments(self) -> Sequence[Served]:
        """Returns every deployment of the configuration, with its live state."""

    def state(self) -> State:
        """Returns whether it serves, and why not."""

    def ingest_lag_ms(self, now_ms: int) -> float:
        """Returns how far the record is behind."""


@dataclass(frozen=True, slots=True)
class Record:
    """All that these routes stand on; the process puts one into `app.state.record`."""

    analytics: Readable
    keyring: Keyring
    key_names: Callable[[], Mapping[str, str]]
    """Gives the name of each key and session, by id."""
    serving: Serving
    tail: Watched
    is_allowed: Callable[[Request], bool]
    """Says whether the request's caller may still read."""
    rendering: Rendering = field(default_factory=Rendering)
    """Calls of the tail, each rendered once."""
    keyring_lock: Lock = field(default_factory=Lock)
    """The keyring is for one thread at a time."""


def record_of(request: Request) -> Record:
    """Returns the process's record."""
    record = request.app.state.record
    assert isinstance(record, Record)
    return record


def read_clock() -> int:
    """Returns the time, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


RecordHere = Annotated[Record, Depends(record_of)]
Now = Annotated[int, Depends(read_clock)]
WindowSeconds = Annotated[int, Query(ge=1, le=31 * 86_400, description="How far back, in seconds.")]
Name = Annotated[str | None, Query(max_length=MOST_NAME_CHARACTERS)]


def filter_of(  # noqa: PLR0913 - a parameter of the query each
    *,
    model: Name = None,
    outcome: Name = None,
    status_class: StatusClass | None = None,
    key_id: Name = None,
    conversation_id: Name = None,
    team: Name = None,
    deployment: Name = None,
    dialect: Name = None,
    cache: Name = None,
    experiment: Name = None,
    arm: Name = None,
    shadow_of: Name = None,
) -> CallFilter:
    """Returns the filter that the query asks for."""
    return CallFilter(
        model=model,
        outcome=outcome,
        status_class=status_class,
        key_id=key_id,
        conversation_id=conversation_id,
        team=team,
        deployment=deployment,
        dialect=dialect,
        cache=cache,
        experiment=experiment,
        arm=arm,
        shadow_of=shadow_of,
    )


FilterHere = Annotated[CallFilter, Depends(filter_of)]


@router.get("/overview", tags=["Record"], summary="The golden numbers")
def show_overview(
    record: RecordHere,
    now: Now,
    window_s: WindowSeconds = 900,
    points: Annotated[int, Query(ge=1, le=720, description="Steps of each series.")] = 60,
) -> Overview:
    """Rates, errors, latencies, tokens and cost over a window, beside the window before it."""
    return overview(
        record.analytics,
        now_ms=now,
        window_s=window_s,
        points=points,
        state=record.serving.state(),
        ingest_lag_ms=round(record.serving.ingest_lag_ms(now), 1),
    )


@router.get("/models", tags=["Record"], summary="Models and their deployments")
def show_models(record: RecordHere, now: Now, window_s: WindowSeconds = 900) -> ModelList:
    """Every model with its deployments: how they are, and what they did in the window."""
    numbers = deployment_numbers(record.analytics, now_ms=now, window_s=window_s)
    return ModelList(models_of(record.serving.deployments(), numbers))


@router.get("/experiments", tags=["Record"], summary="Experiments, arm by arm")
def show_experiments(record: RecordHere, now: Now, window_s: WindowSeconds = 86_400) -> ExperimentList:
    """What each arm of each experiment did in the window, side by side."""
    return ExperimentList(experiments(record.analytics, now_ms=now, window_s=window_s))


@router.get("/requests", tags=["Record"], summary="Calls, newest first")
def show_calls(
    record: RecordHere,
    only: FilterHere,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    before: Annotated[
        str | None, Query(max_length=100, description="`next_before` of the page before.")
    ] = None,
) -> CallPage:
    """Calls on record that match all filters given, newest first, in pages."""
    return list_calls(record.analytics, limit=limit, before=before, only=only, key_names=record.key_names())


@router.get("/requests/tail", tags=["Record"], summary="Calls as they get on record")
async def tail_calls(
    request: Request,
    record: RecordHere,
    only: FilterHere,
    most: Annotated[
        int | None,
        Query(ge=1, le=1000, description="Calls at a time at most, in a flood; the others are only counted."),
    ] = None,
) -> StreamingResponse:
    """Sends each call as a server-sent event `call` when it gets on record, until you hang up.

    With `most`, the newest are sent when there are more, and an event `skipped` says how many were left out.
    """

    def look_up() -> Mapping[str, str] | None:
        return record.key_names() if record.is_allowed(request) else None

    return StreamingResponse(
        events(record.tail, record.rendering, look_up=look_up, only=only, most=most),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


@router.get("/requests/{call_id}", tags=["Record"], summary="One call, with its content")
def show_call(
    call_id: Annotated[str, Path(max_length=MOST_NAME_CHARACTERS, description="A call's or request's id.")],
    record: RecordHere,
) -> CallDetail:
    """One call with its parameters, attempts, messages and answer; by call id, else by request id."""
    with record.keyring_lock:
        return get_call(record.analytics, call_id, keyring=record.keyring, key_names=record.key_names())


def models_of(served: Sequence[Served], numbers: Mapping[str, DeploymentNumbers]) -> list[ModelView]:
    """Returns the models with their numbers; deployments that only the record knows come last.

    Args:
        served: What is served now.
        numbers: What was done in a window, by deployment id.
    """
    known = {one.id for one in served}
    others = [_unlisted(name) for name in sorted(numbers) if name not in known]
    models: dict[str, ModelView] = {}
    for one in (*served, *others):
        model = models.setdefault(one.model, ModelView(one.model, one.kind, []))
        model.deployments.append(_view(one, numbers.get(one.id) or DeploymentNumbers(one.id)))
    return list(models.values())


def _unlisted(deployment: str) -> Served:
    """Returns a deployment that was called as `<provider>/<model>`, or that is no longer configured."""
    provider, _, upstream_model = deployment.partition("/")
    return Served(
        id=deployment,
        model=deployment,
        kind="chat",
        provider=provider,
        upstream_model=upstream_model,
        weight=0,
    )


def _view(served: Served, numbers: DeploymentNumbers) -> DeploymentView:
    state = served.state
    if state == "unknown" and numbers.requests:
        state = "failed" if numbers.errors == numbers.requests else "ready"
    return DeploymentView(
        id=served.id,
        provider=served.provider,
        upstream_model=served.upstream_model,
        engine=served.engine,
        state=state,
        reason=served.reason,
        weight=served.weight,
        requests=numbers.requests,
        errors=numbers.errors,
        error_rate=numbers.error_rate,
        first_token_p95_ms=numbers.first_token_p95_ms,
        latency_p95_ms=numbers.latency_p95_ms,
        output_tokens_per_second=numbers.output_tokens_per_second,
        cost_usd=numbers.cost_usd,
        unpriced_calls=numbers.unpriced_calls,
        slots=served.slots,
        slots_busy=served.slots_busy,
        queued=served.queued,
        resident_bytes=served.resident_bytes,
        price=served.price,
    )
