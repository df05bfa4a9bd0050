"""Histograms in buckets that grow by a fixed share: any quantile within 2.5 % of itself, whatever the scale.

A value between `SMALLEST` and infinity falls in bucket ⌈log(value ÷ SMALLEST) ÷ log(GROWTH)⌉ + 1 and is told
again as the bucket's middle (Masson, Rim and Lee, "DDSketch", VLDB 2019); below that it is told as 0, in
bucket 0. A value under zero falls in the same bucket with a minus: so log-probabilities have a scale too.

Refuses to know what is measured. Invariant: `abs(middle(bucket_of(x)) - x) <= 0.025 * abs(x)` for every
`SMALLEST <= abs(x) <= LARGEST`, in Python and in SQL.
"""

import math

__all__ = ["GROWTH", "LARGEST", "SMALLEST", "bucket_of", "bucket_sql", "middle", "middle_sql"]

ERROR = 0.0245
"""A little under 2.5 %, so that rounding of logarithms at a bucket's edge stays under it."""
GROWTH = (1 + ERROR) / (1 - ERROR)
SMALLEST = 1e-3
"""Milliseconds, or nats: what is less is nothing."""
MOST = 1000
"""Buckets on each side of 0."""
LARGEST = SMALLEST * GROWTH ** (MOST - 1)
_LOG = math.log(GROWTH)
_MIDDLE = 2 * SMALLEST / (GROWTH + 1)


def bucket_of(value: float) -> int:
    """Returns the bucket that `value` falls in."""
    size = abs(value)
    if size < SMALLEST:
        return 0
    number = min(MOST, math.ceil(math.log(size / SMALLEST) / _LOG) + 1)
    return number if value > 0 else -number


def middle(bucket: int) -> float:
    """Returns the value that stands for all in `bucket`."""
    if bucket == 0:
        return 0.0
    size = _MIDDLE * GROWTH ** (abs(bucket) - 1)
    return size if bucket > 0 else -size


def bucket_sql(column: str) -> str:
    """Returns the expression for the bucket of `column`, which is a name or an expression of ours."""
    number = f"ceil(ln(abs({column}) / {SMALLEST!r}) / {_LOG!r}) + 1"
    size = f"least({MOST}, {number})"
    return (
        f"CAST(CASE WHEN abs({column}) < {SMALLEST!r} THEN 0"
        f" WHEN {column} > 0 THEN {size} ELSE -{size} END AS SMALLINT)"
    )


def middle_sql(bucket: str) -> str:
    """Returns the expression for the value that stands for all in the bucket `bucket`."""
    size = f"{_MIDDLE!r} * pow({GROWTH!r}, abs({bucket}) - 1)"
    return f"CASE WHEN {bucket} = 0 THEN 0.0 WHEN {bucket} > 0 THEN {size} ELSE -({size}) END"
