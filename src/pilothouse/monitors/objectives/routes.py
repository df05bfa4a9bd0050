"""`/api/v1/objectives`: each objective's budget, its burn rates and how the budget went.

Refuses to know how calls are counted. Invariant: the last point of a budget's series is what is left now.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from pilothouse.analytics.routes import MOST_NAME_CHARACTERS, Now
from pilothouse.contracts.errors import NotFoundError
from pilothouse.monitors.objectives.budget import State, budget_left, burn_rate
from pilothouse.monitors.objectives.keeper import Keeper, Kept

router = APIRouter(prefix="/api/v1")

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class BurnRate:
    """How fast the budget goes in one window."""

    window: str
    rate: float | None
    good: int
    total: int


@dataclass(frozen=True, slots=True)
class BurnCondition:
    """Two windows that must both burn this fast for an alert."""

    long: str
    short: str
    threshold: float
    rate: float
    """The rate that holds in both."""
    severity: str
    is_burning: bool


@dataclass(frozen=True, slots=True)
class ObjectiveView:
    """One objective."""

    name: str
    description: str | None
    measure: str
    threshold_ms: float | None
    goal: float
    window: str
    only: dict[str, str]
    state: State
    value: float | None
    """The share of good calls over the window."""
    good: int
    total: int
    budget: int
    """Bad calls that the window's calls allow."""
    budget_left: float | None
    """What is left of the error budget: 1 whole, 0 spent, below that overdrawn."""
    counted_at_ms: int
    burn_rates: list[BurnRate]
    conditions: list[BurnCondition]


@dataclass(frozen=True, slots=True)
class ObjectiveList:
    """All objectives, in the order of the configuration."""

    data: list[ObjectiveView]


@dataclass(frozen=True, slots=True)
class ObjectiveDetail:
    """One objective over its window."""

    objective: ObjectiveView
    start_ms: int
    step_ms: int
    good: list[float]
    total: list[float]
    budget_left: list[float | None]
    """What was left at the end of each step, of the budget of the whole window's calls."""


def keeper_of(request: Request) -> Keeper:
    """Returns who keeps the objectives."""
    keeper = request.app.state.objectives
    assert isinstance(keeper, Keeper)
    return keeper


KeeperHere = Annotated[Keeper, Depends(keeper_of)]


@router.get("/objectives", tags=["Objectives"], summary="Service-level objectives")
def list_objectives(keeper: KeeperHere) -> ObjectiveList:
    """Every objective of the configuration: its budget, how fast it goes, and whether that is an alert."""
    return ObjectiveList([view_of(kept) for kept in keeper.kept])


@router.get("/objectives/{name}", tags=["Objectives"], summary="One objective over its window")
def show_objective(
    name: Annotated[str, Path(max_length=MOST_NAME_CHARACTERS)],
    keeper: KeeperHere,
    now: Now,
    points: Annotated[int, Query(ge=1, le=400, description="About so many steps.")] = 60,
) -> ObjectiveDetail:
    """One objective with its good and counted calls over the window, and what was left of the budget."""
    for kept in keeper.kept:
        if kept.name == name:
            return detail_of(keeper, kept, now, points)
    raise NotFoundError(f"there is no objective {name!r}", hint="GET /api/v1/objectives lists them")


def view_of(kept: Kept) -> ObjectiveView:
    """Returns an objective as it is shown."""
    settings = kept.settings
    return ObjectiveView(
        name=kept.name,
        description=settings.description,
        measure=settings.measure,
        threshold_ms=settings.threshold_ms,
        goal=settings.goal,
        window=settings.window,
        only=settings.only,
        state=kept.state,
        value=kept.whole.share,
        good=int(kept.whole.good),
        total=int(kept.whole.total),
        budget=int(kept.whole.total * (1 - settings.goal) + 1e-9),
        budget_left=budget_left(kept.whole, settings.goal),
        counted_at_ms=kept.counted_at_ms,
        burn_rates=[
            BurnRate(window, burn_rate(tally, settings.goal), int(tally.good), int(tally.total))
            for window, tally in kept.windows.items()
        ],
        conditions=[
            BurnCondition(
                one.pair.long, one.pair.short, one.pair.rate, one.rate, one.pair.severity, one.is_burning
            )
            for one in kept.judged
        ],
    )


def detail_of(keeper: Keeper, kept: Kept, now_ms: int, points: int) -> ObjectiveDetail:
    """Returns an objective over its window; steps of an hour or more begin on an hour."""
    size_ms = HOUR_MS if kept.window_ms // points >= HOUR_MS else MINUTE_MS
    step_ms = max(size_ms, -(-kept.window_ms // points // size_ms) * size_ms)
    end_ms = -(-now_ms // size_ms) * size_ms
    steps = -(-kept.window_ms // step_ms)
    start_ms = end_ms - steps * step_ms
    tallies = keeper.counts(kept, start_ms, end_ms, step_ms)
    allowed = sum(tally.total for tally in tallies) * (1 - kept.settings.goal)
    left: list[float | None] = []
    spent = 0.0
    for tally in tallies:
        spent += tally.bad
        left.append(1 - spent / allowed if allowed else None)
    return ObjectiveDetail(
        view_of(kept),
        start_ms,
        step_ms,
        [tally.good for tally in tallies],
        [tally.total for tally in tallies],
        left,
    )
