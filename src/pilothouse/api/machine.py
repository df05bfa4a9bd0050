"""Prometheus' families of the machine, its processes and its GPUs, out of the last look at them.

Refuses to know how one looks. Invariant: the labels are names of ours and of the hardware.
"""

from pilothouse.api.resources import Reading
from pilothouse.telemetry.machine import Machine
from pilothouse.telemetry.machine_gpus import Gpu
from pilothouse.telemetry.prometheus import Family, Sample

__all__ = ["machine_families"]


def machine_families(reading: Reading | None) -> list[Family]:
    """Returns what the last look found; nothing before the first."""
    if reading is None:
        return []
    return [*_machine(reading.machine), *_processes(reading), *_gpus(reading.gpus)]


def _machine(machine: Machine) -> list[Family]:
    minutes = zip(("1m", "5m", "15m"), machine.load, strict=True)
    return [
        Family("pilothouse_machine_cpus", "gauge", "CPUs that we may use.", [Sample(machine.cpus)]),
        Family(
            "pilothouse_machine_cpu_seconds_total",
            "counter",
            "Time of all CPUs together, busy and idle.",
            [
                Sample(machine.cpu_busy_s, {"state": "busy"}),
                Sample(machine.cpu_idle_s, {"state": "idle"}),
            ],
        ),
        Family(
            "pilothouse_machine_load",
            "gauge",
            "Processes that want a CPU, on average over 1, 5 and 15 minutes.",
            [Sample(load, {"over": over}) for over, load in minutes],
        ),
        Family(
            "pilothouse_machine_memory_bytes",
            "gauge",
            "Memory of the machine, or of the container: all of it, and what is available.",
            [
                Sample(machine.memory_total_bytes, {"state": "total"}),
                Sample(machine.memory_available_bytes, {"state": "available"}),
            ],
        ),
        Family(
            "pilothouse_machine_disk_bytes",
            "gauge",
            "The file system of the home: all of it, and what is free.",
            [
                Sample(machine.disk_total_bytes, {"state": "total"}),
                Sample(machine.disk_free_bytes, {"state": "free"}),
            ],
        ),
        Family(
            "pilothouse_machine_open_files",
            "gauge",
            "Files open on the machine, and how many may be.",
            [
                Sample(machine.open_files, {"state": "open"}),
                Sample(machine.open_files_most, {"state": "most"}),
            ],
        ),
    ]


def _processes(reading: Reading) -> list[Family]:
    def each(name: str) -> list[Sample]:
        return [
            Sample(float(value), {"process": who})
            for who, (_, found) in reading.processes.items()
            if (value := getattr(found, name)) is not None
        ]

    return [
        Family("pilothouse_process_cpu_seconds_total", "counter", "CPU time of a process.", each("cpu_s")),
        Family("pilothouse_process_threads", "gauge", "Threads of a process.", each("threads")),
        Family("pilothouse_process_open_files", "gauge", "Files a process has open.", each("open_files")),
        Family("pilothouse_process_open_files_most", "gauge", "How many it may.", each("open_files_most")),
    ]


def _gpus(gpus: tuple[Gpu, ...]) -> list[Family]:
    def each(name: str, **labels: str) -> list[Sample]:
        return [
            Sample(float(value), {"gpu": str(gpu.index), "name": gpu.name, **labels})
            for gpu in gpus
            if (value := getattr(gpu, name)) is not None
        ]

    memory = [*each("memory_total_bytes", state="total"), *each("memory_used_bytes", state="used")]
    xids = [
        Sample(count, {"gpu": str(gpu.index), "name": gpu.name, "xid": str(xid)})
        for gpu in gpus
        for xid, count in gpu.xids
    ]
    return [
        Family("pilothouse_gpu_use_ratio", "gauge", "Share of time in which it worked.", each("use")),
        Family("pilothouse_gpu_memory_bytes", "gauge", "Memory of a GPU: all of it, and in use.", memory),
        Family("pilothouse_gpu_power_watts", "gauge", "Power a GPU draws.", each("power_w")),
        Family("pilothouse_gpu_power_limit_watts", "gauge", "The most it may draw.", each("power_most_w")),
        Family("pilothouse_gpu_temperature_celsius", "gauge", "Temperature.", each("temperature_c")),
        Family("pilothouse_gpu_xid_errors_total", "counter", "The driver's critical errors, by Xid.", xids),
    ]
