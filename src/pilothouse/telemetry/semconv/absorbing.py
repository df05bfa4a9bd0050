"""A span's attributes, each by one look-up of its name: a field, content, a name allowed or numbered.

Refuses to know what a span becomes. Invariant: no attribute is lost, and none is looked at twice.
"""

from collections.abc import Mapping
from typing import Any

from pilothouse.telemetry.semconv import early, genai, openinference, openllmetry, values
from pilothouse.telemetry.semconv.clear import CLEAR
from pilothouse.telemetry.semconv.draft import Draft, Rule

__all__ = ["SCORES", "absorb"]

RULES: dict[str, Rule] = {
    **openllmetry.RULES,
    **openinference.RULES,
    **early.RULES,
    **genai.RULES,
    "error.type": Rule("error_type", 0, values.as_label),
}
TREES = {**openllmetry.TREES, **openinference.TREES}
SCORES = {"evaluations": "evaluation", "annotations": "annotation"}
"""The beginnings of numbered scores, and the inner name of each."""
MOST_NAME_CHARACTERS = 256
DEEPEST_NAME = 12
ALL_GENERATIONS = {"operation", "input_tokens", "output_tokens"}
"""Fields whose names all generations share: they alone say the oldest."""


def absorb(draft: Draft, attributes: Mapping[str, Any]) -> None:
    """Takes in attributes, each by one look-up of its name."""
    fields, ranks, rest, cuts, inside = draft.fields, draft.ranks, draft.rest, draft.cuts, draft.clear
    bits = 0
    for name, value in attributes.items():
        rule = RULES.get(name)
        if rule is not None:
            target, rank, convert, bit = rule
            bits |= bit
            if convert is None:
                draft.held[name] = values.bounded(value, cuts, name)
                continue
            made = convert(value)
            if made is None:
                rest[name] = values.bounded(value, cuts, name)
            elif target not in fields or rank < ranks.get(target, 99):
                fields[target] = made
                ranks[target] = rank
            continue
        allowed = CLEAR.get(name)
        if allowed is not None and (short := values.as_clear(value)) is not None:
            inside[allowed] = short
        elif not _numbered(draft, name, value):
            rest[name[:MOST_NAME_CHARACTERS]] = values.bounded(value, cuts, name)
    draft.conventions |= bits or (1 if fields.keys() & ALL_GENERATIONS else 0)


def _numbered(draft: Draft, name: str, value: Any) -> bool:
    """Puts an attribute with a number in its name into its tree; says whether it has one."""
    parts = name.split(".", DEEPEST_NAME)
    if len(parts) < 3:  # noqa: PLR2004 - `llm.tools.0` is the shortest
        return False
    root = f"{parts[0]}.{parts[1]}"
    bit = TREES.get(root)
    if bit is not None and (parts[2].isdigit() or parts[2] == "functions"):
        depth = 2
    elif parts[0] in SCORES and parts[1].isdigit():
        root, bit, depth = parts[0], 0, 1
    else:
        return False
    draft.conventions |= bit
    place = draft.trees.setdefault(root, {})
    for part in parts[depth:-1]:
        inner = place.get(part)
        if not isinstance(inner, dict):
            inner = place[part] = {} if inner is None else {"": inner}
        place = inner
    place[parts[-1]] = values.bounded(value, draft.cuts, name)
    return True
