"""Where an upstream listens: a base URL taken apart once, at configuration time.

Refuses to know names' addresses: that is asked when a connection is made. Invariant: two equal addresses
may share connections.
"""

from urllib.parse import urlsplit

import msgspec

UNIX_SCHEME = "unix:"


class Address(msgspec.Struct, frozen=True):
    """One place to connect to, and the path that stands before every request there."""

    host: str
    port: int
    is_tls: bool = False
    verify_tls: bool = True
    socket_path: str | None = None
    """Absolute path of a Unix socket; then `host` and `port` only fill the Host header."""

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.is_tls else 80
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def label(self) -> str:
        """The address as a person reads it in a log or a status."""
        if self.socket_path is not None:
            return f"unix:{self.socket_path}"
        return f"{'https' if self.is_tls else 'http'}://{self.authority}"


def parse_base_url(url: str, *, verify_tls: bool = True) -> tuple[Address, str]:
    """Takes a base URL apart into the address to connect to and the path before every request.

    Args:
        url: `https://host[:port]/v1`, `http://…`, or `unix:/path/to.sock:/v1`.
        verify_tls: Whether a certificate must be trusted.

    Returns:
        The address, and the base path without a slash at its end.

    Raises:
        ValueError: The URL is none of these.
    """
    if url.startswith(UNIX_SCHEME):
        socket_path, _, path = url.removeprefix(UNIX_SCHEME).partition(":")
        if not socket_path.startswith("/"):
            raise ValueError(f"{url!r}: a unix: address needs an absolute path")
        return Address(host="localhost", port=80, socket_path=socket_path), path.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an http://, https:// or unix: address")
    is_tls = parts.scheme == "https"
    address = Address(
        host=parts.hostname,
        port=parts.port or (443 if is_tls else 80),
        is_tls=is_tls,
        verify_tls=verify_tls,
    )
    return address, parts.path.rstrip("/")
