"""`/api/v1/resources`: the machine, its processes, engines, GPUs and disk, each with what is left of it.

A job looks every five seconds and keeps the last hour in memory, for small charts and for when the disk will
be full.

Refuses to know who looks, and what is too little. Invariant: what cannot be read is left out or `null`,
never 0; asking costs no reading.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal, Protocol

from fastapi import APIRouter, Request

from pilothouse.access.authenticate import Viewer
from pilothouse.api.history import STEP_S, History
from pilothouse.contracts.errors import UnavailableError
from pilothouse.contracts.status import EngineStatus, SupervisorStatus
from pilothouse.telemetry.machine import Machine, Process, read_machine, read_process
from pilothouse.telemetry.machine_gpus import Gpu, Gpus

router = APIRouter(prefix="/api/v1")

POINTS = 120
"""Values in one small chart."""

Unit = Literal["cores", "bytes", "files", "share", "slots", "watts", "celsius"]


@dataclass(frozen=True, slots=True)
class Headroom:
    """One thing that can run out."""

    name: str
    """`cpu`, `memory`, `disk`, `open_files`, `gpu0`, `gpu0_memory` …"""
    title: str
    unit: Unit
    used: float
    most: float
    left: float
    share: float
    """Of `most` in use, 0 to 1."""
    full_in_s: float | None
    """In how many seconds nothing is left if it goes on as in the last hour; `null` without such a trend."""
    history: list[float]
    """Shares of the last hour at most, oldest first."""


@dataclass(frozen=True, slots=True)
class ProcessView:
    """One process of ours."""

    name: str
    pid: int
    cpu: float | None
    """Cores that it kept busy since the look before."""
    resident_bytes: int
    threads: int
    open_files: int | None
    open_files_most: int | None


@dataclass(frozen=True, slots=True)
class EngineView:
    """One engine of ours."""

    deployment: str
    state: str
    resident_bytes: int | None
    slots: int | None
    slots_busy: int | None
    queued: int | None
    slots_left: int | None
    history: list[float]
    """Shares of its slots that were busy."""


@dataclass(frozen=True, slots=True)
class GpuView:
    """One GPU."""

    index: int
    name: str
    use: float | None
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    power_w: float | None
    power_most_w: float | None
    temperature_c: float | None
    xids: dict[str, int]
    """The driver's critical errors by their Xid."""


