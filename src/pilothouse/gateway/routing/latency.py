"""How long a deployment takes: a mean that follows slowly, and a peak that jumps up at once and sinks.

The peak is Finagle's "peak EWMA": a slow answer counts in full at once, and is forgotten with time. Refuses
to know what is timed. Invariant: `peak_ms` is never below the newest sample at the moment it was taken.
"""

from math import exp

DECAY_S = 10.0
"""After so long without a slow answer, a peak has sunk to about a third of its height above the rest."""
MEAN_SHARE = 0.1
"""The newest sample's share in the mean, once there are ten."""


class Latency:
    """The figures of one kind of answer (streams: to the first event; plain: to the answer)."""

    __slots__ = ("at_s", "count", "mean_ms", "peak_ms")

    def __init__(self) -> None:
        self.mean_ms = 0.0
        self.peak_ms = 0.0
        self.at_s = 0.0
        self.count = 0

    def add(self, sample_ms: float, now_s: float) -> None:
        """Takes a sample in."""
        count = self.count = self.count + 1
        share = MEAN_SHARE if count >= 1 / MEAN_SHARE else 1 / count
        self.mean_ms += (sample_ms - self.mean_ms) * share
        if sample_ms >= self.peak_ms:
            self.peak_ms = sample_ms
        else:
            self.peak_ms = sample_ms + (self.peak_ms - sample_ms) * exp((self.at_s - now_s) / DECAY_S)
        self.at_s = now_s

    def peak_at(self, now_s: float) -> float:
        """Returns the peak as it stands now: without samples it sinks, so that the slow are tried again."""
        return self.peak_ms * exp((self.at_s - now_s) / DECAY_S)

    def clear(self) -> None:
        """Forgets everything."""
        self.mean_ms = self.peak_ms = 0.0
        self.count = 0
