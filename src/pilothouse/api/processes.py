"""`/api/v1/status`: how every process is, how far the record is, and which versions run.

Refuses to know history. Invariant: it answers though any other process is away.
"""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, Request

from pilothouse import __version__
from pilothouse.access.authenticate import Now, Viewer
from pilothouse.api.metrics import instruments_of, resident_bytes
from pilothouse.api.status import whole

router = APIRouter(prefix="/api/v1")

SHOWN_PACKAGES = ("fastapi", "duckdb", "sqlalchemy", "uvicorn", "xllamacpp", "genai-prices")


@router.get("/status", tags=["Health"], summary="How the processes are")
def show_status(request: Request, _: Viewer, now: Now) -> dict[str, Any]:
    """Says how each process is, how far the record is, and which versions run."""
    instruments = instruments_of(request)
    ingest = instruments.ingest.state(now)
    return {
        "supervisor": whole(instruments.status.supervisor()),
        "gateways": whole(instruments.status.gateways()),
        "control": {"resident_bytes": resident_bytes()},
        "ingest": {
            "lag_ms": round(ingest.lag_ms, 1),
            "segments": ingest.segments,
            "offset_bytes": ingest.offset_bytes,
            "events_total": ingest.events_total,
            "damages_total": ingest.damages_total,
            "open_calls": ingest.open_calls,
        },
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    versions = {"pilothouse": __version__, "python": platform.python_version()}
    for package in SHOWN_PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
