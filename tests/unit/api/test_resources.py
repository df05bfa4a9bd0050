"""What is left of the machine, how it has been, and when it will be full; and the same for Prometheus."""

from typing import Any

import msgspec
import pytest

from pilothouse.api.history import KEPT, STEP_S, History
from pilothouse.api.machine import machine_families
from pilothouse.api.resources import Reading, Resources
from pilothouse.contracts.errors import UnavailableError
from pilothouse.contracts.status import EngineStatus, SupervisorStatus
from pilothouse.telemetry.machine import Machine, Process
from pilothouse.telemetry.machine_gpus import Gpu, Gpus
from pilothouse.telemetry.prometheus import render


class _Nobody:
    def supervisor(self) -> SupervisorStatus | None:
        return None


def machine(**fields: Any) -> Machine:
    known: dict[str, Any] = {
        "cpus": 4, "cpu_busy_s": 10.0, "cpu_idle_s": 100.0, "load": (1.0, 2.0, 3.0),
        "memory_total_bytes": 1000, "memory_available_bytes": 250, "disk_total_bytes": 10_000,
        "disk_free_bytes": 6000, "open_files": 5, "open_files_most": 100,
    }  # fmt: skip
    return Machine(**known | fields)


def looked(*readings: Reading) -> Resources:
    resources = Resources("/", _Nobody(), Gpus(None))
    for reading in readings:
        resources.take(reading)
    return resources


def process(cpu_s: float) -> Process:
    return Process(cpu_s=cpu_s, resident_bytes=7, threads=2, open_files=None, open_files_most=20)


def test_nothing_is_told_before_the_first_look() -> None:
    resources = looked()
    assert machine_families(resources.last()) == []
    with pytest.raises(UnavailableError):
        resources.view()


def test_the_first_look_knows_no_cpu_and_the_second_does() -> None:
    first = Reading(0, machine(), {"control": (7, process(1.0))})
    view = looked(first).view()
    assert [room.name for room in view.headroom] == ["memory", "disk", "open_files"]
    assert view.processes[0].cpu is None
    later = machine(cpu_busy_s=13.0, cpu_idle_s=101.0)
    view = looked(first, Reading(5000, later, {"control": (7, process(3.0))})).view()
    cpu = view.headroom[0]
    assert (cpu.name, cpu.used, cpu.left, cpu.share) == ("cpu", 3.0, 1.0, 0.75)
    assert view.processes[0].cpu == pytest.approx(0.4)
    other = looked(first, Reading(5000, later, {"control": (8, process(3.0))})).view()
    assert other.processes[0].cpu is None, "another process with the same name"


def test_memory_is_what_is_not_available() -> None:
    memory = looked(Reading(0, machine())).view().headroom[0]
    assert (memory.used, memory.most, memory.left, memory.share) == (750, 1000, 250, 0.75)


def test_a_disk_that_fills_says_when_it_is_full() -> None:
    readings = [Reading(at * 5000, machine(disk_free_bytes=6000 - at * 10)) for at in range(100)]
    disk = looked(*readings).view().headroom[1]
    assert disk.name == "disk"
    assert disk.full_in_s == pytest.approx((6000 - 99 * 10) / 2.0)
    assert looked(*readings[:20]).view().headroom[1].full_in_s is None, "too little to foretell"
    assert looked(*[Reading(at * 5000, machine()) for at in range(100)]).view().headroom[1].full_in_s is None


def test_engines_have_slots_left_and_a_history() -> None:
    engine = EngineStatus(deployment="m/llama_cpp-0", state="ready", slots=8, slots_busy=2, queued=0)
    (view,) = looked(*[Reading(at, machine(), engines=(engine,)) for at in range(3)]).view().engines
    assert (view.slots_left, view.history) == (6, [0.25] * 3)


def test_a_gpu_that_tells_little_shows_little() -> None:
    gpus = (Gpu(0, "H", 0.5, 100, 40, 300.0, 700.0, 45.0, ((79, 2),)), Gpu(1, "unknown"))
    resources = looked(Reading(0, machine(), gpus=gpus))
    view = resources.view()
    assert [room.name for room in view.headroom if room.name.startswith("gpu")] == ["gpu0", "gpu0_memory"]
    assert view.gpus[0].xids == {"79": 2}
    text = render(machine_families(resources.last()))
    assert 'pilothouse_gpu_xid_errors_total{gpu="0",name="H",xid="79"} 2\n' in text
    assert 'pilothouse_gpu_memory_bytes{gpu="0",name="H",state="used"} 40\n' in text
    assert 'gpu="1"' not in text


def test_the_page_has_the_machine_and_its_processes() -> None:
    text = render(machine_families(Reading(0, machine(), {"control": (7, process(1.5))})))
    assert 'pilothouse_machine_cpu_seconds_total{state="busy"} 10\n' in text
    assert 'pilothouse_machine_disk_bytes{state="free"} 6000\n' in text
    assert 'pilothouse_process_cpu_seconds_total{process="control"} 1.5\n' in text
    assert "pilothouse_process_open_files{" not in text, "what is not known is no 0"


def test_an_hour_is_kept_and_shown_in_few_points() -> None:
    history = History()
    for at in range(KEPT * 2):
        history.add(at * STEP_S * 1000, float(at))
    assert len(history.points) == KEPT
    shown = history.shown(120)
    assert len(shown) == 120
    assert shown[0] == KEPT + 2.5
    assert shown == sorted(shown)


def test_the_answer_is_json() -> None:
    body = msgspec.json.encode(looked(Reading(0, machine())).source(0, 900))
    assert msgspec.json.decode(body)["load"] == [1.0, 2.0, 3.0]
