"""The description of all that is answered here: `/openapi.json`, and `/docs`, a page made from it.

The page is ours: rendered here from the description, as HTML with one style sheet and no script. The usual
viewers are 1.5 MB of other people's script that needs either a CDN or a copy in this repository, and inline
code that our content policy forbids.

Refuses to know what a route does. Invariant: each path in the description is on the page.
"""

import json
from functools import cache
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from pilothouse import __version__
from pilothouse.api.console import ASK_AGAIN, File, respond

router = APIRouter(include_in_schema=False)

Description = dict[str, Any]

OPEN_PATHS = frozenset({"/livez", "/readyz", "/version", "/metrics"})
"""Paths that need no key (`/metrics`: on loopback, unless configured otherwise)."""

MESSAGES = "/v1/messages"
"""Below it clients are Anthropic's, and errors have its shape."""

METHODS = ("get", "post", "put", "patch", "delete")

INTRODUCTION = (
    "One address for every model. Calls to models are under `/v1`, as OpenAI's clients make them, and as "
    "Anthropic's do under `/v1/messages`; the management API is under `/api/v1`. Send a key as "
    "`Authorization: Bearer <key>`. The examples take the server's address from `$PILOTHOUSE` and the key "
    "from `$PILOTHOUSE_KEY`."
)


@router.get("/openapi.json")
def show_description(request: Request) -> Response:
    """Answers with the description, in OpenAPI 3.1."""
    return respond(request, _rendered(request.app)["openapi.json"])


@router.get("/docs")
def show_page(request: Request) -> Response:
    """Answers with the page."""
    return respond(request, _rendered(request.app)["docs"])


@router.get("/docs/style.css")
def show_style(request: Request) -> Response:
    """Answers with the page's style sheet."""
    return respond(request, _rendered(request.app)["docs/style.css"])


def describe(app: FastAPI) -> Description:
    """Returns the OpenAPI description of the gateway's endpoints and of `app`'s."""
    from pilothouse.api import gateway_endpoints

    described = get_openapi(
        title="Pilothouse",
        version=__version__,
        description=INTRODUCTION,
        routes=[*gateway_endpoints.router.routes, *app.routes],
    )
    components = described.setdefault("components", {})
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
        "session": {"type": "apiKey", "in": "cookie", "name": "pilothouse_session"},
    }
    _describe_errors(components.setdefault("schemas", {}))
    for path, operations in described["paths"].items():
        for operation in operations.values():
            _describe_operation(path, operation)
    return described


def render_page(described: Description) -> str:
    """Returns the page for a description, as HTML."""
    groups: dict[str, list[tuple[str, str, Description]]] = {}
    for path, operations in described["paths"].items():
        for method in METHODS:
            if method in operations:
                operation = operations[method]
                tag = (operation.get("tags") or ["Other"])[0]
                groups.setdefault(tag, []).append((method, path, operation))
    links = "".join(f'<li><a href="#{_anchor(tag)}">{escape(tag)}</a></li>' for tag in groups)
    body = "".join(
        f'<section id="{_anchor(tag)}"><h2>{escape(tag)}</h2>'
        + "".join(_operation(described, *entry) for entry in entries)
        + "</section>"
        for tag, entries in groups.items()
    )
    return _PAGE.format(
        version=escape(described["info"]["version"]),
        introduction=_prose(described["info"]["description"]),
        links=links,
        body=body,
    )


@cache
def _rendered(app: FastAPI) -> dict[str, File]:
    described = describe(app)
    text = json.dumps(described, separators=(",", ":")).encode()
    return {
        "openapi.json": File(text, "application/json", ASK_AGAIN),
        "docs": File(render_page(described).encode(), "text/html; charset=utf-8", ASK_AGAIN),
        "docs/style.css": File(_STYLE.encode(), "text/css; charset=utf-8", ASK_AGAIN),
    }


def _describe_operation(path: str, operation: Description) -> None:
    operation["security"] = [] if path in OPEN_PATHS else [{"key": []}, {"session": []}]
    responses = operation["responses"]
    responses.pop("422", None)  # A wrong value is answered with 400, in the one shape of every error.
    name, shape = ("AnthropicError", "Anthropic's") if path.startswith(MESSAGES) else ("Error", "OpenAI's")
    error = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}
    responses["default"] = {"description": f"Any error, in {shape} shape, with a hint.", **error}


def _describe_errors(schemas: Description) -> None:
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    optional = {"type": ["string", "null"]}
    schemas["Error"] = {
        "title": "Error",
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type"],
                "properties": {
                    "message": {"type": "string"},
                    "type": {"type": "string"},
                    "param": optional,
                    "code": optional,
                    "hint": optional | {"description": "What to do."},
                },
            }
        },
    }
    schemas["AnthropicError"] = {
        "title": "AnthropicError",
        "type": "object",
        "required": ["type", "error", "request_id"],
        "properties": {
            "type": {"const": "error"},
            "error": {
                "type": "object",
                "required": ["type", "message"],
                "properties": {
                    "type": {"type": "string"},
                    "message": {"type": "string"},
                    "param": optional,
                    "code": optional,
                    "hint": optional | {"description": "What to do."},
                },
            },
            "request_id": {"type": "string"},
        },
    }


