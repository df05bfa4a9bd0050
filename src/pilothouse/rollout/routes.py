"""`/api/v1/configuration`: what is in force, and putting another in its place without a restart.

Refuses to know how it is built. Invariant: only root may change it, since it says where providers' keys are
sent; nobody overwrites a change that they have not seen.
"""

from typing import Annotated, Any, Protocol

import msgspec
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from pilothouse.access.authenticate import Admin, Needs, Now
from pilothouse.access.keys import Caller
from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.rollout.applied import Applied, InForce

router = APIRouter(prefix="/api/v1")


class ConfigurationHere(Protocol):
    """Whoever has the configuration."""

    def show(self) -> InForce:
        """Returns what is in force."""

    def apply(self, document: bytes, *, replaces: str, by: str, now_ms: int) -> Applied:
        """Puts a configuration in force."""


class Change(BaseModel):
    """Puts another configuration in force."""

    model_config = ConfigDict(extra="forbid")

    replaces: str = Field(max_length=100, description="`digest` of the configuration that is replaced.")
    settings: dict[str, Any] = Field(
        description="The sections `models`, `providers`, `prices`, `record`, `teams`, `limits` and "
        "`admission`, as in the file; `${NAME}` only where the file wants a secret."
    )


@router.get("/configuration", tags=["Configuration"], summary="The configuration in force")
def show_configuration(request: Request, _: Admin) -> InForce:
    """Says what is in force, and its digest."""
    return _here(request).show()


@router.put("/configuration", tags=["Configuration"], summary="Change the configuration")
def change_configuration(
    request: Request, body: Change, caller: Annotated[Caller, Depends(Needs("root"))], now: Now
) -> Applied:
    """Puts another configuration in force, without a restart; answers once the gateways obey it."""
    try:
        document = msgspec.json.encode(body.settings)
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            "The settings hold a lone surrogate, which is no character.",
            param="settings",
            hint="Send text as UTF-8.",
        ) from error
    return _here(request).apply(document, replaces=body.replaces, by=caller.id, now_ms=now)


def _here(request: Request) -> ConfigurationHere:
    here: ConfigurationHere = request.app.state.configuration
    return here
