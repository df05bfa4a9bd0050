"""A histogram's quantiles stay close to those of the values themselves."""

from collections import Counter

import duckdb
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.store.buckets import LARGEST, SMALLEST, bucket_of, bucket_sql, middle

ERROR = 0.025
sizes = st.floats(min_value=SMALLEST, max_value=LARGEST, allow_nan=False)
values = st.one_of(sizes, sizes.map(lambda size: -size), st.just(0.0))


@given(values)
def test_a_bucket_tells_a_value_within_its_error(value: float) -> None:
    assert abs(middle(bucket_of(value)) - value) <= ERROR * abs(value)


@given(st.lists(values, min_size=2, max_size=60))
def test_buckets_are_in_the_order_of_values(given_values: list[float]) -> None:
    numbers = [bucket_of(value) for value in sorted(given_values)]
    assert numbers == sorted(numbers)


@given(st.lists(sizes, min_size=1, max_size=300), st.floats(min_value=0, max_value=1))
def test_a_quantile_of_buckets_is_close_to_the_exact_one(given_values: list[float], quantile: float) -> None:
    counts = Counter(bucket_of(value) for value in given_values)
    told = sorted(middle(bucket) for bucket, count in counts.items() for _ in range(count))
    exact = float(np.quantile(given_values, quantile))
    assert abs(float(np.quantile(told, quantile)) - exact) <= ERROR * exact * (1 + 1e-9)


def test_the_database_puts_values_in_the_same_buckets() -> None:
    numbers = [0.0, 1e-9, SMALLEST, 0.5, 1.0, 17.3, 250.0, 9e7, 1e300, -0.25, -31.0, -1e-5]
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT {bucket_sql('x')} FROM (SELECT unnest($numbers::DOUBLE[]) AS x)", {"numbers": numbers}
        ).fetchall()
    assert [row[0] for row in rows] == [bucket_of(number) for number in numbers]
