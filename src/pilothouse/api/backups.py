"""`/api/v1/backups`: saves the whole home into one file while everything runs.

Refuses to know what is in a backup. Invariant: only root may ask, and the file stays on this machine.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict

from pilothouse.access.authenticate import Needs, Now
from pilothouse.store.backup import BackupReport

router = APIRouter(prefix="/api/v1")

MakeBackup = Callable[..., BackupReport]
"""Called with `now_ms` and `with_keys`."""


class BackupOrder(BaseModel):
    """What to save."""

    model_config = ConfigDict(extra="forbid")

    with_keys: bool = False
    """Whether the keys folder goes in: whoever has the file can then read everything in it."""


@router.post("/backups", tags=["Maintenance"], summary="Save the home into one file")
def create(
    request: Request, order: BackupOrder, _: Annotated[object, Depends(Needs("root"))], now: Now
) -> BackupReport:
    """Saves the home into one file in its backups folder, and says where that is."""
    make: MakeBackup = request.app.state.make_backup
    return make(now_ms=now, with_keys=order.with_keys)
