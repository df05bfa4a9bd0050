"""The machine and its processes as Linux tells of them: CPU, memory, disk, load, open files (proc(5)).

Refuses to know what is too much. Invariant: reading changes nothing; what cannot be read is `None` or left
out, never 0.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Machine", "Process", "read_machine", "read_process"]

KIBIBYTE = 1024
IDLE_COLUMNS = (3, 4)
"""`idle` and `iowait` of the line `cpu` in proc(5), `/proc/stat`."""
ALL_COLUMNS = 8
"""The columns behind are counted in the others already."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine at one moment."""

    cpus: int
    """Those that this process may use."""
    cpu_busy_s: float
    """Seconds of all its CPUs together since it started."""
    cpu_idle_s: float
    load: tuple[float, float, float]
    """Over 1, 5 and 15 minutes."""
    memory_total_bytes: int
    """Of the machine, or of the container where that may have less."""
    memory_available_bytes: int
    disk_total_bytes: int
    """Of the home's file system."""
    disk_free_bytes: int
    open_files: int
    open_files_most: int


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one moment."""

    cpu_s: float
    resident_bytes: int
    threads: int
    open_files: int | None
    """`None` for a process of somebody else."""
    open_files_most: int | None


def read_machine(folder: str, *, proc: str = "/proc", cgroup: str = "/sys/fs/cgroup") -> Machine:
    """Returns the machine as it is; `folder` is on the disk that is told of."""
    busy_s, idle_s = _cpu(Path(proc, "stat").read_text(encoding="ascii"))
    total, available = _memory(Path(proc, "meminfo").read_text(encoding="ascii"))
    total, available = _within(cgroup, total, available)
    one, five, fifteen = (float(w) for w in Path(proc, "loadavg").read_text(encoding="ascii").split()[:3])
    used, _, most = (int(w) for w in Path(proc, "sys/fs/file-nr").read_text(encoding="ascii").split())
    disk = os.statvfs(folder)
    return Machine(
        cpus=len(os.sched_getaffinity(0)),
        cpu_busy_s=busy_s,
        cpu_idle_s=idle_s,
        load=(one, five, fifteen),
        memory_total_bytes=total,
        memory_available_bytes=available,
        disk_total_bytes=disk.f_blocks * disk.f_frsize,
        disk_free_bytes=disk.f_bavail * disk.f_frsize,
        open_files=used,
        open_files_most=most,
    )


def read_process(pid: int, *, proc: str = "/proc") -> Process | None:
    """Returns a process as it is, `None` when there is no such one."""
    folder = Path(proc, str(pid))
    try:
        # A program's name, in brackets, may hold anything, brackets and blanks too.
        words = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    ticks = int(words[11]) + int(words[12])
    return Process(
        cpu_s=ticks / os.sysconf("SC_CLK_TCK"),
        resident_bytes=int(words[21]) * os.sysconf("SC_PAGE_SIZE"),
        threads=int(words[17]),
        open_files=_open_files(folder),
        open_files_most=_open_files_most(folder),
    )


def _cpu(stat: str) -> tuple[float, float]:
    columns = [int(word) for word in stat.splitlines()[0].split()[1 : ALL_COLUMNS + 1]]
    idle = sum(columns[place] for place in IDLE_COLUMNS)
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    return (sum(columns) - idle) * tick_s, idle * tick_s


def _memory(meminfo: str) -> tuple[int, int]:
    lines = (line.partition(":") for line in meminfo.splitlines())
    found = {name: int(value.split()[0]) * KIBIBYTE for name, _, value in lines if value.split()}
    return found["MemTotal"], found["MemAvailable"]


def _within(cgroup: str, total: int, available: int) -> tuple[int, int]:
    """Returns the memory that the container may have, where that is less than the machine's."""
    with suppress(OSError, ValueError):
        most = int(Path(cgroup, "memory.max").read_text(encoding="ascii"))  # "max" is no number: no bound
        used = int(Path(cgroup, "memory.current").read_text(encoding="ascii"))
        if most < total:
            return most, min(available, max(0, most - used))
    return total, available


def _open_files(folder: Path) -> int | None:
    try:
        return sum(1 for _ in os.scandir(folder / "fd"))
    except OSError:
        return None


def _open_files_most(folder: Path) -> int | None:
    try:
        return _limit((folder / "limits").read_text(encoding="ascii").splitlines())
    except OSError:
        return None


def _limit(lines: Iterable[str]) -> int | None:
    for line in lines:
        if line.startswith("Max open files"):
            soft = line.removeprefix("Max open files").split()[0]
            return int(soft) if soft.isdigit() else None
    return None
