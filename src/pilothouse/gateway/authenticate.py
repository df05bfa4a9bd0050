"""Step 1: who calls. An API key in a header, or the console's session in a cookie from our own page.

Refuses to know where keys are kept. Invariant: a cookie counts only with a Host and an Origin of ours, so
that a page elsewhere cannot spend money through it; a key in a header is proof by itself.
"""

from pilothouse.contracts import own_page
from pilothouse.contracts.errors import AuthenticationError, PermissionDeniedError
from pilothouse.contracts.snapshot import KeyRecord
from pilothouse.gateway.call import Call
from pilothouse.gateway.state import GatewayState

SESSION_COOKIE = b"pilothouse_session"
NANOSECONDS = 1_000_000_000
KEY_HINT = "Send `Authorization: Bearer <key>`; `pilothouse keys create` makes a key."

Headers = dict[bytes, bytes]


def authenticate(call: Call) -> None:
    """Sets `call.key`."""
    request, state = call.request, call.state
    try:
        key = caller_of(request.method, request.headers, state, now_ns=request.at_ns)
    except AuthenticationError:
        if request.fault is None:  # the head may not be whole: the fault says more
            raise
        return
    call.key, call.key_id, call.team = key, key.id, key.team
    if key.role == "viewer":
        raise PermissionDeniedError(
            "This key may look but not call models.", hint="Use a key of the role member or above."
        )


def caller_of(method: bytes, headers: Headers, state: GatewayState, *, now_ns: int) -> KeyRecord:
    """Returns the key or session of a request.

    Raises:
        AuthenticationError: There is none, or it is not known, or it has expired.
        PermissionDeniedError: A session came from a page or under a name that is not ours.
    """
    token = header_key(headers)
    is_session = token is None
    if token is None:
        token = session_cookie(headers)
        if token is None:
            raise AuthenticationError("No API key was sent.", hint=KEY_HINT, code="missing_api_key")
        require_own_page(method, headers, state)
    record = state.directory.key(token)
    if record is None or (record.expires_at_s is not None and record.expires_at_s * NANOSECONDS <= now_ns):
        what = "session" if is_session else "API key"
        raise AuthenticationError(
            f"The {what} sent is not known here, was revoked, or has expired.",
            hint="Sign in again." if is_session else KEY_HINT,
        )
    return record


def header_key(headers: Headers) -> bytes | None:
    """Returns the API key in a header: a bearer token, `x-api-key` or `api-key`."""
    value = headers.get(b"authorization")
    if value is not None:
        return value[7:].strip() if value[:7].lower() == b"bearer " else value
    return headers.get(b"x-api-key") or headers.get(b"api-key")


def session_cookie(headers: Headers) -> bytes | None:
    """Returns the console's session token."""
    for pair in headers.get(b"cookie", b"").split(b";"):
        name, _, value = pair.strip().partition(b"=")
        if name == SESSION_COOKIE and value:
            return value.strip(b'"')
    return None


def require_own_page(method: bytes, headers: Headers, state: GatewayState) -> None:
    """Refuses a request with a cookie unless it can only have come from a page that this gateway serves.

    Raises:
        PermissionDeniedError: It may have come from elsewhere.
    """
    own_page.require_own_page(
        method=method.decode("latin-1"),
        host=_text(headers, b"host"),
        origin=_text(headers, b"origin"),
        fetch_site=_text(headers, b"sec-fetch-site"),
        allowed_hosts=state.process.allowed_hosts,
        allowed_origins=state.settings.allowed_origins,
    )


def _text(headers: Headers, name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")
