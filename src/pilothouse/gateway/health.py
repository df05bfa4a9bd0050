"""`/livez`, `/readyz`, `/version` and the status of one worker.

Refuses to know calls. Invariant: asking costs microseconds, needs no key, and tells no secret.
"""

import os
import socket
from pathlib import Path

import msgspec

from pilothouse.contracts.status import GatewayStatus
from pilothouse.gateway.certificate import Certificate
from pilothouse.gateway.follow import Follower
from pilothouse.gateway.intake import Intake
from pilothouse.gateway.limits.upkeep import Upkeep
from pilothouse.gateway.state import GatewayState
from pilothouse.gateway.watch import deployments
from pilothouse.telemetry.journal import Journal

LOSS_NOTES = {
    "open": "the shared counters are gone: limits are counted on this host alone",
    "closed": "the shared counters are gone: limited calls are refused",
}


class Readiness(msgspec.Struct, frozen=True):
    """What `/readyz` says."""

    status: str
    reasons: tuple[str, ...]
    """Why not ready; empty when it is."""
    notes: tuple[str, ...]
    """What is wrong but does not keep calls from being answered."""
    worker: str
    snapshot_revision: int


class Health:
    """Looks at one worker's parts."""

    def __init__(
        self,
        state: GatewayState,
        follower: Follower,
        journal: Journal,
        started_at_ms: int,
        *,
        upkeep: Upkeep,
        intake: Intake,
        certificate: Certificate | None = None,
    ) -> None:
        self._state = state
        self._intake = intake
        self._upkeep = upkeep
        self._certificate = certificate
        self._follower = follower
        self._journal = journal
        self._started_at_ms = started_at_ms

    def readiness(self) -> Readiness:
        """Returns whether calls are taken, and why not."""
        reasons = [] if self._state.has_directory else [self._follower.refusal or "there is no snapshot yet"]
        full = self._state.journal.refusal()
        if full is not None:
            reasons.append(full)
        if self._state.is_stopping:
            reasons.append("the worker is stopping")
        notes = []
        if self._state.has_directory and self._follower.refusal is not None:
            notes.append(f"the newest snapshot was refused: {self._follower.refusal}")
        if self._certificate is not None and self._certificate.refusal is not None:
            notes.append(f"the newest certificate was refused: {self._certificate.refusal}")
        if self._state.has_successor:
            notes.append("this worker ends its last calls: another one serves in its place")
        state, why = self._upkeep.state()
        if state in ("open", "closed"):
            notes.append(f"{LOSS_NOTES[state]} ({why})")
        if not control_answers(self._state.home.control_socket):
            notes.append("control is away: calls are answered, the console and the management API are not")
        return Readiness(
            status="unready" if reasons else "ready",
            reasons=tuple(reasons),
            notes=tuple(notes),
            worker=self._state.process.worker,
            snapshot_revision=self._follower.revision,
        )

    def status(self) -> GatewayStatus:
        """Returns the worker's live gauges."""
        readiness = self.readiness()
        state = self._state
        counters, why = self._upkeep.state()
        return GatewayStatus(
            worker=state.process.worker,
            pid=os.getpid(),
            version=state.process.version,
            snapshot_revision=self._follower.revision,
            started_at_ms=self._started_at_ms,
            is_accepting=not readiness.reasons,
            reason="; ".join(readiness.reasons) or None,
            in_flight=state.in_flight,
            streams=state.streams,
            requests_total=state.requests_total,
            errors_total=state.errors_total,
            journal_segment=self._journal.segment,
            journal_bytes=self._journal.position,
            journal_events_total=self._journal.events_total,
            snapshot_refusals_total=self._follower.refusals_total,
            resident_bytes=_resident_bytes(),
            upstreams=state.pool.status(),
            queued=state.gatekeeper.queued(),
            shed_total=state.gatekeeper.shed_total,
            limited_total=state.meter.limited_total,
            counters=counters,
            counters_reason=why,
            caches=state.caches.status(),
            deployments=deployments(state),
            retries_total=state.book.retries_total,
            fallbacks_total=state.book.fallbacks_total,
            hedges_total=state.book.hedges_total,
            rescues_total=state.book.rescues_total,
            shadows_total=state.shadows_total,
            shadows_dropped_total=state.shadows_dropped_total,
            telemetry_items_total=self._intake.items_total,
            telemetry_rejected_total=self._intake.rejected_total,
            telemetry_refused_total=self._intake.refused_total,
        )


def control_answers(path: str) -> bool:
    """Says whether something listens on a Unix socket; connecting to one never waits."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        try:
            probe.connect(path)
        except BlockingIOError:
            return True  # its queue is full: it is there
        except OSError:
            return False
        return True


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
