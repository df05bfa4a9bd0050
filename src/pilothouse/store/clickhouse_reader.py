"""Reads a record in ClickHouse: the same questions, the same answers.

Refuses to know what is asked. Invariant: what a parameter holds is sent apart from the text, with its type.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pilothouse.store.clickhouse_client import ClickHouseLink, limits
from pilothouse.store.dialects.clickhouse import CLICKHOUSE
from pilothouse.store.dialects.dialect import Dialect
from pilothouse.store.dialects.reader import PARAMETER, Question

__all__ = ["ClickHouseReader", "ClickHouseRecord"]

DAY_S = 86_400
LARGEST_SIGNED = 2**63 - 1
AS_BYTES: dict[str, str | dict[str, str]] = {"sealed": "bytes"}
"""Columns that hold bytes and not text."""


class ClickHouseReader:
    """Answers questions over a client that any thread may use."""

    def __init__(self, link: ClickHouseLink) -> None:
        """Takes the connection and its limits."""
        self._link = link

    @property
    def dialect(self) -> Dialect:
        """ClickHouse's."""
        return CLICKHOUSE

    def rows(self, question: Question) -> list[tuple[Any, ...]]:
        """Returns the answer's rows."""
        given = question.given()
        types = {name: _type(value) for name, value in given.items()}
        text = PARAMETER.sub(lambda found: f"{{{found[1]}:{types[found[1]]}}}", question.sql)
        client = self._link.client()
        with self._link.told_plainly():
            answer = client.query(
                text,
                parameters=given,
                settings=limits(self._link.settings),
                column_formats=AS_BYTES,
            )
        return [tuple(map(_value, row)) for row in answer.result_rows]

    @contextmanager
    def content(self, day: str) -> Iterator[str | None]:
        """Gives the database: its table of content holds every day."""
        del day
        yield f"`{self._link.database}`"


class ClickHouseRecord:
    """A record in ClickHouse."""

    def __init__(self, link: ClickHouseLink) -> None:
        """Takes the connection and its limits."""
        self._link = link
        self._reader = ClickHouseReader(link)

    @contextmanager
    def reader(self) -> Iterator[ClickHouseReader]:
        """Gives a reader, while held."""
        yield self._reader

    def days(self) -> list[str]:
        """Returns the UTC days that have content, oldest first."""
        text = (
            "SELECT DISTINCT toInt64(partition) FROM system.parts "
            "WHERE database = $database AND table = 'content' AND active ORDER BY 1"
        )
        rows = self._reader.rows(Question("days", text, {"database": self._link.database}))
        return [datetime.fromtimestamp(day * DAY_S, UTC).strftime("%Y-%m-%d") for (day,) in rows]


def _type(value: object) -> str:
    """Returns the type that ClickHouse is to read a parameter as."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return f"Array({_type(value[0]) if value else 'String'})"
    if isinstance(value, bool):
        return "Bool"
    if isinstance(value, int):
        return "UInt64" if value > LARGEST_SIGNED else "Int64"
    if value is None:
        return "Nullable(String)"
    return "Float64" if isinstance(value, float) else "String"


def _value(value: Any) -> Any:
    """Returns a value as DuckDB would: what is no number is NULL."""
    if isinstance(value, float) and math.isnan(value):
        return None
    return [_value(one) for one in value] if isinstance(value, list | tuple) else value
