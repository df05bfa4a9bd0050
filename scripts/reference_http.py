"""Reads the HTTP routes out of the OpenAPI description that the program itself serves.

Refuses to know any one route. Invariant: a path that `/openapi.json` describes is on the page.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fastapi import APIRouter
from reference_structs import one_line, table

from pilothouse.api.app import create_app
from pilothouse.api.documents import OPEN_PATHS, describe

if TYPE_CHECKING:
    from pilothouse.access.desk import Desk

ROOT = Path(__file__).resolve().parent.parent
MOUNTED_BY_CREATE_APP = {"pilothouse.access.routes", "pilothouse.api.documents", "pilothouse.api.console"}
METHODS = ("get", "post", "put", "patch", "delete")

Description = dict[str, Any]


def routers() -> list[APIRouter]:
    """Returns the routers of every package, but for those that `create_app` mounts by itself."""
    found = []
    for path in sorted((ROOT / "src" / "pilothouse").glob("*/*.py")):
        name = f"pilothouse.{path.parent.name}.{path.stem}"
        if "= APIRouter(" not in path.read_text() or name in MOUNTED_BY_CREATE_APP or "endpoints" in name:
            continue
        module = importlib.import_module(name)
        found += [value for value in vars(module).values() if isinstance(value, APIRouter)]
    return found


def description() -> Description:
    """Returns the description of all routes; nothing is opened for it."""
    app = create_app(desk=cast("Desk", None), admin_socket="", allowed_hosts=(), routers=routers())
    return describe(app)


def parts(described: Description) -> Iterator[str]:
    """Yields the page's parts: a table of all routes, then each route."""
    operations = [
        (f"{method.upper()} {path}", path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]
    rows = [
        (f"[`{name}`](#{anchor(name)})", "no" if path in OPEN_PATHS else "yes", operation.get("summary", ""))
        for name, path, operation in operations
    ]
    yield table("route", "needs a key", "what", rows=rows)
    for name, _, operation in operations:
        yield operation_part(name, operation, described)


def anchor(name: str) -> str:
    """Returns a heading's anchor, as GitHub makes it."""
    kept = "".join(c for c in name.lower() if c.isalnum() or c in "-_ ")
    return kept.replace(" ", "-")


def operation_part(name: str, operation: Description, described: Description) -> str:
    """Returns one route: what it does, what it takes."""
    said = operation.get("description") or operation.get("summary", "")
    rows = [
        (
            f"`{p['name']}`",
            p["in"],
            kind(p["schema"]),
            p.get("description") or p["schema"].get("description", ""),
        )
        for p in operation.get("parameters", [])
    ]
    rows += [
        (f"`{field}`", "body", kind(schema), schema.get("description", ""))
        for field, schema in body_fields(operation, described).items()
    ]
    lines = [f"## `{name}`", one_line(said.split("Args:")[0].split("Raises:")[0])]
    return "\n\n".join(lines + ([table("name", "in", "type", "meaning", rows=rows)] if rows else []))


def body_fields(operation: Description, described: Description) -> Description:
    """Returns the fields of a route's JSON body."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return cast("Description", schema.get("properties", {}))


def kind(schema: Description) -> str:
    """Returns a JSON schema's type in words."""
    if "$ref" in schema:
        return "object"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{item}`" for item in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind(one) for one in schema["anyOf"]))
    name = str(schema.get("type", "anything"))
    return f"list of {kind(schema['items'])}" if name == "array" and "items" in schema else name
