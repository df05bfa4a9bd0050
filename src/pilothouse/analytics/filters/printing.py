"""A tree as text that reads as the same tree.

Refuses to know where trees come from. Invariant: `parse_filter(print_filter(tree)) == tree`.
"""

from pilothouse.analytics.filters.fields import field_of
from pilothouse.analytics.filters.quantities import number_text, time_text
from pilothouse.analytics.filters.tree import Ago, And, Member, Node, Not, Or, Pattern, Value

__all__ = ["print_filter"]


def print_filter(node: Node) -> str:
    """Returns `node` as a filter's text."""
    if isinstance(node, And):
        return " and ".join(_inside(part) for part in node.parts)
    if isinstance(node, Or):
        return " or ".join(_inside(part) for part in node.parts)
    if isinstance(node, Not):
        return f"not {_inside(node.part)}"
    if isinstance(node, Member):
        return f"{node.field} in ({', '.join(_value(node.field, value) for value in node.values)})"
    return f"{node.field} {node.operator} {_value(node.field, node.value)}"


def _inside(node: Node) -> str:
    text = print_filter(node)
    return f"({text})" if isinstance(node, (And, Or)) else text


def _value(field: str, value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Pattern):
        return "/" + value.source.replace("/", "\\/") + "/"
    if isinstance(value, Ago):
        return time_text(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    known = field_of(field)
    return time_text(value) if known is not None and known.kind == "time" else number_text(value)
