"""The `access:` section of the configuration file.

Refuses to know keys and sessions themselves. Invariant: an instance is valid by itself.
"""

from typing import Annotated, Literal

import msgspec

Seconds = Annotated[int, msgspec.Meta(ge=1)]


class AccessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How people and programs prove who they are."""

    allowed_hosts: tuple[str, ...] = ()
    """Host names (without port) that a browser may use for this server, besides the loopback names and the
    address it listens on. A cookie sent with any other `Host` or `Origin` is refused."""
    session_s: Seconds = 43_200
    """How long a browser session lasts, in seconds (12 hours)."""
    signin_link_s: Seconds = 900
    """How long a single-use sign-in link may be used, in seconds (15 minutes)."""
    metrics_without_key: Literal["loopback", "always", "never"] = "loopback"
    """From where `/metrics` may be read without a key."""
