"""The blind index of words: which rows of a day's sealed content may hold a word, without saying the word.

Each word becomes twelve bits of 2,048, chosen by a keyed hash (BLAKE2b, key in the home's keys): four in each
of three of 32 columns of 64 bits. A row's words together are its signature; of more than 96 words there are
several. To look for a word reads three columns of eight bytes a row, and lets through about two rows in a
million that do not hold it; whoever asks opens the rest and compares. It stands in the day's own content
file, so it goes with the content. docs/decisions/0016-a-blind-index-of-words.md has the reasons.

Refuses to know what is asked of what is found. Invariant: a row that holds all the words is never left out:
one that is not indexed yet is let through.
"""

import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from pilothouse.contracts.errors import ConfigurationError, JournalError
from pilothouse.store.analytics import Analytics
from pilothouse.store.dialects.reader import Question, Reader
from pilothouse.store.search_words import LONGEST_WORD, texts_of, whole_words_of
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.sealing import is_under, unseal

__all__ = [
    "QUESTIONS",
    "Indexer",
    "Narrowed",
    "SearchIndex",
    "is_indexed",
    "load_search_key",
    "signatures_of",
]

log = logging.getLogger(__name__)

QUESTIONS = ("search.progress",)
KEY_BYTES = 32
COLUMNS = 32
BITS = 64
COLUMNS_A_WORD = 3
BITS_A_COLUMN = 4
BITS_BYTES = COLUMNS_A_WORD * BITS_A_COLUMN
WORDS_A_SIGNATURE = 96
"""So that about a third of the bits are set: at twelve bits a word, 2 false rows in a million."""
MOST_SIGNATURES = 64
"""A row with more words than these hold is let through always."""
MOST_WORDS_ASKED = 3
SHORTEST_WORD = 2
MOST_CACHED = 20_000
ROWS_A_TICK = 512
EVERYTHING = (1 << COLUMNS * BITS) - 1

