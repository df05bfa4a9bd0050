"""Whether a browser's request comes from our own page: the check that makes a cookie safe to believe.

A page elsewhere can make a browser send our cookie, but it cannot choose the `Origin` that goes with it. And
a foreign name that is made to resolve to our address (DNS rebinding) shows in `Host`. See
https://owasp.org/www-community/attacks/csrf and RFC 6454.

Refuses to know who the caller is. Invariant: without a cookie none of this is asked.
"""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from pilothouse.contracts.errors import PermissionDeniedError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def require_own_page(
    *, method: str, host: str | None, origin: str | None, fetch_site: str | None, allowed_hosts: Iterable[str]
) -> None:
    """Refuses a request with a cookie unless it can only have come from our own page.

    Args:
        method: HTTP method.
        host: The `Host` header.
        origin: The `Origin` header; browsers send it with each request that can change something.
        fetch_site: The `Sec-Fetch-Site` header, where the browser sends it.
        allowed_hosts: Host names, without port, besides `localhost` and addresses in figures.

    Raises:
        PermissionDeniedError: It may have come from elsewhere.
    """
    if host is None or not _is_own_host(host, allowed_hosts):
        raise PermissionDeniedError(
            f"The host name {host!r} is not one of this server's.",
            hint="Add it to `allowed_hosts` under `access:` in the configuration, or use the address itself.",
            code="host_not_allowed",
        )
    if origin is not None:
        is_own = _authority(origin) == host.lower()
    else:
        is_own = method in SAFE_METHODS or fetch_site == "same-origin"
    if not is_own or fetch_site == "cross-site":
        raise PermissionDeniedError(
            "This request carries a browser session but does not come from this server's own page.",
            hint="Use an API key in the Authorization header; sessions are for the console only.",
            code="origin_not_allowed",
        )


def _is_own_host(host: str, allowed_hosts: Iterable[str]) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    if name in {allowed.lower() for allowed in allowed_hosts}:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True  # An address in figures cannot be rebound: there is no name to resolve.


def _authority(origin: str) -> str | None:
    parts = urlsplit(origin)
    return parts.netloc.lower() if parts.scheme in {"http", "https"} else None
