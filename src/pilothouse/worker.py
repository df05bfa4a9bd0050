"""Runs the packages' jobs: plain functions of the time, each in a thread of its own, again and again.

Refuses to know what a job does. Invariant: a job that fails is logged and tried again, later each time, and
holds up no other; only the process that holds the lease of a home runs jobs in it.
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pilothouse.contracts.errors import ConfigurationError

logger = logging.getLogger(__name__)

LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be done regularly."""

    name: str
    tick: Callable[[int], bool]
    """Called with the time in Unix milliseconds; returns whether there is more to do at once. Idempotent."""
    every_s: float


class Worker:
    """Runs jobs until it is stopped."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(job,), name=f"job-{job.name}", daemon=True)
            for job in jobs
        ]

    def start(self) -> None:
        """Starts every job, each with a first tick at once."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Lets running ticks finish and says whether all did within `timeout_s`."""
        self._stopping.set()
        ends = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, job: Job) -> None:
        failures = 0
        while not self._stopping.is_set():
            has_more = False
            try:
                has_more = job.tick(time.time_ns() // 1_000_000)
                failures = 0
            except Exception:
                failures += 1
                logger.exception("the job %s failed", job.name, extra={"failures": failures})
            if not has_more:
                self._stopping.wait(pause_s(job.every_s, failures))


def pause_s(every_s: float, failures: int) -> float:
    """Returns how long to wait for the next tick: longer after each failure in a row, at most a minute more.

    Args:
        every_s: The job's own pace.
        failures: How many ticks in a row have failed.
    """
    if failures == 0:
        return every_s
    return max(every_s, min(LONGEST_PAUSE_S, every_s * 2.0 ** min(failures, 30)))


class Lease:
    """Held by the one process that owns a home's databases; the kernel ends it with the process."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> None:
        """Takes the lease.

        Raises:
            ConfigurationError: Another process has it.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise ConfigurationError(
                f"Another control process works in this home (it holds {self._path}).",
                hint="Stop it first; a home has one.",
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Gives the lease back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