@dataclass(frozen=True, slots=True)
class ResourcesView:
    """What there is and what is left."""

    at_ms: int
    step_ms: int
    """Between two looks."""
    load: tuple[float, float, float]
    cpus: int
    headroom: list[Headroom]
    processes: list[ProcessView]
    engines: list[EngineView]
    gpus: list[GpuView]


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one look found."""

    at_ms: int
    machine: Machine
    processes: Mapping[str, tuple[int, Process]] = field(default_factory=dict)
    """By name: its id, and how it is."""
    engines: tuple[EngineStatus, ...] = ()
    gpus: tuple[Gpu, ...] = ()


class Supervised(Protocol):
    """Whoever knows which processes there are."""

    def supervisor(self) -> SupervisorStatus | None:
        """Returns how the supervisor is, `None` when it does not answer."""


class Resources:
    """Looks again and again, and keeps the last hour. Looked by one thread, asked from any."""

    def __init__(self, folder: str, status: Supervised, gpus: Gpus) -> None:
        """Takes where the home is, who knows the processes, and the GPUs."""
        self._folder = folder
        self._status = status
        self._gpus = gpus
        self._lock = Lock()
        self._history: dict[str, History] = {}
        self._before: Reading | None = None
        self._last: Reading | None = None
        self._view: ResourcesView | None = None

    def tick(self, now_ms: int) -> bool:
        """Looks once; there is never more to do at once."""
        supervisor = self._status.supervisor()
        self.take(
            Reading(
                at_ms=now_ms,
                machine=read_machine(self._folder),
                processes=_processes(supervisor),
                engines=supervisor.engines if supervisor else (),
                gpus=self._gpus.read(),
            )
        )
        return False

    def take(self, reading: Reading) -> None:
        """Keeps what a look found."""
        with self._lock:
            self._before, self._last = self._last, reading
            self._view = self._put_together(reading)

    def last(self) -> Reading | None:
        """Returns what the last look found, `None` before the first."""
        return self._last

    def view(self) -> ResourcesView:
        """Returns what there is and what is left.

        Raises:
            UnavailableError: Nobody has looked yet.
        """
        view = self._view
        if view is None:
            raise UnavailableError("Nobody has looked at the machine yet.", hint="Ask again in a second.")
        return view

    def source(self, now_ms: int, window_s: int) -> ResourcesView:
        """Returns the same for the first screen, whatever its window."""
        del now_ms, window_s
        return self.view()

    def _put_together(self, reading: Reading) -> ResourcesView:
        rooms = [self._room(*row, at_ms=reading.at_ms) for row in self._rows(reading)]
        return ResourcesView(
            at_ms=reading.at_ms,
            step_ms=STEP_S * 1000,
            load=reading.machine.load,
            cpus=reading.machine.cpus,
            headroom=rooms,
            processes=[self._process(name, *found, reading) for name, found in reading.processes.items()],
            engines=[self._engine(one, reading.at_ms) for one in reading.engines],
            gpus=[_gpu(one) for one in reading.gpus],
        )

    def _rows(self, reading: Reading) -> Iterable[tuple[str, str, Unit, float, float]]:
        machine = reading.machine
        busy = self._cores_busy(machine)
        if busy is not None:
            yield "cpu", "CPU", "cores", min(busy, machine.cpus), float(machine.cpus)
        total = machine.memory_total_bytes
        yield "memory", "Memory", "bytes", float(total - machine.memory_available_bytes), float(total)
        disk = machine.disk_total_bytes
        yield "disk", "Disk", "bytes", float(disk - machine.disk_free_bytes), float(disk)
        yield "open_files", "Open files", "files", float(machine.open_files), float(machine.open_files_most)
        for gpu in reading.gpus:
            name = f"gpu{gpu.index}"
            if gpu.use is not None:
                yield name, f"GPU {gpu.index}", "share", gpu.use, 1.0
            if gpu.memory_total_bytes and gpu.memory_used_bytes is not None:
                used, most = float(gpu.memory_used_bytes), float(gpu.memory_total_bytes)
                yield f"{name}_memory", f"GPU {gpu.index} memory", "bytes", used, most

    def _cores_busy(self, machine: Machine) -> float | None:
        if self._before is None:
            return None
        before = self._before.machine
        busy = machine.cpu_busy_s - before.cpu_busy_s
        took = busy + machine.cpu_idle_s - before.cpu_idle_s
        return busy / took * machine.cpus if took > 0 else None

    def _room(self, name: str, title: str, unit: Unit, used: float, most: float, *, at_ms: int) -> Headroom:
        history = self._history.setdefault(name, History())
        share = used / most if most else 0.0
        history.add(at_ms, share)
        full_in_s = history.reaches_in_s(1.0) if unit == "bytes" else None
        left = max(0.0, most - used)
        return Headroom(name, title, unit, used, most, left, share, full_in_s, history.shown(POINTS))

    def _process(self, name: str, pid: int, now: Process, reading: Reading) -> ProcessView:
        before = self._before.processes.get(name) if self._before is not None else None
        cpu = None
        if self._before is not None and before is not None and before[0] == pid:
            passed_s = (reading.at_ms - self._before.at_ms) / 1000
            cpu = max(0.0, now.cpu_s - before[1].cpu_s) / passed_s if passed_s > 0 else None
        return ProcessView(
            name, pid, cpu, now.resident_bytes, now.threads, now.open_files, now.open_files_most
        )

    def _engine(self, engine: EngineStatus, at_ms: int) -> EngineView:
        history = self._history.setdefault(f"engine {engine.deployment}", History())
        slots, busy = engine.slots, engine.slots_busy
        if slots and busy is not None:
            history.add(at_ms, busy / slots)
        return EngineView(
            deployment=engine.deployment,
            state=engine.state,
            resident_bytes=engine.resident_bytes,
            slots=slots,
            slots_busy=busy,
            queued=engine.queued,
            slots_left=slots - busy if slots is not None and busy is not None else None,
            history=history.shown(POINTS),
        )


@router.get("/resources", tags=["Health"], summary="What the machine has left")
def show_resources(request: Request, _: Viewer) -> ResourcesView:
    """CPU, memory, disk, open files, processes, engines and GPUs, with the last hour."""
    resources = request.app.state.resources
    assert isinstance(resources, Resources)
    return resources.view()


def _processes(supervisor: SupervisorStatus | None) -> dict[str, tuple[int, Process]]:
    pids: dict[str, int | None] = {}
    if supervisor is not None:
        pids |= {one.name: one.pid for one in supervisor.processes}
        pids |= {f"engine {one.deployment}": one.pid for one in supervisor.engines}
    read = ((name, pid, read_process(pid)) for name, pid in pids.items() if pid is not None)
    return {name: (pid, found) for name, pid, found in read if found is not None}


def _gpu(gpu: Gpu) -> GpuView:
    return GpuView(
        index=gpu.index,
        name=gpu.name,
        use=gpu.use,
        memory_total_bytes=gpu.memory_total_bytes,
        memory_used_bytes=gpu.memory_used_bytes,
        power_w=gpu.power_w,
        power_most_w=gpu.power_most_w,
        temperature_c=gpu.temperature_c,
        xids={str(xid): count for xid, count in gpu.xids},
    )
