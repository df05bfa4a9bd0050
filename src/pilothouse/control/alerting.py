"""Puts alerting together: what is known of the present, the job that judges, the one that tells, the desk.

Refuses to know rules. Invariant: a present that nobody can tell is left out, never told as zero.
"""

import logging
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from sqlalchemy import Engine
from starlette.datastructures import State

from pilothouse.api.metrics import Ingest
from pilothouse.contracts.home import Home
from pilothouse.control.serving import Processes
from pilothouse.control.settings import ControlSettings
from pilothouse.monitors.alerts.announce import Announcer
from pilothouse.monitors.alerts.desk import AlertDesk
from pilothouse.monitors.alerts.rules import configured
from pilothouse.monitors.alerts.settings import Severity
from pilothouse.monitors.alerts.sources import Numbers, Objectives
from pilothouse.monitors.alerts.watch import Watch
from pilothouse.monitors.delivery import repository as deliveries
from pilothouse.monitors.delivery.send import Sender
from pilothouse.telemetry.prometheus import Family, Sample
from pilothouse.worker import Job

logger = logging.getLogger(__name__)

WHOLE = ""
DAY_MS = 86_400_000
WATCH_S = 5.0
SEND_S = 1.0
SETTLING_MS = 60_000
"""After a start, engines and gateways are given so long before they count as down."""
DOWN = frozenset({"failed", "restarting", "stopped"})


class PresentNumbers:
    """The measures of the present: lag, disk, and who is down."""

    def __init__(self, home: Home, status: Processes, ingest: Ingest) -> None:
        self._home = home
        self._status = status
        self._ingest = ingest

    def readings(self, now_ms: int) -> Mapping[str, Mapping[str, float]]:
        """Returns the values that are known, by measure and label."""
        found: dict[str, dict[str, float]] = {"ingest_lag_ms": {WHOLE: self._ingest.state(now_ms).lag_ms}}
        used = _disk_used(self._home.root)
        if used is not None:
            found["disk_used_share"] = {WHOLE: used}
        supervisor = self._status.supervisor()
        if supervisor is None or now_ms - supervisor.started_at_ms < SETTLING_MS:
            return found
        found["engines_down"] = {one.deployment: float(one.state in DOWN) for one in supervisor.engines}
        accepting = sum(one.is_accepting for one in self._status.gateways())
        expected = sum(one.name.startswith("gateway-") for one in supervisor.processes)
        found["gateways_down"] = {WHOLE: float(max(0, expected - accepting))}
        return found


def _disk_used(folder: str) -> float | None:
    """Returns the used share of a folder's disk, as those who may not write to its reserve meet it."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        logger.warning("the disk cannot be asked: %s", os.strerror(error.errno or 0))
        return None
    room = usage.used + usage.free
    return usage.used / room if room else None


class AlertMetrics:
    """What Prometheus is told of alerts."""

    def __init__(self, engine: Engine, desk: AlertDesk, watch: Watch) -> None:
        self._engine = engine
        self._desk = desk
        self._watch = watch

    def families(self, now_ms: int) -> list[Family]:
        """Returns the open alerts by severity, a day's deliveries by state, and the rules that fail."""
        open_now = Counter(alert.severity for alert, _ in self._desk.open_alerts(now_ms))
        with self._engine.connect() as connection:
            told = deliveries.counts(connection, now_ms - DAY_MS)
        failing = sum(one.error is not None for one in self._watch.judged.values())
        return [
            Family(
                "pilothouse_alerts_open",
                "gauge",
                "Alerts that are open or acknowledged, by severity.",
                [Sample(open_now[one], {"severity": one}) for one in get_args(Severity)],
            ),
            Family(
                "pilothouse_alert_deliveries",
                "gauge",
                "Notices of the last 24 hours, by how far they are.",
                [Sample(told.get(one, 0), {"state": one}) for one in ("waiting", "sent", "failed")],
            ),
            Family(
                "pilothouse_alert_rules_failing",
                "gauge",
                "Rules whose last look failed.",
                [Sample(failing)],
            ),
        ]


@dataclass(frozen=True, slots=True)
class Alerting:
    """What the rest of the process needs of alerting."""

    desk: AlertDesk
    metrics: AlertMetrics
    jobs: tuple[Job, ...]

    def mount(self, state: State) -> None:
        """Hands the API and the metrics what they ask for."""
        state.alerts = self.desk
        state.instruments.further.append(self.metrics.families)


def alerting(
    settings: ControlSettings,
    engine: Engine,
    *,
    numbers: Numbers,
    present: PresentNumbers,
    objectives: Objectives | None = None,
) -> Alerting:
    """Returns alerting, put together.

    Args:
        settings: The process's settings.
        engine: The state database.
        numbers: Who knows the measures.
        present: What is known of the present.
        objectives: Who keeps the objectives, if anybody does.
    """
    sender = Sender(engine, settings.receivers, settings.own_secrets)
    watch = Watch(
        engine,
        settings.alerts,
        configured(settings.alerts),
        numbers,
        present,
        Announcer(engine, wants=sender.wants, group_wait_s=settings.alerts.group_wait_s),
        settings.alerts.console_url or settings.address,
        objectives,
    )
    desk = AlertDesk(engine, watch=watch, sender=sender, numbers=numbers)
    jobs = (Job("alerts", watch.tick, WATCH_S), Job("alert delivery", sender.tick, SEND_S))
    return Alerting(desk, AlertMetrics(engine, desk, watch), jobs)
