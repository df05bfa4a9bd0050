"""What of the conventions only the export needs: names of a try's span, of a histogram's parts, the schema.

Refuses to know the wire; a call's own names are in `outgoing.py`. Invariant: nothing here is content.
"""

from pilothouse.contracts.events import Attempt, RequestCompleted
from pilothouse.telemetry.semconv.outgoing import Conventions

__all__ = ["PLACE_ATTRIBUTES", "attempt_attributes", "schema_url"]

SCHEMAS: dict[Conventions, str] = {"1.41": "https://opentelemetry.io/schemas/1.41.0", "latest": ""}

PLACE_ATTRIBUTES = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.token.type",
    "error.type",
)
"""What each part of a histogram's place is called, in its order."""


def schema_url(conventions: Conventions) -> str:
    """Returns where the names are written down, "" where there is no such place."""
    return SCHEMAS[conventions]


def attempt_attributes(call: RequestCompleted, attempt: Attempt) -> dict[str, str | int | float]:
    """Returns what is said of one try; tokens are the whole call's, so that nobody adds them up twice."""
    named: dict[str, str | int | float | None] = {
        "gen_ai.provider.name": attempt.provider,
        "gen_ai.request.model": call.model,
        "http.response.status_code": attempt.status,
        "error.type": attempt.error_code,
        "pilothouse.deployment": attempt.deployment,
        "pilothouse.attempt.reason": attempt.reason,
    }
    return {name: value for name, value in named.items() if value is not None}
