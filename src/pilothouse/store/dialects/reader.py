"""How the record is asked: a question with its name, its text and its parameters, and who answers it.

Refuses to know which database answers. Invariant: what reads the record stands on these three and on a
`Dialect`, so it reads DuckDB and ClickHouse alike.
"""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from pilothouse.store.dialects.dialect import Dialect

__all__ = ["PARAMETER", "Question", "Readable", "Reader"]

PARAMETER = re.compile(r"\$([a-z_][a-z0-9_]*)")
"""A parameter's place in a question's text."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it is asked, and as the console shows it."""

    name: str
    """One of `analytics/questions.py`."""
    sql: str
    """Its text in the reader's dialect, with `$name` where a parameter goes."""
    parameters: Mapping[str, Any]
    """Values by name; those that the text does not name are left out."""

    def given(self) -> dict[str, Any]:
        """Returns the parameters that the text names."""
        return {name: self.parameters[name] for name in dict.fromkeys(PARAMETER.findall(self.sql))}


class Reader(Protocol):
    """One who answers questions, each within the settings' time and memory."""

    @property
    def dialect(self) -> Dialect:
        """How questions to it are spelt."""

    def rows(self, question: Question) -> list[tuple[Any, ...]]:
        """Returns the answer's rows.

        Raises:
            UnavailableError: It took too long, needs too much memory, or the database is away.
        """

    def content(self, day: str) -> AbstractContextManager[str | None]:
        """Gives the schema of the tables with the sealed content of `day`, `None` when there is none.

        The tables may hold other days too: bound a question by time. Use the name only while held.
        """


class Readable(Protocol):
    """A record that can be read."""

    def reader(self) -> AbstractContextManager[Reader]:
        """Gives a reader for the calling thread, while held."""

    def days(self) -> list[str]:
        """Returns the UTC days (`2026-11-22`) that have content, oldest first."""
