"""Ends this process when another control process has taken over the state that both can reach.

Refuses to know how a lease is held. Invariant: without the lease, no work goes on for longer than a tick.
"""

import logging
import os
import signal
from collections.abc import Sequence
from typing import Protocol

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.worker import Job

logger = logging.getLogger(__name__)

EVERY_S = 2.0


class HeldLease(Protocol):
    """A lease that was taken."""

    def tick(self, now_ms: int) -> bool:
        """Makes sure that it is held still, and takes it again when its connection was lost."""


def lease_jobs(lease: HeldLease | None) -> Sequence[Job]:
    """Returns the job that watches the lease, none for a state that no other machine reaches."""
    if lease is None:
        return ()

    def tick(now_ms: int) -> bool:
        try:
            return lease.tick(now_ms)
        except ConfigurationError as error:
            logger.critical("%s This one ends.", error.message)
            os.kill(os.getpid(), signal.SIGTERM)
            return False

    return (Job("state lease", tick, EVERY_S),)