_columns = [f"s{at}" for at in range(COLUMNS)]
TABLES = (
    "CREATE TABLE IF NOT EXISTS {content}.text_index (at_ns BIGINT NOT NULL, "
    + ", ".join(f"{name} UBIGINT NOT NULL USING COMPRESSION uncompressed" for name in _columns)
    + ")",
    "CREATE TABLE IF NOT EXISTS {content}.text_progress (mark VARCHAR NOT NULL, next_row BIGINT NOT NULL)",
)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A condition on `at_ns`, between `$low` and `$high`, that rows without the words do not meet."""

    condition: str
    parameters: dict[str, Any]


def load_search_key(path: str) -> bytes:
    """Returns the key of the index, made at first use (0600).

    Raises:
        ConfigurationError: it cannot be read or made.
    """
    try:
        with suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(KEY_BYTES))
        key = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The key of the text index at {path} cannot be read: {error.strerror}."
        ) from error
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            f"The key of the text index at {path} is {len(key)} bytes long, not {KEY_BYTES}.",
            hint="remove it: a new one is made, and the index is built anew",
        )
    return key


class SearchIndex:
    """Says which rows may hold words; for any thread."""

    def __init__(self, key: bytes) -> None:
        """Takes the home's key of the index."""
        self._key = key
        self._cache: dict[str, int] = {}
        self.mark = blake2b(b"mark", key=key, digest_size=8).hexdigest()
        """Which key a file's index was made with."""

    def bits_of(self, word: str) -> int:
        """Returns the bits of a word, as one number of 2,048 bits; none of a word that is not indexed."""
        found = self._cache.get(word)
        if found is None:
            if len(self._cache) >= MOST_CACHED:
                self._cache.clear()
            places = self.places_of(word[:LONGEST_WORD]) if is_indexed(word) else {}
            found = self._cache[word] = sum(mask << BITS * at for at, mask in places.items())
        return found

    def signature_of(self, words: Iterable[str]) -> int:
        """Returns the bits of `words` together."""
        known = self._cache.get
        bits = 0
        for word in words:
            found = known(word)
            bits |= self.bits_of(word) if found is None else found
        return bits

    def places_of(self, word: str) -> dict[int, int]:
        """Returns the bits of a word, by column."""
        digest = blake2b(word.encode(), key=self._key).digest()
        chosen = list(dict.fromkeys(byte % COLUMNS for byte in digest[BITS_BYTES:]))[:COLUMNS_A_WORD]
        places = dict.fromkeys(chosen, 0)
        for number, byte in enumerate(digest[:BITS_BYTES]):
            places[chosen[number % len(chosen)]] |= 1 << byte % BITS
        return places

    def narrow(self, reader: Reader, schema: str, words: Sequence[str]) -> Narrowed | None:
        """Returns a condition for rows that may hold all `words`; `None` when the index cannot tell.

        Args:
            reader: Who answers.
            schema: The schema of a day's content, held by the caller.
            words: As `search_words.words_of` gives them.
        """
        if reader.dialect.name != "duckdb":
            return None  # only the embedded content files have an index
        asked = sorted({word for word in words if is_indexed(word)}, key=len, reverse=True)[:MOST_WORDS_ASKED]
        next_row = self._next_row(reader, schema) if asked else None
        if next_row is None:
            return None
        given: dict[str, Any] = {"next_row": next_row}
        conditions = [self._condition(schema, word, number, given) for number, word in enumerate(asked)]
        rest = f"at_ns IN (SELECT at_ns FROM {schema}.content WHERE rowid >= $next_row)"  # noqa: S608 - our own name
        return Narrowed(f"(({' AND '.join(conditions)}) OR {rest})", given)

    def _condition(self, schema: str, word: str, number: int, given: dict[str, Any]) -> str:
        tests = ["at_ns >= $low", "at_ns < $high"]
        for at, mask in self.places_of(word).items():
            name = f"w{number}_{at}"
            given[name] = mask
            tests.append(f"(s{at} & CAST(${name} AS UBIGINT)) = CAST(${name} AS UBIGINT)")
        return f"at_ns IN (SELECT at_ns FROM {schema}.text_index WHERE {' AND '.join(tests)})"  # noqa: S608 - our own names

    def _next_row(self, reader: Reader, schema: str) -> int | None:
        """Returns the first row of the day that is not indexed, `None` when there is no index."""
        there = reader.rows(
            Question(
                "search.progress",
                "SELECT count(*) FROM duckdb_tables() "
                "WHERE database_name = $name AND table_name = 'text_progress'",
                {"name": schema},
            )
        )
        if not there or not there[0][0]:
            return None
        rows = reader.rows(
            Question(
                "search.progress",
                f"SELECT next_row FROM {schema}.text_progress WHERE mark = $mark",  # noqa: S608 - our own name
                {"mark": self.mark},
            )
        )
        return int(rows[0][0]) if rows else None


def is_indexed(word: str) -> bool:
    """Says whether a word is indexed: a letter alone is not, a character of writing without spaces is."""
    return len(word) >= SHORTEST_WORD or not word.isascii()


def signatures_of(index: SearchIndex, texts: Iterable[str]) -> list[int]:
    """Returns the signatures of a row's texts: none where there is no word."""
    words = sorted(set(whole_words_of("\n".join(texts))))
    if len(words) > WORDS_A_SIGNATURE * MOST_SIGNATURES:
        return [EVERYTHING]
    starts = range(0, len(words), WORDS_A_SIGNATURE)
    return [index.signature_of(words[start : start + WORDS_A_SIGNATURE]) for start in starts]


