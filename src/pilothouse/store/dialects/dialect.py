"""The words of SQL that DuckDB and ClickHouse spell differently, under one name each.

A question is written once, as a text with `$name` parameters, and asks the dialect for these fragments; all
else it keeps to what both read alike: `count(*) FILTER (WHERE …)`, `CASE`, `coalesce`, `GROUP BY 1`,
`||`, `substr`, `lower`, `least`, window functions, `ORDER BY … LIMIT`.

Refuses to know tables and who asks. Invariant: arguments are column names and expressions of our own, never
input; input travels as parameters.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

__all__ = ["Dialect", "DialectName"]

DialectName = Literal["duckdb", "clickhouse"]


class Dialect(ABC):
    """One database's spelling. Every method returns a fragment of SQL."""

    name: DialectName

    def count_if(self, condition: str) -> str:
        """Rows that meet `condition`; one where it is NULL does not."""
        return f"count(*) FILTER (WHERE {condition})"

    def sum_if(self, value: str, condition: str) -> str:
        """The sum of `value` over the rows that meet `condition`, 0 when there are none."""
        return f"coalesce(sum({value}) FILTER (WHERE {condition}), 0)"

    @abstractmethod
    def quantile(self, value: str, share: float, *, where: str | None = None) -> str:
        """The quantile `share` (0 to 1) of `value`, between two rows by straight line; NULL of nothing."""

    @abstractmethod
    def quantiles(self, value: str, shares: Sequence[float], *, where: str | None = None) -> str:
        """Several quantiles at once, as a list; a list of NULLs, or NULL, of nothing."""

    @abstractmethod
    def divide_whole(self, value: str, by: str) -> str:
        """The whole part of a division of whole numbers that are not negative."""

    def bucket(self, value: str, start: str, step: str) -> str:
        """Which step of `step` after `start` a time is in, from 0."""
        return self.divide_whole(f"({value} - {start})", step)

    @abstractmethod
    def any_value(self, value: str) -> str:
        """Some value of the group that is not NULL."""

    @abstractmethod
    def value_at_largest(self, value: str, by: str) -> str:
        """`value` of the row with the largest `by`, of those where it is not NULL."""

    @abstractmethod
    def value_at_smallest(self, value: str, by: str) -> str:
        """`value` of the row with the smallest `by`, of those where it is not NULL."""

    @abstractmethod
    def values(self, value: str) -> str:
        """All values of the group that are not NULL, as a list."""

    @abstractmethod
    def sample(self, value: str, every: int) -> str:
        """A condition that about one in `every` rows meets, the same ones each time."""

    @abstractmethod
    def is_one_of(self, value: str, parameter: str) -> str:
        """A condition: `value` is in the list that `parameter` (as `$ids`) holds."""

    @abstractmethod
    def has(self, text: str, part: str) -> str:
        """A condition: `text` has `part` in it, letters as they are written."""

    @abstractmethod
    def has_anycase(self, text: str, part: str) -> str:
        """A condition: `text` has `part` in it, large and small letters alike."""

    @abstractmethod
    def starts_with(self, text: str, beginning: str) -> str:
        """A condition: `text` begins so."""

    @abstractmethod
    def matches(self, text: str, pattern: str) -> str:
        """A condition: some part of `text` matches the regular expression (RE2 on both)."""

    @abstractmethod
    def json_text(self, document: str, *keys: str) -> str:
        """The text at `keys` of a JSON document, NULL when it is not there."""

    @abstractmethod
    def number(self, text: str) -> str:
        """`text` as a floating-point number, NULL when it is none."""

    @abstractmethod
    def whole(self, value: str) -> str:
        """A number as a 64-bit whole number, its fraction cut off."""
