"""Explains a configuration: every setting that holds, its value, and where that comes from.

Refuses to know what a setting does. Invariant: a secret is shown as the reference it is, never its value.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from pilothouse.config.check import dotted
from pilothouse.config.document import Path
from pilothouse.config.load import Loaded


class Row(msgspec.Struct, frozen=True):
    """One setting as it holds."""

    name: str
    value: Any
    origin: str
    """`default`, `file:line`, the name of a variable, or a flag."""


def explain(loaded: Loaded) -> list[Row]:
    """Returns a row for each setting, in the order of the sections."""
    return list(_rows(msgspec.to_builtins(loaded.configuration), (), loaded))


def _rows(value: Any, path: Path, loaded: Loaded) -> Iterator[Row]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _rows(item, (*path, key), loaded)
    elif isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _rows(item, (*path, index), loaded)
    else:
        yield Row(dotted(path), value, _origin(path, loaded))


def _origin(path: Path, loaded: Loaded) -> str:
    override = loaded.overrides.get(dotted(path))
    if override:
        return override
    return loaded.document.at(path) if path in loaded.document.lines else "default"
