"""Two counts over the last seconds, in ten buckets that are turned as time goes on.

Refuses to know what is counted and what time it is. Invariant: `good` and `bad` are the sums of the buckets
that are not older than the span; adding is O(1).
"""

BUCKETS = 10


class Window:
    """Counts of good and bad things in the last `span_s` seconds."""

    __slots__ = ("_bad", "_bucket_s", "_current", "_good", "bad", "good")

    def __init__(self, span_s: float) -> None:
        self._bucket_s = span_s / BUCKETS
        self._current = 0
        self._good = [0] * BUCKETS
        self._bad = [0] * BUCKETS
        self.good = 0
        self.bad = 0

    def add_good(self, now_s: float) -> None:
        """Counts something good."""
        bucket = int(now_s / self._bucket_s)
        if bucket != self._current:
            self._turn(bucket)
        self._good[bucket % BUCKETS] += 1
        self.good += 1

    def add_bad(self, now_s: float) -> None:
        """Counts something bad."""
        bucket = int(now_s / self._bucket_s)
        if bucket != self._current:
            self._turn(bucket)
        self._bad[bucket % BUCKETS] += 1
        self.bad += 1

    def look(self, now_s: float) -> None:
        """Forgets what has become too old."""
        bucket = int(now_s / self._bucket_s)
        if bucket != self._current:
            self._turn(bucket)

    def clear(self) -> None:
        """Forgets everything."""
        self._good = [0] * BUCKETS
        self._bad = [0] * BUCKETS
        self.good = self.bad = 0

    def _turn(self, bucket: int) -> None:
        gone = bucket - self._current
        if gone < 0:
            return  # a moment that was taken a little earlier: it counts in its own bucket
        if gone >= BUCKETS:
            self.clear()
        else:
            for old in range(self._current + 1, bucket + 1):
                at = old % BUCKETS
                self.good -= self._good[at]
                self.bad -= self._bad[at]
                self._good[at] = self._bad[at] = 0
        self._current = bucket
