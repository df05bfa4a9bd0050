"""Reads structs and exception trees as documentation: fields, types, defaults, docstrings.

Refuses to know which classes there are. Invariant: a field's description is the docstring under it in the
source, so a field without one shows up empty and `undocumented` names it.
"""

import ast
import dataclasses
import inspect
import json
import sys
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Union

import msgspec

from pilothouse.config.check import describe


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One documented field."""

    name: str
    kind: str
    """Its type in words."""
    default: str
    """As it would be typed, or `required`."""
    text: str
    """The docstring under it, on one line."""
    structs: tuple[type[msgspec.Struct], ...]
    """The structs its type is made of."""
    suffix: str
    """How one of the structs is named: `[]` in a list, `.<name>` in a mapping, nothing when alone."""


def field_docstrings(cls: type) -> dict[str, str]:
    """Returns the docstring under each field (or property) of a class, on one line each."""
    tree = ast.parse(inspect.getsource(sys.modules[cls.__module__]))
    body = next(n.body for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == cls.__name__)
    found: dict[str, str] = {}
    for node, following in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.FunctionDef):
            found[node.name] = one_line(ast.get_docstring(node) or "")
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            match following:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[node.target.id] = one_line(text)
    return found


def one_line(text: str) -> str:
    """Returns a docstring with its line breaks taken out."""
    return " ".join(text.split())


def structs_in(annotation: Any) -> tuple[type[msgspec.Struct], ...]:
    """Returns the structs that a type annotation names, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return (annotation,)
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is Annotated:
        arguments = arguments[:1]
    return tuple(struct for argument in arguments for struct in structs_in(argument))


def suffix_of(annotation: Any) -> str:
    """Returns how an item of a list or mapping is named; nothing for other types."""
    origin = typing.get_origin(annotation)
    if origin in {Union, types.UnionType, Annotated}:
        parts = [part for part in typing.get_args(annotation) if structs_in(part)]
        return suffix_of(parts[0]) if parts else ""
    if origin is dict:
        return ".<name>"
    return "[]" if origin in {list, tuple} else ""


def kind_of(annotation: Any) -> str:
    """Returns a type in few words."""
    if typing.get_origin(annotation) in {Union, types.UnionType}:
        parts = [part for part in typing.get_args(annotation) if part is not types.NoneType]
        return " or ".join(kind_of(part) for part in parts)
    said = describe(annotation)
    return {"a list": "list", "a block of settings": "block"}.get(said.split(" (", maxsplit=1)[0], said)


def default_of(field: msgspec.structs.FieldInfo) -> str:
    """Returns a field's default as it would be typed."""
    if field.required:
        return "required"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if value is None:
        return "none"
    if isinstance(value, msgspec.Struct):
        return "as below"
    return f"`{json.dumps(msgspec.to_builtins(value))}`"


def fields_of(struct: type[msgspec.Struct]) -> Iterator[Field]:
    """Yields the fields of a struct in their order."""
    annotations = typing.get_type_hints(struct, include_extras=True)
    texts = field_docstrings(struct)
    for field in msgspec.structs.fields(struct):
        annotation = annotations[field.name]
        yield Field(
            name=field.encode_name,
            kind=kind_of(annotation),
            default=default_of(field),
            text=texts.get(field.name, ""),
            structs=structs_in(annotation),
            suffix=suffix_of(annotation),
        )


def cell(text: str) -> str:
    """Returns text that cannot end a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def table(*header: str, rows: Sequence[tuple[str, ...]]) -> str:
    """Returns a Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell(text) for text in line) + " |" for line in lines)


def struct_table(struct: type[msgspec.Struct]) -> str:
    """Returns a struct's fields as a table."""
    rows = [(f"`{f.name}`", f.kind, f.default, f.text) for f in fields_of(struct)]
    return table("field", "type", "default", "meaning", rows=rows)


def undocumented(struct: type[msgspec.Struct]) -> list[str]:
    """Returns the fields of a struct that have no docstring."""
    return [field.name for field in fields_of(struct) if not field.text]


def subclasses(cls: type[Exception], depth: int = 0) -> Iterator[tuple[type[Exception], int]]:
    """Yields an exception class and those below it, each with its depth in the tree."""
    yield cls, depth
    for child in cls.__subclasses__():
        yield from subclasses(child, depth + 1)
