"""Describes the machine that a figure was taken on. A figure without it is worth nothing.

Refuses to know what was measured.
"""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench import interpreter, processes

LOAD_WORTH_A_WARNING = 1.0


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine and its state at the start of a run."""

    at: str
    processor: str
    cores: int
    memory_gb: float
    kernel: str
    system: str
    python: str
    load_average: float
    """Over the last minute, before the bench did anything."""

    @property
    def is_busy(self) -> bool:
        """Whether others were using it, so that figures are only a hint."""
        return self.load_average > LOAD_WORTH_A_WARNING

    def line(self) -> str:
        """Returns the description as one sentence."""
        return (
            f"{self.cores} cores of {self.processor}, {self.memory_gb:.0f} GB, {self.system}, "
            f"Linux {self.kernel}, Python {self.python}; load average {self.load_average:.2f} at the start, "
            f"{self.at}"
        )


def describe(now: datetime | None = None) -> Machine:
    """Reads the description from the system."""
    return Machine(
        at=(now or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC"),
        processor=_field("/proc/cpuinfo", "model name", ":") or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=processes.memory_gb(),
        kernel=platform.release().partition("-")[0],
        system=_field("/etc/os-release", "PRETTY_NAME", "=").strip('"') or "Linux",
        python=interpreter.version(interpreter.fastest()),
        load_average=os.getloadavg()[0],
    )


def _field(path: str, name: str, separator: str) -> str:
    """Returns the value of the first line `name<separator>value` in a file, or an empty string."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(separator)[2].strip() for line in lines if line.startswith(name)), "")
