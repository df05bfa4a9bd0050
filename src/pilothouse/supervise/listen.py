"""Opens the one listening socket, which every gateway worker inherits.

Refuses to know HTTP. Invariant: the socket stays open for as long as the supervisor lives, so that a worker's
restart refuses no connection.
"""

import errno
import ipaddress
import os
import socket
from pathlib import Path

from pilothouse.contracts.errors import ConfigurationError

BACKLOG = 4096
CONNECTION_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)
"""What each accepted connection inherits (tcp(7)): no delay, and a vanished peer is noticed in 2 minutes."""


def listen(host: str, port: int) -> socket.socket:
    """Returns a listening TCP socket, ready to be inherited.

    Args:
        host: A name or address of this machine; `::` and `0.0.0.0` mean all of them.
        port: The port; 0 lets the kernel choose.

    Raises:
        ConfigurationError: The port is taken or not allowed, or the host is not one of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ConfigurationError(
            f"The host {host!r} is not known: {error.strerror}.", hint="Use an address, such as 127.0.0.1."
        ) from error
    family, kind, protocol, _, address = found[0]
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for level, option, value in CONNECTION_OPTIONS:
        opened.setsockopt(level, option, value)
    try:
        opened.bind(address)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise _refused(host, port, error) from error
    opened.settimeout(0)
    os.set_inheritable(opened.fileno(), True)  # noqa: FBT003 - the standard library's signature
    return opened


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address_of(host: str, port: int, *, is_tls: bool = False) -> str:
    """Returns the base URL that a person or client on this machine uses."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104 - compared only
    return f"{'https' if is_tls else 'http'}://{shown}:{port}"


def _refused(host: str, port: int, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        owner = _owner_of(port)
        by = f" by {owner}" if owner else ""
        return ConfigurationError(
            f"Port {port} on {host} is already in use{by}.",
            hint=f"Stop that program, or choose another port: --port {port + 1}.",
        )
    if error.errno == errno.EACCES:
        return ConfigurationError(
            f"Port {port} may not be opened by this user.",
            hint="Ports below 1024 are reserved; use --port 8080.",
        )
    reason = os.strerror(error.errno) if error.errno else str(error)
    return ConfigurationError(
        f"{host}:{port} cannot be listened on: {reason}.", hint="Check --host and --port."
    )


def _owner_of(port: int) -> str | None:
    """Returns `name (process N)` of whoever listens on the port, as far as this user may see."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        lines = Path(table).read_text(encoding="ascii").splitlines()[1:] if Path(table).exists() else []
        for line in lines:
            fields = line.split()
            listening = "0A"
            if fields[3] == listening and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(str(link.readlink()) in inodes for link in folder.iterdir()):
                name = (folder.parent / "comm").read_text(encoding="utf-8").strip()
                return f"{name} (process {folder.parent.name})"
        except OSError:
            continue
    return None
