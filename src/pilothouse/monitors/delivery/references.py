"""The secrets that receivers refer to, and what contradicts itself in their settings.

Refuses to know the environment: values come from whoever read it. Invariant: a setting that may hold a secret
is a whole reference, `${NAME}`, or empty.
"""

import re
from collections.abc import Iterator, Mapping

from pilothouse.monitors.delivery.settings import ReceiverSettings

__all__ = ["SECRET_SETTINGS", "problems", "secrets_for", "variables"]

SECRET_SETTINGS = ("webhook_url", "signing_secret", "routing_key", "password")
NEEDED = {
    "webhook": ("webhook_url",),
    "slack": ("webhook_url",),
    "email": ("smtp_host", "sender", "to"),
    "pagerduty": ("routing_key",),
}
_REFERENCE = re.compile(r"\A\$\{([A-Za-z_][A-Za-z0-9_]*)\}\Z")


def variables(settings: ReceiverSettings) -> dict[str, str]:
    """Returns the environment variable that each secret setting names."""
    found: dict[str, str] = {}
    for setting in SECRET_SETTINGS:
        match = _REFERENCE.match(getattr(settings, setting) or "")
        if match:
            found[setting] = match.group(1)
    return found


def secrets_for(settings: ReceiverSettings, values: Mapping[str, str]) -> dict[str, str]:
    """Returns a receiver's secrets, by setting; those that are not set are left out."""
    return {setting: values[name] for setting, name in variables(settings).items() if name in values}


def problems(settings: ReceiverSettings) -> Iterator[tuple[str, str, str]]:
    """Yields each contradiction: the setting, what is wrong, what to do."""
    for setting in NEEDED[settings.kind]:
        if not getattr(settings, setting):
            yield setting, f"a receiver of kind `{settings.kind}` needs `{setting}`", f"Add `{setting}:`."
    for setting in SECRET_SETTINGS:
        value = getattr(settings, setting)
        if value and not _REFERENCE.match(value):
            yield setting, f"`{setting}` must be a reference, never the secret itself", "Write `${NAME}`."
    if settings.username is not None and settings.password is None:
        yield "password", "there is a `username` and no `password`", 'Add `password: "${SMTP_PASSWORD}"`.'
    if settings.username is not None and settings.security == "none":
        yield "security", "a password is never sent unsecured", "Use `security: starttls` or `tls`."
