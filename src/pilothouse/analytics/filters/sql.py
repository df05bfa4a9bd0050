"""A tree as a condition in SQL, over the rows of one table.

Refuses to know content: of what was said, a condition lets every row pass, and whoever asks looks at the
words after. Invariant: what a person typed becomes parameters only; a row that has no value for a field
passes no comparison with it but its opposite.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pilothouse.analytics.filters.fields import SCORE_PREFIX, Field, field_of
from pilothouse.analytics.filters.tree import Ago, And, Compare, Member, Node, Not, Or, Pattern, Value
from pilothouse.store.dialects.dialect import Dialect

__all__ = ["Conditions", "Table", "is_content"]

Table = Literal["calls", "spans"]
ALWAYS, NEVER = "TRUE", "FALSE"
NS_OF_MS = 1_000_000
FEEDBACK = {
    "up": "source = 'feedback' AND ((kind = 'thumbs' AND value >= 1) OR (kind = 'stars' AND value >= 4))",
    "down": "source = 'feedback' AND ((kind = 'thumbs' AND value < 1) OR (kind = 'stars' AND value <= 2))",
}
OPPOSITES: dict[str, Literal["=", "~"]] = {"!=": "=", "!~": "~"}


def is_content(leaf: Compare | Member) -> bool:
    """Says whether `leaf` is about what was said."""
    return leaf.field == "text"


@dataclass(slots=True)
class Conditions:
    """Makes conditions, and gathers their parameters."""

    dialect: Dialect
    key_names: Mapping[str, str]
    """The name of each key, by id."""
    now_ms: int
    parameters: dict[str, Any] = field(default_factory=dict)

    def where(self, node: Node | None, table: Table) -> str:
        """Returns a condition that every row of `table` meets which `node` may be true of."""
        return ALWAYS if node is None else self._of(node, table, is_negated=False)

    def flag(self, leaf: Compare | Member, table: Table) -> str:
        """Returns an expression that says whether a row passes `leaf`, never NULL."""
        plain = self._leaf(leaf, table)
        return plain if plain in {ALWAYS, NEVER} else f"coalesce({plain}, FALSE)"

    def _of(self, node: Node, table: Table, *, is_negated: bool) -> str:
        if isinstance(node, Not):
            return self._of(node.part, table, is_negated=not is_negated)
        if isinstance(node, (And, Or)):
            parts = [self._of(part, table, is_negated=is_negated) for part in node.parts]
            return _joined(parts, is_all=isinstance(node, And) != is_negated)
        if is_content(node):
            return ALWAYS
        return _opposite(self._leaf(node, table)) if is_negated else self._leaf(node, table)

    def _leaf(self, leaf: Compare | Member, table: Table) -> str:
        known = field_of(leaf.field)
        assert known is not None
        expression = known.calls if table == "calls" else known.spans
        if isinstance(leaf, Member):
            if expression is None:
                return NEVER
            return _joined([self._equals(known, expression, value) for value in leaf.values], is_all=False)
        if leaf.operator in OPPOSITES:
            plain = Compare(leaf.field, OPPOSITES[leaf.operator], leaf.value)
            return _opposite(self._leaf(plain, table))
        if expression is None:
            return NEVER
        if known.kind in {"score", "feedback"}:
            return self._scored(leaf, table)
        if leaf.operator == "~":
            return self._search(known, expression, leaf.value)
        if leaf.operator == "=":
            return self._equals(known, expression, leaf.value)
        return f"({expression} {leaf.operator} {self._add(self._plain(known, leaf.value))})"

    def _equals(self, known: Field, expression: str, value: Value) -> str:
        if known.kind == "boolean":
            return f"({expression})" if value else f"(NOT {expression})"
        if known.kind == "key":
            ids = [key_id for key_id, name in self.key_names.items() if name == value]
            return f"({' OR '.join(f'{expression} = {self._add(one)}' for one in [*ids, value])})"
        return f"({expression} = {self._add(self._plain(known, value))})"

    def _search(self, known: Field, expression: str, value: Value) -> str:
        if isinstance(value, Pattern):
            return f"({self.dialect.matches(expression, self._add(value.source))})"
        found = f"({self.dialect.has_anycase(expression, self._add(value))})"
        if known.kind != "key":
            return found
        wanted = str(value).lower()
        ids = [key_id for key_id, name in self.key_names.items() if wanted in name.lower()]
        return _joined([found, *(f"({expression} = {self._add(one)})" for one in ids)], is_all=False)

    def _scored(self, leaf: Compare, table: Table) -> str:
        if leaf.field == "feedback":
            wanted = FEEDBACK[str(leaf.value)]
        else:
            name = self._add(leaf.field[len(SCORE_PREFIX) :])
            wanted = f"name = {name} AND value {leaf.operator} {self._add(leaf.value)}"
        names = ("call_id", "request_id") if table == "calls" else ("span_id",)
        asked = [
            f"{one} IN (SELECT {one} FROM scores WHERE {one} IS NOT NULL AND {wanted})"  # noqa: S608 - our own words
            for one in names
        ]
        return f"({' OR '.join(asked)})"

    def _plain(self, known: Field, value: Value) -> Any:
        if isinstance(value, Ago):
            return int((self.now_ms - value.ms) * NS_OF_MS)
        if known.kind == "time":
            assert isinstance(value, float)
            return int(value) * NS_OF_MS
        return value

    def _add(self, value: Any) -> str:
        name = f"f{len(self.parameters)}"
        self.parameters[name] = value
        return f"${name}"


def _joined(parts: list[str], *, is_all: bool) -> str:
    nothing, everything = (NEVER, ALWAYS) if is_all else (ALWAYS, NEVER)
    if nothing in parts:
        return nothing
    kept = [part for part in parts if part != everything]
    if not kept:
        return everything
    return kept[0] if len(kept) == 1 else f"({(' AND ' if is_all else ' OR ').join(kept)})"


def _opposite(condition: str) -> str:
    if condition in {ALWAYS, NEVER}:
        return NEVER if condition == ALWAYS else ALWAYS
    return f"(NOT coalesce({condition}, FALSE))"
