"""DuckDB's spelling.

Refuses to know ClickHouse's. Invariant: needs no extension.
"""

from collections.abc import Sequence
from typing import Final

from pilothouse.store.dialects.dialect import Dialect

__all__ = ["DUCKDB", "DuckDb"]


class DuckDb(Dialect):
    """The embedded database."""

    name = "duckdb"

    def quantile(self, value: str, share: float, *, where: str | None = None) -> str:
        """As `Dialect` has it."""
        return f"quantile_cont({value}, {share!r}){_only(where)}"

    def quantiles(self, value: str, shares: Sequence[float], *, where: str | None = None) -> str:
        """As `Dialect` has it."""
        return f"quantile_cont({value}, [{', '.join(map(repr, shares))}]){_only(where)}"

    def divide_whole(self, value: str, by: str) -> str:
        """As `Dialect` has it."""
        return f"({value} // {by})"

    def any_value(self, value: str) -> str:
        """As `Dialect` has it."""
        return f"any_value({value})"

    def value_at_largest(self, value: str, by: str) -> str:
        """As `Dialect` has it."""
        return f"arg_max({value}, {by})"

    def value_at_smallest(self, value: str, by: str) -> str:
        """As `Dialect` has it."""
        return f"arg_min({value}, {by})"

    def values(self, value: str) -> str:
        """As `Dialect` has it."""
        return f"coalesce(list({value}) FILTER (WHERE {value} IS NOT NULL), [])"

    def sample(self, value: str, every: int) -> str:
        """As `Dialect` has it."""
        return f"hash({value}) % {every:d} = 0"

    def is_one_of(self, value: str, parameter: str) -> str:
        """As `Dialect` has it."""
        return f"{value} IN (SELECT unnest({parameter}))"

    def has(self, text: str, part: str) -> str:
        """As `Dialect` has it."""
        return f"contains({text}, {part})"

    def has_anycase(self, text: str, part: str) -> str:
        """As `Dialect` has it."""
        return f"contains(lower({text}), lower({part}))"

    def starts_with(self, text: str, beginning: str) -> str:
        """As `Dialect` has it."""
        return f"starts_with({text}, {beginning})"

    def matches(self, text: str, pattern: str) -> str:
        """As `Dialect` has it."""
        return f"regexp_matches({text}, {pattern})"

    def json_text(self, document: str, *keys: str) -> str:
        """As `Dialect` has it."""
        return f"json_extract_string({document}, '{_path(keys)}')"

    def number(self, text: str) -> str:
        """As `Dialect` has it."""
        return f"TRY_CAST({text} AS DOUBLE)"

    def whole(self, value: str) -> str:
        """As `Dialect` has it."""
        return f"CAST(trunc({value}) AS BIGINT)"


def _only(where: str | None) -> str:
    return "" if where is None else f" FILTER (WHERE {where})"


def _path(keys: Sequence[str]) -> str:
    """Returns a JSON path; a key is quoted, so that one with a dot is one key."""
    quoted = "".join('."{}"'.format(key.replace('"', '\\"')) for key in keys)
    return f"${quoted}".replace("'", "''")


DUCKDB: Final = DuckDb()