def _operation(described: Description, method: str, path: str, operation: Description) -> str:
    parts = [f"<p>{_prose(operation.get('description', ''))}</p>"]
    parameters = operation.get("parameters", [])
    if parameters:
        rows = "".join(
            _row(entry["name"], entry.get("schema", {}), entry.get("required", False), f"in {entry['in']}")
            for entry in parameters
        )
        parts.append(_table("Parameters", rows))
    body = _schema_of(operation.get("requestBody", {}))
    if body:
        parts.append(_table("Body", _rows(described, body)))
    parts.append(f"<h4>Example</h4><pre><code>{escape(_curl(method, path, operation))}</code></pre>")
    answer = _schema_of(operation["responses"].get("200", {}))
    if answer:
        rows = _rows(described, answer)
        parts.append(_table("Answer", rows) if rows else "")
    summary = escape(operation.get("summary", ""))
    return (
        f'<details id="{_anchor(method + path)}"><summary><b class="{method}">{method.upper()}</b> '
        f"<code>{escape(path)}</code> <span>{summary}</span></summary>{''.join(parts)}</details>"
    )


def _schema_of(content: Description) -> Description:
    found = content.get("content", {}).get("application/json", {}).get("schema", {})
    return found if isinstance(found, dict) else {}


def _rows(described: Description, schema: Description) -> str:
    resolved = _resolve(described, schema)
    required = resolved.get("required", [])
    return "".join(
        _row(name, field, name in required, "") for name, field in resolved.get("properties", {}).items()
    )


def _resolve(described: Description, schema: Description) -> Description:
    """Follows a reference; of several possibilities takes the first that is an object."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return _resolve(described, described["components"]["schemas"][name])
    for option in schema.get("anyOf", ()):
        resolved = _resolve(described, option)
        if "properties" in resolved:
            return resolved
    return schema


def _row(name: str, schema: Description, is_required: bool, place: str) -> str:  # noqa: FBT001 - a table's cell
    need = "required" if is_required else ""
    notes = [place, need, schema.get("description", "")]
    text = " · ".join(_prose(note) for note in notes if note)
    return f"<tr><td><code>{escape(name)}</code></td><td>{escape(_kind(schema))}</td><td>{text}</td></tr>"


def _kind(schema: Description) -> str:
    """Returns a schema's type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(option) for option in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    kind = schema.get("type", "any")
    return kind if isinstance(kind, str) else " or ".join(kind)


def _curl(method: str, path: str, operation: Description) -> str:
    lines = [f"curl -s $PILOTHOUSE{path}"]
    if method != "get":
        lines[0] = f"curl -s -X {method.upper()} $PILOTHOUSE{path}"
    if operation["security"]:
        lines.append('-H "Authorization: Bearer $PILOTHOUSE_KEY"')
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if body:
        examples = body.get("examples") or body.get("schema", {}).get("examples") or [{}]
        example = examples[0] if isinstance(examples, list) else next(iter(examples.values()))
        lines += ['-H "Content-Type: application/json"', f"-d '{json.dumps(example)}'"]
    return " \\\n  ".join(lines)


def _anchor(text: str) -> str:
    return escape("".join(letter if letter.isalnum() else "-" for letter in text.lower()).strip("-"))


def _prose(text: str) -> str:
    """Returns our own prose as HTML: what stands between backticks becomes code."""
    pieces = escape(text.split("\n\nRaises:", maxsplit=1)[0]).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))


def _table(title: str, rows: str) -> str:
    return f"<h4>{title}</h4><table>{rows}</table>"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>API · Pilothouse</title>
<link rel="icon" href="/assets/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<header><h1>Pilothouse API <small>{version}</small></h1>
<p>{introduction} The whole description: <a href="/openapi.json">/openapi.json</a>.
<a href="/">Back to the console</a></p>
<nav><ul>{links}</ul></nav></header>
<main>{body}</main>
</body>
</html>
"""

_STYLE = """:root { color-scheme: light dark; --line: #8884; --dim: #777; --accent: #0a66c2; }
@media (prefers-color-scheme: dark) { :root { --dim: #999; --accent: #6cb2ff; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 small { color: var(--dim); font-weight: 400; font-size: 50%; }
h2 { margin: 2rem 0 .5rem; }
h4 { margin: .8rem 0 .3rem; color: var(--dim); font-weight: 600; }
a { color: var(--accent); }
nav ul { display: flex; flex-wrap: wrap; gap: 1rem; list-style: none; padding: 0; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
pre { border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem; overflow-x: auto; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: .5rem .8rem; }
summary { cursor: pointer; }
summary b { display: inline-block; min-width: 4rem; color: var(--accent); }
summary b.delete { color: #c33; }
summary span { color: var(--dim); }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid var(--line); padding: .25rem .8rem .25rem 0; vertical-align: top; }
"""
