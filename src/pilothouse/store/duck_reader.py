"""Reads the embedded analytics files.

Refuses to know what is asked. Invariant: a question ends within the settings' time and memory, with an answer
or a clear error.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import duckdb

from pilothouse.contracts.errors import UnavailableError
from pilothouse.store.asking import check
from pilothouse.store.dialects.dialect import Dialect
from pilothouse.store.dialects.duckdb import DUCKDB
from pilothouse.store.dialects.reader import Question

__all__ = ["DuckReader", "told_plainly"]


class DuckReader:
    """Answers questions on one connection of its own."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        content: Callable[[str], AbstractContextManager[str | None]],
    ) -> None:
        """Takes the connection, and what gives a day's content tables while held."""
        self._connection = connection
        self._content = content

    @property
    def dialect(self) -> Dialect:
        """DuckDB's."""
        return DUCKDB

    def rows(self, question: Question) -> list[tuple[Any, ...]]:
        """Returns the answer's rows."""
        check()
        return self._connection.execute(question.sql, question.given()).fetchall()

    def content(self, day: str) -> AbstractContextManager[str | None]:
        """Gives the schema with the content of `day`, while held."""
        return self._content(day)

    def execute(self, sql: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        """Runs a statement that is not a question (the tests', and code that only DuckDB's files have)."""
        return self._connection.execute(sql, parameters)


@contextmanager
def told_plainly(query_timeout_s: float) -> Iterator[None]:
    """Turns DuckDB's errors into ours.

    Raises:
        UnavailableError: a question took too long, or more memory than is allowed, or the files are away.
    """
    try:
        yield
    except duckdb.InterruptException as error:
        raise UnavailableError(
            f"the question to the record took over {query_timeout_s:g} s and was given up",
            hint="ask about a shorter time, or raise analytics.query_timeout_s",
            code="query_timeout",
        ) from error
    except duckdb.FatalException as error:
        raise UnavailableError(
            "the record cannot be read at the moment: it is being opened anew after a fault of the disk",
            hint="see that the disk is not full; nothing on record is lost",
            code="record_unavailable",
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise UnavailableError(
            "the question to the record needs more memory than it may take",
            hint="ask about a shorter time, or raise analytics.memory_mb",
            code="query_too_large",
        ) from error
