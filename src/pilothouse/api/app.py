"""Puts the management API together: packages' routes, errors, headers, documentation, console.

Refuses to know what any route does. Invariant: the console's route is the last one, so that it can hide none.
"""

from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI

from pilothouse import __version__
from pilothouse.access.authenticate import Needs
from pilothouse.access.desk import Desk
from pilothouse.access.routes import pages as access_pages
from pilothouse.access.routes import router as access_router
from pilothouse.api import console, documents, errors
from pilothouse.api.headers import BrowserHeaders
from pilothouse.api.leaving import Leaving
from pilothouse.api.limits import BodyLimit

MAX_BODY_BYTES = 1_048_576
CONSOLE_FOLDER = Path(__file__).parent.parent / "console"


def create_app(
    *,
    desk: Desk,
    admin_socket: str,
    allowed_hosts: Sequence[str],
    readable: Sequence[APIRouter] = (),
    routers: Sequence[APIRouter],
    console_folder: Path = CONSOLE_FOLDER,
) -> FastAPI:
    """Returns the application.

    Args:
        desk: Who may.
        admin_socket: The path of the socket whose callers are the home's owner.
        allowed_hosts: Host names that browsers may use, besides loopback names and addresses in figures.
        readable: Routes for everybody with a key or session; what they need is put into `app.state`.
        routers: Further routes, which see to it themselves who may use them.
        console_folder: Where the console's files are.
    """
    app = FastAPI(
        title="Pilothouse",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.desk = desk
    app.state.admin_socket = admin_socket
    app.state.allowed_hosts = tuple(allowed_hosts)
    app.state.console = console.load_console(console_folder)
    errors.install(app)
    app.add_middleware(BodyLimit, most_bytes=MAX_BODY_BYTES)
    app.add_middleware(BrowserHeaders)
    app.add_middleware(Leaving)
    for router in readable:
        app.include_router(router, dependencies=[Depends(Needs("viewer"))])
    for router in (access_router, access_pages, *routers, documents.router, console.router):
        app.include_router(router)
    return app
