"""Puts together what says things of calls: feedback joined, custom metrics computed, objectives kept.

Refuses to know how any of it is computed. Invariant: what is mounted answers from the start, with nothing
counted yet.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Engine

from pilothouse.analytics.numbers_routes import router as numbers_router
from pilothouse.contracts.events import RequestCompleted
from pilothouse.contracts.home import Home
from pilothouse.control.judging import JUDGING_S, Judging
from pilothouse.control.settings import ControlSettings
from pilothouse.monitors.metrics.desk import MetricDesk
from pilothouse.monitors.metrics.evaluator import Evaluator
from pilothouse.monitors.metrics.routes import router as metrics_router
from pilothouse.monitors.metrics.versions import settle_versions
from pilothouse.monitors.objectives.keeper import KEEPING_S, Keeper
from pilothouse.monitors.objectives.routes import router as objectives_router
from pilothouse.store.analytics import Analytics
from pilothouse.store.dialects.reader import Readable
from pilothouse.store.projector import Projector
from pilothouse.telemetry.keyring import Keyring
from pilothouse.worker import Job

__all__ = ["ROUTERS", "Application", "Measuring"]

ROUTERS = (numbers_router, objectives_router, metrics_router)
"""Routes for everybody with a key or a session."""


class Application(Protocol):
    """What routes find their parts in."""

    state: Any


@dataclass(frozen=True, slots=True)
class Measuring:
    """What the rest of the process needs of it."""

    judging: Judging
    objectives: Keeper
    metrics: MetricDesk

    @classmethod
    def of(
        cls,
        settings: ControlSettings,
        analytics: Analytics,
        projector: Projector,
        engine: Engine,
        record: Readable,
    ) -> "Measuring":
        """Returns it, put together; metrics whose meaning has changed have a new version.

        Args:
            settings: The process's settings.
            analytics: The embedded record, where feedback and values are written.
            projector: Who folds feedback in.
            engine: The state database, where versions are kept.
            record: What answers questions about weeks.
        """
        home = Home(settings.home)
        versions = settle_versions(engine, settings.metrics, now_ms=time.time_ns() // 1_000_000)
        keyring = Keyring(home.keyring, home.master_key)
        evaluator = Evaluator(analytics, keyring, settings.metrics, versions)
        return cls(
            Judging(analytics, projector, evaluator),
            Keeper(record, settings.objectives),
            MetricDesk(evaluator, engine),
        )

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What is to be done regularly."""
        jobs = (Job("judging", self.judging.tick, JUDGING_S),)
        return (*jobs, Job("objectives", self.objectives.tick, KEEPING_S)) if self.objectives.kept else jobs

    def give(self, calls: Sequence[RequestCompleted]) -> None:
        """Takes calls that got on record; from the projector's thread."""
        self.judging.give(calls)

    def mount(self, app: Application) -> None:
        """Hands the API, the metrics and the first screen what they ask for."""
        app.state.objectives = self.objectives
        app.state.metrics = self.metrics
        app.state.custom_measures = self.metrics.measures
        app.state.instruments.further.extend([self.objectives.families, self.metrics.families])
        if self.objectives.kept:
            app.state.screen.sources["objectives"] = lambda now_ms, window_s: self.objectives.shown()  # noqa: ARG005 - as the screen asks
