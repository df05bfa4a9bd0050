"""Whether a browser's request comes from our own page: the check that makes a cookie safe to believe.

A page elsewhere can make a browser send our cookie, but it cannot choose the `Origin` that goes with it. And
a foreign name that is made to resolve to our address (DNS rebinding) shows in `Host`. See
https://owasp.org/www-community/attacks/csrf and RFC 6454. Both planes believe cookies, so both ask here.

Refuses to know who the caller is. Invariant: without a cookie none of this is asked.
"""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from pilothouse.contracts.errors import PermissionDeniedError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_SHOWN = 100
"""Characters of a foreign host name that are shown."""


def require_own_page(
    *,
    method: str,
    host: str | None,
    origin: str | None,
    fetch_site: str | None,
    allowed_hosts: Iterable[str],
    allowed_origins: Iterable[str] = (),
) -> None:
    """Refuses a request with a cookie unless it can only have come from a page we trust.

    Args:
        method: HTTP method.
        host: The `Host` header.
        origin: The `Origin` header; browsers send it with each request that can change something.
        fetch_site: The `Sec-Fetch-Site` header, where the browser sends it.
        allowed_hosts: Host names, without port, besides `localhost` and addresses in figures.
        allowed_origins: Origins (`https://host:port`) whose pages are trusted besides our own.

    Raises:
        PermissionDeniedError: It may have come from elsewhere.
    """
    if host is None or not _is_own_host(host, allowed_hosts):
        raise PermissionDeniedError(
            f"The host name {(host or '')[:LONGEST_SHOWN]!r} is not one of this server's.",
            hint="Add it to `access.allowed_hosts` in the configuration, or use the address in figures.",
            code="host_not_allowed",
        )
    if origin is None:
        is_own = fetch_site == "same-origin" or (method in SAFE_METHODS and fetch_site != "cross-site")
    elif origin.lower() in {allowed.lower() for allowed in allowed_origins}:
        is_own = True
    else:
        is_own = _authority(origin) == host.lower() and fetch_site != "cross-site"
    if not is_own:
        raise PermissionDeniedError(
            "This request carries a browser session but does not come from this server's own page.",
            hint="Use an API key in the Authorization header; sessions are for the console only.",
            code="origin_not_allowed",
        )


def _is_own_host(host: str, allowed_hosts: Iterable[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in {h.lower() for h in allowed_hosts}:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True  # An address in figures cannot be rebound: there is no name to resolve.


def _authority(origin: str) -> str | None:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in {"http", "https"} else None