class Indexer:
    """Indexes what has come, a slice at a time, the newest day first; ticked from one thread."""

    def __init__(self, analytics: Analytics, index: SearchIndex, keyring: Keyring) -> None:
        """Takes what it reads, and what opens it (a keyring of its own)."""
        self._analytics = analytics
        self._index = index
        self._keyring = keyring
        self._next_rows: dict[str, int] = {}
        self._done: set[str] = set()
        self.rows_total = 0
        self.behind = 0
        """Rows of a day that were not indexed after the last tick."""

    def tick(self, _now_ms: int) -> bool:
        """Indexes up to 512 rows; never asks to be called at once, so that others have their turn."""
        days = self._analytics.days()
        newest = days[-1] if days else None
        for day in reversed(days):
            if day in self._done and day != newest:
                continue
            if self._slice(day):
                return False
            if newest is not None and day < newest:
                self._done.add(day)
        return False

    def _slice(self, day: str) -> int:
        """Indexes the next rows of a day; returns how many there were."""
        cursor = self._analytics.cursor()
        try:
            with self._analytics.lock:
                schema = self._analytics.attach(day)
                if schema is None:
                    return 0
                start = self._begin(cursor, schema, day)
                rows = cursor.execute(
                    f"SELECT rowid, call_id, at_ns, subject, sealed FROM {schema}.content "  # noqa: S608 - our own name
                    "WHERE rowid >= $start AND rowid < $end ORDER BY rowid",
                    {"start": start, "end": start + ROWS_A_TICK},
                ).fetchall()
            if not rows:
                return 0
            times, signatures = self._signatures(rows)
            with self._analytics.lock:
                schema = self._analytics.attach(day)
                if schema is not None:
                    self._keep(cursor, schema, times, signatures, int(rows[-1][0]) + 1)
                    self._next_rows[day] = int(rows[-1][0]) + 1
                    whole = cursor.execute(f"SELECT count(*) FROM {schema}.content").fetchone()  # noqa: S608 - our own name
                    self.behind = max(0, int(whole[0]) - self._next_rows[day]) if whole else 0
            self.rows_total += len(rows)
            return len(rows)
        finally:
            cursor.close()

    def _begin(self, cursor: duckdb.DuckDBPyConnection, schema: str, day: str) -> int:
        """Returns the first row that is not indexed; makes the tables, or anew when the key is another."""
        if day in self._next_rows:
            return self._next_rows[day]
        for statement in TABLES:
            cursor.execute(statement.format(content=schema))
        rows = cursor.execute(f"SELECT mark, next_row FROM {schema}.text_progress").fetchall()  # noqa: S608 - our own name
        start = int(rows[0][1]) if rows and rows[0][0] == self._index.mark else 0
        if not start:
            cursor.execute(f"DELETE FROM {schema}.text_index")  # noqa: S608 - our own name
            cursor.execute(f"DELETE FROM {schema}.text_progress")  # noqa: S608 - our own name
            cursor.execute(f"INSERT INTO {schema}.text_progress VALUES (?, 0)", [self._index.mark])  # noqa: S608 - our own name
        self._next_rows[day] = start
        return start

    def _signatures(self, rows: list[tuple[Any, ...]]) -> tuple[list[int], list[int]]:
        times: list[int] = []
        signatures: list[int] = []
        keys: dict[str, bytes | None] = {}
        for _, row_id, at_ns, subject, sealed in rows:
            if subject not in keys:
                keys[subject] = self._keyring.find(subject)
            key = keys[subject]
            if key is None or not is_under(key, sealed):
                continue  # erased
            try:
                content = unseal(key, str(row_id), sealed)
            except JournalError:
                continue
            found = signatures_of(
                self._index, texts_of(content.request, content.response, content.attributes)
            )
            signatures += found
            times += [int(at_ns)] * len(found)
        return times, signatures

    def _keep(
        self,
        cursor: duckdb.DuckDBPyConnection,
        schema: str,
        times: list[int],
        signatures: list[int],
        next_row: int,
    ) -> None:
        size = COLUMNS * BITS // 8
        matrix = np.frombuffer(b"".join(one.to_bytes(size, "little") for one in signatures), dtype="<u8")
        columns = matrix.reshape(-1, COLUMNS)
        arrays = {"at_ns": np.array(times, dtype=np.int64)} | {
            name: np.ascontiguousarray(columns[:, at]) for at, name in enumerate(_columns)
        }
        cursor.execute("BEGIN")
        try:
            if times:
                cursor.register("fresh_signatures", arrays)
                cursor.execute(f"INSERT INTO {schema}.text_index SELECT * FROM fresh_signatures")  # noqa: S608 - our own name
                cursor.unregister("fresh_signatures")
            cursor.execute(f"UPDATE {schema}.text_progress SET next_row = ?", [next_row])  # noqa: S608 - our own name
            cursor.execute("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
            raise
