"""What Linux tells of processes and the machine: trees, CPU time, memory (proc(5)).

Refuses to know what the processes are. Invariant: a process that ends meanwhile counts as nothing and
raises nothing.
"""

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """Returns `root` and all its descendants that live."""
    found, at = [root], 0
    while at < len(found):
        for thread in _folders(f"/proc/{found[at]}/task"):
            found += [int(child) for child in _text(f"{thread}/children").split()]
        at += 1
    return found if Path(f"/proc/{root}").exists() else []


def command(process: int) -> str:
    """Returns a process's command line, its words parted by spaces."""
    return _text(f"/proc/{process}/cmdline").replace("\0", " ").strip()


def cpu_seconds(processes: Iterable[int]) -> float:
    """Returns the user and system time that `processes` have used so far."""
    total = 0
    for one in processes:
        # The command's name is in parentheses and may hold spaces: count from after it.
        fields = _text(f"/proc/{one}/stat").rpartition(")")[2].split()
        total += sum(int(ticks) for ticks in fields[11:13])
    return total / TICKS


def machine_seconds() -> float:
    """Returns the time in which any core was busy, or was taken away by the hypervisor."""
    user, nice, system, _, _, irq, softirq, steal = map(int, _text("/proc/stat").split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def resident_bytes(processes: Iterable[int]) -> int:
    """Returns the memory of `processes`, shared pages counted once among them (PSS)."""
    total = 0
    for one in processes:
        lines = _text(f"/proc/{one}/smaps_rollup").splitlines()
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def resident_set_bytes(process: int) -> int:
    """Returns the resident set of one process, shared pages included (RSS)."""
    fields = _text(f"/proc/{process}/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def memory_gb() -> float:
    """Returns the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def send(processes: Iterable[int], number: signal.Signals) -> None:
    """Sends a signal to each process that still lives."""
    for one in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, number)


def pin(process: int, core: int) -> None:
    """Binds every thread of a process, and what it starts later, to one core."""
    for thread in _folders(f"/proc/{process}/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), {core})


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _folders(path: str) -> list[Path]:
    try:
        return list(Path(path).iterdir())
    except OSError:
        return []
