"""`GET /v1/models` and `/v1/models/{id}`: the models that a caller may use, as OpenAI lists them.

Refuses to know deployments. Invariant: a model that a key does not allow is not shown to it.
"""

from urllib.parse import unquote_to_bytes

from pilothouse.contracts.errors import NotFoundError
from pilothouse.contracts.snapshot import KeyRecord
from pilothouse.gateway import wire
from pilothouse.gateway.directory import Directory, Route

PATH = b"/v1/models"


def models_body(directory: Directory, key: KeyRecord) -> bytes:
    """Returns the list's body."""
    routes = (route for route in directory.routes.values() if _is_allowed(key, route.name))
    return wire.encode({"object": "list", "data": [_shown(route) for route in routes]})


def model_body(directory: Directory, key: KeyRecord, path: bytes) -> bytes:
    """Returns the body for one model.

    Raises:
        NotFoundError: There is no such model for this caller.
    """
    name = unquote_to_bytes(path.removeprefix(PATH + b"/")).decode("utf-8", "replace")
    route = directory.route(name) if _is_allowed(key, name) else None
    if route is None:
        raise NotFoundError(
            f"The model {name[:200]!r} does not exist here.",
            hint="GET /v1/models lists the models there are.",
            code="model_not_found",
            param="model",
        )
    return wire.encode(_shown(route))


def _is_allowed(key: KeyRecord, name: str) -> bool:
    return key.models is None or name in key.models


def _shown(route: Route) -> dict[str, str | int]:
    return {"id": route.name, "object": "model", "created": route.created_s, "owned_by": "pilothouse"}
