"""ClickHouse's spelling.

Refuses to know DuckDB's. Invariant: asked with the settings of `store/clickhouse_client.py`, by which a
join's missing side is NULL and a name means a column before an alias.
"""

from collections.abc import Sequence
from typing import Final

from pilothouse.store.dialects.dialect import Dialect

__all__ = ["CLICKHOUSE", "ClickHouse"]


class ClickHouse(Dialect):
    """The database for a record that has outgrown one machine."""

    name = "clickhouse"

    def quantile(self, value: str, share: float, *, where: str | None = None) -> str:
        """As `Dialect` has it."""
        return f"quantileExactInclusive({share!r})({value}){_only(where)}"

    def quantiles(self, value: str, shares: Sequence[float], *, where: str | None = None) -> str:
        """As `Dialect` has it."""
        return f"quantilesExactInclusive({', '.join(map(repr, shares))})({value}){_only(where)}"

    def divide_whole(self, value: str, by: str) -> str:
        """As `Dialect` has it."""
        return f"intDiv({value}, {by})"

    def any_value(self, value: str) -> str:
        """As `Dialect` has it."""
        return f"any({value})"

    def value_at_largest(self, value: str, by: str) -> str:
        """As `Dialect` has it."""
        return f"argMax({value}, {by})"

    def value_at_smallest(self, value: str, by: str) -> str:
        """As `Dialect` has it."""
        return f"argMin({value}, {by})"

    def values(self, value: str) -> str:
        """As `Dialect` has it."""
        return f"groupArray({value})"

    def sample(self, value: str, every: int) -> str:
        """As `Dialect` has it."""
        return f"cityHash64({value}) % {every:d} = 0"

    def is_one_of(self, value: str, parameter: str) -> str:
        """As `Dialect` has it."""
        return f"{value} IN {parameter}"

    def has(self, text: str, part: str) -> str:
        """As `Dialect` has it."""
        return f"position({text}, {part}) > 0"

    def has_anycase(self, text: str, part: str) -> str:
        """As `Dialect` has it."""
        return f"positionCaseInsensitiveUTF8({text}, {part}) > 0"

    def starts_with(self, text: str, beginning: str) -> str:
        """As `Dialect` has it."""
        return f"startsWith({text}, {beginning})"

    def matches(self, text: str, pattern: str) -> str:
        """As `Dialect` has it."""
        return f"match({text}, {pattern})"

    def json_text(self, document: str, *keys: str) -> str:
        """As `Dialect` has it: texts without their quotes, all else as JSON."""
        path = ", ".join("'" + key.replace("\\", "\\\\").replace("'", "\\'") + "'" for key in keys)
        raw = f"JSONExtractRaw(assumeNotNull({document}), {path})"
        text = f"JSONExtractString(assumeNotNull({document}), {path})"
        return (
            f"multiIf({document} IS NULL, NULL, {raw} IN ('', 'null'), NULL,"
            f" {text} <> '', {text}, {raw} = '\"\"', '', {raw})"
        )

    def number(self, text: str) -> str:
        """As `Dialect` has it."""
        return f"toFloat64OrNull({text})"

    def whole(self, value: str) -> str:
        """As `Dialect` has it."""
        return f"toInt64(trunc({value}))"


def _only(where: str | None) -> str:
    return "" if where is None else f" FILTER (WHERE {where})"


CLICKHOUSE: Final = ClickHouse()
