"""A filter as a tree: comparisons of fields with typed values, joined by and, or, not.

Refuses to know text and SQL. Invariant: a tree that the parser gave has only fields that exist, with values
of their type.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Ago", "And", "Compare", "Member", "Node", "Not", "Operator", "Or", "Pattern", "Value", "leaves"]

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~", "!~"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression, as RE2 understands it."""

    source: str
    position: int = field(default=1, compare=False)
    """The column where it stands in the filter."""


@dataclass(frozen=True, slots=True)
class Ago:
    """A time, so many milliseconds before the question is asked."""

    ms: float


Value = str | float | bool | Pattern | Ago
"""Text, a number in the field's unit (a time: Unix milliseconds), true or false."""


@dataclass(frozen=True, slots=True)
class Compare:
    """One field against one value."""

    field: str
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Member:
    """One field against a list of values."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more."""

    parts: tuple["Node", ...]


Node = Compare | Member | Not | And | Or


def leaves(node: Node) -> Iterator[Compare | Member]:
    """Yields every comparison in `node`, from left to right."""
    if isinstance(node, (And, Or)):
        for part in node.parts:
            yield from leaves(part)
    elif isinstance(node, Not):
        yield from leaves(node.part)
    else:
        yield node
