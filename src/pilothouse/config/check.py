"""Checks plain values against the settings' types, and says line, mistake and remedy for each that is wrong.

Refuses to know any one setting. Invariant: what passes converts without an error.
"""

import difflib
import math
import types
import typing
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union

import msgspec

from pilothouse.config.document import Path, Value
from pilothouse.config.references import Problems


def check(value: Value, annotation: Any, path: Path, problems: Problems) -> None:
    """Adds to `problems` everything in `value` that the type `annotation` does not take."""
    bare = _fitting(_bare(annotation), value)
    origin, arguments = typing.get_origin(bare), typing.get_args(bare)
    if isinstance(value, dict) and isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        _check_struct(value, bare, path, problems)
    elif isinstance(value, dict) and origin is dict:
        for key, item in value.items():
            check(item, arguments[1], (*path, key), problems)
    elif isinstance(value, list) and origin in {list, tuple}:
        for index, item in enumerate(value):
            check(item, arguments[0], (*path, index), problems)
    else:
        _check_leaf(value, annotation, path, problems)


def _bare(annotation: Any) -> Any:
    """Returns the type without constraints, and without the `| None` of an optional."""
    if typing.get_origin(annotation) is Annotated:
        return _bare(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in {Union, types.UnionType}:
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        if len(members) == 1:
            return _bare(members[0])
    return annotation


def _fitting(bare: Any, value: Value) -> Any:
    """Returns, of a setting that may be a list or a block, the one that was typed."""
    if typing.get_origin(bare) not in {Union, types.UnionType}:
        return bare
    wanted = list if isinstance(value, list) else dict if isinstance(value, dict) else None
    fitting = [member for member in typing.get_args(bare) if _shape(member) is wanted]
    return fitting[0] if wanted is not None and len(fitting) == 1 else bare


def _shape(annotation: Any) -> type | None:
    bare = _bare(annotation)
    if typing.get_origin(bare) in {list, tuple}:
        return list
    is_struct = isinstance(bare, type) and issubclass(bare, msgspec.Struct)
    return dict if is_struct or typing.get_origin(bare) is dict else None


def _check_struct(
    value: dict[str, Value], struct: type[msgspec.Struct], path: Path, problems: Problems
) -> None:
    annotations = typing.get_type_hints(struct, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for key, item in value.items():
        if key not in fields:
            message = f"there is no setting `{dotted((*path, key))}`."
            problems.add((*path, key), message, suggest(key, list(fields)))
        else:
            check(item, annotations[fields[key].name], (*path, key), problems)
    for name, field in fields.items():
        if field.required and name not in value:
            problems.add(path, f"`{dotted(path)}` needs `{name}`.", f"Add `{name}:` below it.")


def _check_leaf(value: Value, annotation: Any, path: Path, problems: Problems) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        problems.add(
            path, f"`{dotted(path)}` is {value}, which is no number to count with.", "Give a number."
        )
        return
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError as error:
        problem = str(error).split(" - at ", 1)[0]
        meant = _meant(value, annotation)
        problems.add(path, f"`{dotted(path)}` is wrong: {problem}.", f"{meant}It is {describe(annotation)}.")


def _meant(value: Value, annotation: Any) -> str:
    """Returns which of several words was probably meant."""
    bare = _bare(annotation)
    if not isinstance(value, str) or typing.get_origin(bare) is not Literal:
        return ""
    near = difflib.get_close_matches(value, [str(word) for word in typing.get_args(bare)], n=1)
    return f"Did you mean `{near[0]}`? " if near else ""


_WORDS: dict[Any, str] = {
    bool: "`true` or `false`",
    int: "a whole number",
    float: "a number",
    str: "text",
    types.NoneType: "empty",
}


def describe(annotation: Any) -> str:
    """Returns in words what a value of the type looks like."""
    bare = _bare(annotation)
    origin = typing.get_origin(bare)
    if origin is Literal:
        return "one of " + ", ".join(f"`{item}`" for item in typing.get_args(bare))
    if origin in {Union, types.UnionType}:
        return " or ".join(describe(member) for member in typing.get_args(bare))
    if origin in {list, tuple}:
        return "a list (`- item` lines, or `[a, b]`)"
    if origin is dict or (isinstance(bare, type) and issubclass(bare, msgspec.Struct)):
        return "a block of settings (`key: value` lines, indented)"
    return _WORDS.get(bare, "a value") + _bounds(annotation)


def _bounds(annotation: Any) -> str:
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    said: list[str] = []
    for part in typing.get_args(annotation):
        if isinstance(part, msgspec.Meta):
            limits = ((word, getattr(part, name)) for name, word in words.items())
            said += [f"{word} {limit}" for word, limit in limits if limit is not None]
        else:
            said += [text] if (text := _bounds(part).strip(" ()")) else []
    return f" ({', '.join(said)})" if said else ""


def suggest(key: str, known: Sequence[str]) -> str:
    """Returns what was probably meant by `key`, else what there is."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"Did you mean `{near[0]}`?"
    return "There is: " + ", ".join(f"`{name}`" for name in sorted(known)) + "."


def dotted(path: Path) -> str:
    """Returns `models.assistant.deployments[0]` for a path into a document."""
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return parts.lstrip(".") or "the file"
