"""What a key, a session and a sign-in link are, once they are on record.

Refuses to know databases and HTTP. Invariant: none of these holds a token's text.
"""

from dataclasses import dataclass, field
from typing import Literal

from pilothouse.contracts.snapshot import KeyRecord, RecordPolicy, Role
from pilothouse.contracts.traffic import NO_LIMITS, Limits, Priority

LOCAL_ISSUER = "local"
"""Who issued what was asked for over the admin socket: the home's owner."""

CallerKind = Literal["key", "session", "local"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request of the management API."""

    id: str
    name: str
    role: Role
    kind: CallerKind
    issuer: str
    """What this caller's right hangs on: a key's id, the root key's fingerprint, or `local`."""
    models: tuple[str, ...] | None = None
    team: str | None = None


LOCAL_CALLER = Caller(id="local", name="local user", role="root", kind="local", issuer=LOCAL_ISSUER)


@dataclass(frozen=True, slots=True)
class Key:
    """An API key as it is kept."""

    id: str
    name: str
    role: Role
    prefix: str
    digest: bytes = field(repr=False)
    created_at_ms: int
    created_by: str
    team: str | None = None
    models: tuple[str, ...] | None = None
    record: RecordPolicy | None = None
    expires_at_ms: int | None = None
    revoked_at_ms: int | None = None
    last_used_at_ms: int | None = None
    rotated_from: str | None = None
    limits: Limits = NO_LIMITS
    priority: Priority = "normal"

    def is_active(self, now_ms: int) -> bool:
        """Says whether the key opens anything at `now_ms`."""
        return self.revoked_at_ms is None and (self.expires_at_ms is None or now_ms < self.expires_at_ms)

    def caller(self) -> Caller:
        """Returns the one who shows this key."""
        return Caller(
            id=self.id,
            name=self.name,
            role=self.role,
            kind="key",
            issuer=self.id,
            models=self.models,
            team=self.team,
        )

    def key_record(self, counted_as: str | None = None) -> KeyRecord:
        """Returns the key as the snapshot carries it; `counted_as` is the key it came from by rotation."""
        return KeyRecord(
            id=self.id,
            digest=self.digest,
            name=self.name,
            role=self.role,
            team=self.team,
            models=self.models,
            expires_at_s=_seconds(self.expires_at_ms),
            record=self.record,
            limits=self.limits,
            priority=self.priority,
            counted_as=counted_as,
        )


@dataclass(frozen=True, slots=True)
class Session:
    """A browser's session; it can do what the caller it was opened for could, and ends with their right."""

    id: str
    digest: bytes = field(repr=False)
    issuer: str
    name: str
    role: Role
    created_at_ms: int
    expires_at_ms: int
    team: str | None = None
    models: tuple[str, ...] | None = None

    def caller(self) -> Caller:
        """Returns the one whose browser this is."""
        return Caller(
            id=self.id,
            name=self.name,
            role=self.role,
            kind="session",
            issuer=self.issuer,
            models=self.models,
            team=self.team,
        )

    def key_record(self, issuer: KeyRecord | None) -> KeyRecord:
        """Returns the session as the snapshot carries it, with what holds for its issuer's calls."""
        return KeyRecord(
            id=self.id,
            digest=self.digest,
            kind="session",
            name=self.name,
            role=self.role,
            team=issuer.team if issuer else self.team,
            models=issuer.models if issuer else self.models,
            expires_at_s=_seconds(self.expires_at_ms),
            record=issuer.record if issuer else None,
            limits=issuer.limits if issuer else NO_LIMITS,
            priority=issuer.priority if issuer else "normal",
            counted_as=(issuer.counted_as or issuer.id) if issuer else None,
        )


@dataclass(frozen=True, slots=True)
class SigninLink:
    """A link that opens one session, once; what the session may do is asked of the issuer then."""

    id: str
    digest: bytes = field(repr=False)
    issuer: str
    name: str
    role: Role
    created_at_ms: int
    expires_at_ms: int
    used_at_ms: int | None = None


def _seconds(milliseconds: int | None) -> int | None:
    """Returns whole seconds, rounded down: an expiry is never later than what was asked for."""
    return None if milliseconds is None else milliseconds // 1000
