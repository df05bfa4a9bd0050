"""`GET /v1/models` and `/v1/models/{id}`: the models that a caller may use, in OpenAI's or Anthropic's shape.

Refuses to know deployments. Invariant: a model that a key does not allow is not shown to it.
"""

from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

from pilothouse.contracts.errors import NotFoundError
from pilothouse.contracts.snapshot import KeyRecord
from pilothouse.gateway import wire
from pilothouse.gateway.directory import Directory, Route

PATH = b"/v1/models"


def models_body(directory: Directory, key: KeyRecord, *, is_anthropic: bool = False) -> bytes:
    """Returns the list's body, as OpenAI shows it or as Anthropic does."""
    routes = [route for route in directory.routes.values() if _is_allowed(key, route.name)]
    if is_anthropic:
        names = [route.name for route in routes]
        ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
        return wire.encode({"data": [_as_anthropic(route) for route in routes], "has_more": False, **ends})
    return wire.encode({"object": "list", "data": [_shown(route) for route in routes]})


def model_body(directory: Directory, key: KeyRecord, path: bytes, *, is_anthropic: bool = False) -> bytes:
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
    return wire.encode(_as_anthropic(route) if is_anthropic else _shown(route))


def _is_allowed(key: KeyRecord, name: str) -> bool:
    return key.models is None or name in key.models


def _shown(route: Route) -> dict[str, str | int]:
    return {"id": route.name, "object": "model", "created": route.created_s, "owned_by": "pilothouse"}


def _as_anthropic(route: Route) -> dict[str, str]:
    created = datetime.fromtimestamp(route.created_s, UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": route.name, "display_name": route.name, "created_at": created}
