"""A span while it is folded: the fields found so far, what is content, and what nobody knew.

Refuses to know any name. Invariant: of two names that mean one field the one of lower rank wins, and what is
not used under its meaning is kept under its name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pilothouse.contracts.spans import Evaluation

__all__ = [
    "CONTENT",
    "EARLY",
    "LATEST",
    "OPENINFERENCE",
    "STRUCTURED",
    "Draft",
    "Rule",
    "Tree",
    "convention",
    "numbered",
]

EARLY, STRUCTURED, LATEST, OPENINFERENCE = 1, 2, 4, 8
"""Which convention a name belongs to; bits, so that a span's are or-ed together."""

Tree = dict[str, Any]
"""Attributes with dotted, numbered names, as nested mappings."""


class Rule(NamedTuple):
    """What a name means."""

    target: str
    """The field."""
    rank: int
    """Of names that mean the same, the lower wins."""
    convert: Callable[[Any], Any] | None
    """Makes the field's value, or `None` where the value is not fit; `None`: it is content."""
    convention: int = 0


CONTENT = Rule("", 0, None)


@dataclass(slots=True)
class Draft:
    """What is known so far."""

    fields: dict[str, Any] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)
    held: dict[str, Any] = field(default_factory=dict)
    """Content, by name, until its meaning is taken."""
    trees: dict[str, Tree] = field(default_factory=dict)
    turns: list[dict[str, Any]] = field(default_factory=list)
    """Messages that came as events."""
    answers: list[dict[str, Any]] = field(default_factory=list)
    """Choices that came as events."""
    clear: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)
    cuts: list[dict[str, Any]] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    conventions: int = 0

    def take(self, *names: str) -> Any:
        """Returns the first content held under one of the names, and holds it no longer."""
        for name in names:
            if name in self.held:
                return self.held.pop(name)
        return None

    def tree(self, name: str) -> list[Any]:
        """Returns the members of a numbered tree in order, and keeps it no longer."""
        return numbered(self.trees.pop(name, None))


def numbered(tree: Any) -> list[Any]:
    """Returns the members of a mapping with numbers as names, in order."""
    if not isinstance(tree, dict):
        return tree if isinstance(tree, list) else []
    try:
        return [tree[name] for name in sorted(tree, key=int)]
    except ValueError:
        return list(tree.values())


def convention(bits: int) -> str | None:
    """Returns what the sender spoke, by the names it used."""
    if bits & OPENINFERENCE:
        return "openinference"
    if bits & LATEST:
        return "genai"
    if bits & STRUCTURED:
        return "genai-1.37"
    return "genai-1.36" if bits & EARLY else None
