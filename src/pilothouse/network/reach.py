"""Where a request may go: a name is resolved once, each address judged, and one of those connected to.

So a name that resolves to a public address when asked first, and to a private one when connected to (DNS
rebinding), reaches nothing. Refuses to know who asks. Invariant: a connection that `connect_allowed` returns
is to an address that was allowed.
"""

import socket
from collections.abc import Callable
from ipaddress import ip_address

from pilothouse.contracts.errors import PermissionDeniedError

__all__ = ["Allowed", "anywhere", "connect_allowed", "public_only"]

Allowed = Callable[[str], bool]
"""Says whether an IP address, as text, may be connected to."""


def public_only(address: str) -> bool:
    """Says whether an address is one of the public internet."""
    parsed = ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_global and not (mapped or parsed).is_multicast


def anywhere(_: str) -> bool:
    """Allows every address."""
    return True


def connect_allowed(host: str, port: int, timeout_s: float, allowed: Allowed) -> socket.socket:
    """Connects to the first address of a host that is allowed and answers.

    Raises:
        PermissionDeniedError: The host has no address that is allowed.
        OSError: The name is not known, or no address takes the connection.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    usable = [str(entry[4][0]) for entry in found if allowed(str(entry[4][0]))]
    if not usable:
        raise PermissionDeniedError(
            f"{host} is at a private address, which is not allowed here.",
            hint="Allow it in the configuration (`allow_private: true`) if it is meant.",
            code="private_address",
        )
    fault: OSError | None = None
    for address in dict.fromkeys(usable):
        try:
            return socket.create_connection((address, port), timeout_s)
        except OSError as error:
            fault = error
    assert fault is not None
    raise fault
