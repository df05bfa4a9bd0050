"""What the control process is handed on standard input, and the `control:` section of the configuration file.

Refuses to know how either is read. Invariant: no provider's secret is in it, only the names of those set.
"""

from typing import Annotated, Literal

import msgspec

from pilothouse.access.settings import AccessSettings
from pilothouse.rollout.settings import RolloutSettings


class ManagementSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The management API and its jobs (`control:` in the configuration file)."""

    metrics_without_key: Literal["loopback", "always", "never"] = "loopback"
    """From where `/metrics` may be read without a key."""
    projection_ms: Annotated[int, msgspec.Meta(ge=10)] = 200
    """How often the journal is folded into the analytics database, in milliseconds."""
    retention_s: Annotated[int, msgspec.Meta(ge=1)] = 3600
    """How often what is past its retention is dropped, in seconds."""


class ControlSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One JSON document, written to the control process's standard input by the supervisor."""

    home: str
    """The home folder, absolute."""
    address: str = "http://127.0.0.1:8080"
    """Where clients reach the gateway."""
    management: ManagementSettings = ManagementSettings()
    access: AccessSettings = AccessSettings()
    rollout: RolloutSettings = RolloutSettings()
    secrets: tuple[str, ...] = ()
    """Names of the environment variables that are set and hold a provider's key (never their values)."""
    root_key: str | None = None
    """The root key's text, when the operator gave one; else it is read from the home folder."""
