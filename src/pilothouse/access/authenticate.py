"""Who makes a request of the management API: a key, a browser session, or the home's owner.

Refuses to know what is asked. Invariant: a cookie counts only on a request from our own page, and a key in a
header goes before a cookie; nothing but the socket a request came in by makes it local.
"""

import time
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request

from pilothouse.access.desk import Desk
from pilothouse.access.keys import LOCAL_CALLER, Caller
from pilothouse.access.roles import require
from pilothouse.contracts.errors import AuthenticationError, PermissionDeniedError
from pilothouse.contracts.own_page import require_own_page
from pilothouse.contracts.snapshot import Role

COOKIE = "pilothouse_session"

_MISSING = "This needs an API key or a session."
_MISSING_HINT = (
    "Send `Authorization: Bearer <key>`, or sign in at `/`; `pilothouse keys create NAME` makes a key."
)


def read_clock() -> int:
    """Returns the time, in Unix milliseconds: the one place where the management API reads the clock."""
    return time.time_ns() // 1_000_000


def desk_of(request: Request) -> Desk:
    """Returns the process's desk."""
    desk = request.app.state.desk
    assert isinstance(desk, Desk)
    return desk


Now = Annotated[int, Depends(read_clock)]
DeskHere = Annotated[Desk, Depends(desk_of)]


def is_local(request: Request) -> bool:
    """Says whether the request came in by the admin socket, which only the home's owner can open."""
    server = request.scope.get("server")
    return server is not None and server[0] == request.app.state.admin_socket


def key_text(headers: Mapping[str, str]) -> str | None:
    """Returns the API key in a request's headers, as OpenAI's, Anthropic's or Azure's clients send it.

    Raises:
        AuthenticationError: The `Authorization` header is there, but of another scheme.
    """
    authorization = headers.get("authorization")
    if authorization is not None:
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            raise AuthenticationError(
                "The Authorization header is not of the form `Bearer <key>`.", hint=_MISSING_HINT
            )
        return text.strip()
    return headers.get("x-api-key") or headers.get("api-key")


def find_caller(request: Request, desk: DeskHere, now: Now) -> Caller:
    """Returns who makes this request.

    Raises:
        AuthenticationError: Nobody we know.
        PermissionDeniedError: A browser's request that does not come from our own page.
    """
    if is_local(request):
        return LOCAL_CALLER
    text = key_text(request.headers)
    if text is None:
        text = session_text(request)
    if text is None:
        raise AuthenticationError(_MISSING, hint=_MISSING_HINT, code="missing_api_key")
    return desk.identify(text, now)


def is_allowed(request: Request) -> bool:
    """Says whether the caller of a request that lasts may still read: keys end while tails are open."""
    try:
        require(find_caller(request, desk_of(request), read_clock()).role, "viewer")
    except (AuthenticationError, PermissionDeniedError):
        return False
    return True


def session_text(request: Request) -> str | None:
    """Returns the session that the request's cookie carries, once it is sure that our own page sent it.

    Raises:
        PermissionDeniedError: There is a cookie, but the request comes from elsewhere.
    """
    text = request.cookies.get(COOKIE)
    if text:
        require_from_own_page(request)
    return text or None


def require_from_own_page(request: Request) -> None:
    """Refuses a browser's request that comes from another page.

    Raises:
        PermissionDeniedError: It does, or may.
    """
    require_own_page(
        method=request.method,
        host=request.headers.get("host"),
        origin=request.headers.get("origin"),
        fetch_site=request.headers.get("sec-fetch-site"),
        allowed_hosts=request.app.state.allowed_hosts,
    )


CallerHere = Annotated[Caller, Depends(find_caller)]


class Needs:
    """A dependency that refuses callers below a role."""

    def __init__(self, role: Role) -> None:
        self._role = role

    def __call__(self, caller: CallerHere) -> Caller:
        """Returns the caller.

        Raises:
            PermissionDeniedError: Their role is below the one needed.
        """
        require(caller.role, self._role)
        return caller


Viewer = Annotated[Caller, Depends(Needs("viewer"))]
Admin = Annotated[Caller, Depends(Needs("admin"))]
