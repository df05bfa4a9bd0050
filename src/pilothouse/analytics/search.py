"""Text search: says of rows whether what was said in them is what is looked for.

Words are compared without regard to the size of letters, punctuation and Unicode's ways to write a letter, a
phrase as words that follow each other; a pattern is a regular expression (RE2) over the text as it stands.

Refuses to know how rows were chosen. Invariant: a row is found only when its own words were opened and
compared; the index only leaves out rows that cannot match.
"""

import threading
from collections.abc import Sequence
from functools import lru_cache

import duckdb

from pilothouse.analytics.filters.faults import FilterError
from pilothouse.analytics.filters.sql import is_content
from pilothouse.analytics.filters.tree import And, Compare, Member, Node, Not, Or, Pattern, leaves
from pilothouse.analytics.record_contents import Sealed, opened_with
from pilothouse.store.search_words import phrase_of, texts_of, words_of
from pilothouse.telemetry.keyring import Keyring

__all__ = [
    "TextSearch",
    "check_patterns",
    "evaluate",
    "is_about_content",
    "required_words",
    "requires_content",
]


def is_about_content(node: Node | None) -> bool:
    """Says whether a filter looks at what was said."""
    return node is not None and any(is_content(leaf) for leaf in leaves(node))


def required_words(node: Node | None) -> tuple[str, ...]:
    """Returns words that are in every row that `node` is true of, as far as that is plain to see."""
    parts = node.parts if isinstance(node, And) else (node,)
    found: dict[str, None] = {}
    for part in parts:
        if isinstance(part, Compare) and is_content(part) and part.operator == "~":
            found |= dict.fromkeys(words_of(part.value) if isinstance(part.value, str) else ())
        elif isinstance(part, And):
            found |= dict.fromkeys(required_words(part))
    return tuple(found)


def requires_content(node: Node | None) -> bool:
    """Says whether only rows with words can pass, as far as that is plain to see."""
    if isinstance(node, And):
        return any(requires_content(part) for part in node.parts)
    return isinstance(node, Compare) and is_content(node) and node.operator == "~"


def evaluate(node: Node, known: dict[Compare | Member, bool]) -> bool:
    """Says whether `node` is true of a row whose comparisons came out as `known`."""
    if isinstance(node, And):
        return all(evaluate(part, known) for part in node.parts)
    if isinstance(node, Or):
        return any(evaluate(part, known) for part in node.parts)
    if isinstance(node, Not):
        return not evaluate(node.part, known)
    return known[node]


class TextSearch:
    """Compares rows' words with the comparisons of one filter that are about them."""

    def __init__(self, node: Node, keyring: Keyring, lock: threading.Lock) -> None:
        """Takes the filter and what opens contents; the keyring is used with `lock` held."""
        self._leaves = [leaf for leaf in dict.fromkeys(leaves(node)) if is_content(leaf)]
        self._keyring = keyring
        self._lock = lock
        self._keys: dict[str, bytes | None] = {}
        """Of one question only: a key that is destroyed is not used for the next."""

    def outcomes(self, rows: Sequence[tuple[str, Sequence[Sealed]]]) -> list[dict[Compare | Member, bool]]:
        """Returns of each row, given by id and sealed parts, how the comparisons come out.

        A row whose words are erased or were never on record holds no text: only a `!~` is true of it.
        """
        texts = [self._texts(row_id, parts) for row_id, parts in rows]
        found: list[dict[Compare | Member, bool]] = [{} for _ in rows]
        for leaf in self._leaves:
            assert isinstance(leaf, Compare)
            for known, is_there in zip(found, _found(leaf, texts), strict=True):
                known[leaf] = is_there is (leaf.operator == "~")
        return found

    def _texts(self, row_id: str, parts: Sequence[Sealed]) -> list[str]:
        found: list[str] = []
        for subject, sealed in parts:
            if subject not in self._keys:
                with self._lock:
                    self._keys[subject] = self._keyring.find(subject)
            content = opened_with(self._keys[subject], row_id, sealed)
            if content is not None:
                found += texts_of(content.request, content.response, content.attributes)
        return found


def check_patterns(node: Node | None) -> None:
    """Refuses patterns that are no regular expressions.

    Raises:
        FilterError: one is none; the error points at it.
    """
    for leaf in leaves(node) if node is not None else ():
        if isinstance(leaf, Compare) and isinstance(leaf.value, Pattern):
            try:
                _matching(leaf.value.source, [""])
            except duckdb.Error as error:
                raise FilterError(
                    "This pattern is no regular expression.",
                    position=leaf.value.position,
                    length=len(leaf.value.source) + 2,
                    hint=str(error).rsplit(":", 1)[-1].strip()[:200] + " (RE2; without look-around)",
                ) from error


def _found(leaf: Compare, texts: list[list[str]]) -> list[bool]:
    if isinstance(leaf.value, Pattern):
        flat = list({text for one in texts for text in one})
        hits = dict(zip(flat, _matching(leaf.value.source, flat), strict=True))
        return [any(hits[text] for text in one) for one in texts]
    phrase = phrase_of(str(leaf.value))
    # Asked for nothing but punctuation: then that is what is looked for.
    if not phrase.strip():
        return [any(str(leaf.value) in text for text in one) for one in texts]
    return [any(phrase in phrase_of(text) for text in one) for one in texts]


@lru_cache(maxsize=1)
def _matcher() -> tuple[duckdb.DuckDBPyConnection, threading.Lock]:
    """A database without tables: its regular expressions take time in line with the text, Python's do not."""
    return duckdb.connect(":memory:", config={"threads": 1}), threading.Lock()


def _matching(pattern: str, texts: list[str]) -> list[bool]:
    if not texts:
        return []
    connection, lock = _matcher()
    with lock:
        row = connection.execute(
            "SELECT list_transform($texts::VARCHAR[], lambda one: regexp_matches(one, $pattern))",
            {"texts": texts, "pattern": pattern},
        ).fetchone()
    return [bool(hit) for hit in row[0]] if row else []
