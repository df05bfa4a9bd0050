"""Histograms in buckets that grow by a fixed share: any quantile within 2.5 % of itself, whatever the scale.

A value between `SMALLEST` and infinity falls in bucket ⌈log(value ÷ SMALLEST) ÷ log(GROWTH)⌉ + 1 and is told
again as the bucket's middle (Masson, Rim and Lee, "DDSketch", VLDB 2019); much below that it is told as 0, in
bucket 0. A value under zero falls in the same bucket with a minus: so log-probabilities have a scale too.

Refuses to know what is measured. Invariant: `abs(middle(bucket_of(x)) - x) <= 0.025 * abs(x)` for every
`SMALLEST <= abs(x) <= LARGEST`, in Python and in SQL.
"""

import math

__all__ = ["GROWTH", "LARGEST", "SMALLEST", "bucket_of", "bucket_sql", "middle"]

ERROR = 0.0245
"""A little under 2.5 %, so that rounding of logarithms at a bucket's edge stays under it."""
GROWTH = (1 + ERROR) / (1 - ERROR)
SMALLEST = 1e-3
"""Milliseconds, or nats: what is less is nothing."""
MOST = 1000
"""Buckets on each side of 0."""
LARGEST = SMALLEST * GROWTH ** (MOST - 1)
NOTHING = 1e-12
"""What 0 is taken for, since it has no logarithm."""
_LOG = math.log(GROWTH)
_MIDDLE = 2 * SMALLEST / (GROWTH + 1)


def bucket_of(value: float) -> int:
    """Returns the bucket that `value` falls in."""
    size = max(abs(value), NOTHING)
    number = max(0, min(MOST, math.ceil(math.log(size / SMALLEST) / _LOG) + 1))
    return number if value > 0 else -number


def middle(bucket: int) -> float:
    """Returns the value that stands for all in `bucket`."""
    if bucket == 0:
        return 0.0
    size = _MIDDLE * GROWTH ** (abs(bucket) - 1)
    return size if bucket > 0 else -size


def bucket_sql(column: str) -> str:
    """Returns the expression for the bucket of `column`, which is a name or an expression of ours."""
    number = f"ceil(ln(greatest(abs({column}), {NOTHING!r}) / {SMALLEST!r}) / {_LOG!r}) + 1"
    return f"CAST(sign({column}) * greatest(0, least({MOST}, {number})) AS SMALLINT)"
