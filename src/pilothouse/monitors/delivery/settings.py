"""The `receivers:` section of the configuration file: who is told of alerts, and by which way.

Refuses to know rules. Invariant: every address that may hold a token, and every password, is a reference to
an environment variable.
"""

from typing import Annotated, Literal

import msgspec

__all__ = ["ReceiverSettings", "Way"]

Way = Literal["webhook", "slack", "email", "pagerduty"]


class ReceiverSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One receiver."""

    kind: Way
    """`webhook`: signed JSON. `slack`: as Slack, Mattermost and others take it. `email`: by SMTP.
    `pagerduty`: Events API v2."""
    webhook_url: str | None = None
    """For `webhook` and `slack`: where to post, as a reference like `${OPS_WEBHOOK_URL}`."""
    signing_secret: str | None = None
    """For `webhook`: signs the body (HMAC-SHA256), as a reference."""
    routing_key: str | None = None
    """For `pagerduty`: the integration's key, as a reference."""
    events_url: str = "https://events.pagerduty.com/v2/enqueue"
    """For `pagerduty`: where events go."""
    smtp_host: str | None = None
    """For `email`: the mail server."""
    smtp_port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] | None = None
    """For `email`: its port; left out, 587, or 465 with `security: tls`, or 25 with `security: none`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """For `email`: how the connection is secured. `none` never sends a password."""
    username: str | None = None
    """For `email`: who logs in; left out, nobody does."""
    password: str | None = None
    """For `email`: the password, as a reference."""
    sender: str | None = None
    """For `email`: the From address."""
    to: list[str] = []
    """For `email`: the addresses told."""
    allow_private: bool = False
    """Whether the receiver may be at a private or loopback address; else such an address is refused."""
    with_resolved: bool = True
    """Whether it is told when an alert is over."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0
    """Deadline of one try, in seconds."""
