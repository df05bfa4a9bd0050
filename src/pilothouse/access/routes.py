"""The management API of keys, sessions and sign-in links: thin HTTP over the desk.

Refuses to know rules. Invariant: a key's text is in the one answer that made it, a session's only in a
cookie that no script can read.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

import msgspec
from fastapi import APIRouter, Path, Request, Response, status
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from pilothouse.access.authenticate import (
    COOKIE,
    Admin,
    CallerHere,
    DeskHere,
    Now,
    Viewer,
    require_from_own_page,
)
from pilothouse.access.keys import Caller, Key
from pilothouse.access.tokens import Token
from pilothouse.contracts.errors import AuthenticationError
from pilothouse.contracts.snapshot import ConfidenceRecording, ContentRecording, RecordPolicy, Role
from pilothouse.contracts.traffic import NO_LIMITS, Limits, Priority

router = APIRouter(prefix="/api/v1")
pages = APIRouter()

MAX_GRACE_S = 90 * 24 * 3600
MAX_KEY_CHARACTERS = 1024

LAST_MOMENT_MS = 253_402_300_799_000
"""The end of the year 9999."""
MOST = 1_000_000_000_000
Count = Annotated[int, Field(ge=1, le=MOST)]
ModelName = Annotated[str, Field(min_length=1, max_length=200)]
Dollars = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)]
KeyId = Annotated[str, Path(max_length=100)]


class _Body(BaseModel):
    """A request body: a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SessionRequest(_Body):
    """Opens a browser session."""

    key: str = Field(min_length=1, max_length=MAX_KEY_CHARACTERS, description="An API key.")


class RecordRequest(_Body):
    """What of a key's calls is kept; the stricter of the key's and the model's word holds."""

    content: ContentRecording = "full"
    confidence: ConfidenceRecording = "off"
    max_body_bytes: int = Field(default=RecordPolicy().max_body_bytes, ge=0, le=MOST)

    def policy(self) -> RecordPolicy:
        """Returns it as the snapshot carries it."""
        return RecordPolicy(
            content=self.content, confidence=self.confidence, max_body_bytes=self.max_body_bytes
        )


class LimitRequest(_Body):
    """What a key may use; null is no limit. In a change, what is left out stays as it is."""

    requests_per_minute: Count | None = Field(default=None, description="Calls in any 60 s.")
    tokens_per_minute: Count | None = Field(
        default=None, description="Input and output tokens together in any 60 s."
    )
    concurrency: Count | None = Field(default=None, description="Calls under way at once.")
    budget_day_usd: Dollars | None = Field(default=None, description="US dollars a UTC day.")
    budget_month_usd: Dollars | None = Field(default=None, description="US dollars a UTC calendar month.")

    def over(self, limits: Limits) -> Limits:
        """Returns `limits` with what was sent in place of what was."""
        return msgspec.structs.replace(
            limits, **{name: getattr(self, name) for name in self.model_fields_set}
        )


class KeyRequest(_Body):
    """Makes a key."""

    name: str = Field(min_length=1, max_length=200, description="What will use the key.")
    role: Role = "member"
    team: str | None = Field(default=None, max_length=200, description="A label to group costs by.")
    models: list[ModelName] | None = Field(
        default=None, max_length=1000, description="Public model names allowed; null allows all."
    )
    expires_at_ms: int | None = Field(
        default=None, ge=0, le=LAST_MOMENT_MS, description="Unix milliseconds; null: never."
    )
    record: RecordRequest | None = None
    limits: LimitRequest = Field(default=LimitRequest(), description="What the key may use.")
    priority: Priority = Field(default="normal", description="Who waits first when there is too much to do.")


class KeyChange(_Body):
    """Changes a key; what is left out stays as it is."""

    name: str = Field(default="", min_length=1, max_length=200)
    team: str | None = Field(default=None, max_length=200)
    models: list[ModelName] | None = Field(default=None, max_length=1000)
    limits: LimitRequest = Field(
        default=LimitRequest(), description="Limits left out stay; null takes one away."
    )
    priority: Priority = "normal"

    def over(self, key: Key) -> Key:
        """Returns the key with what was sent in place of what was."""
        sent: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if self.models is not None:
            sent["models"] = tuple(self.models)
        if "limits" in sent:
            sent["limits"] = self.limits.over(key.limits)
        return replace(key, **sent)


class RotateRequest(_Body):
    """Replaces a key."""

    grace_s: int = Field(default=0, ge=0, le=MAX_GRACE_S, description="Seconds that the old key still works.")


@dataclass(frozen=True, slots=True)
class SessionView:
    """Who the caller is."""

    id: str
    name: str
    role: Role
    kind: Literal["key", "session", "local"]

    @classmethod
    def of(cls, caller: Caller) -> Self:
        """Returns what may be told about a caller."""
        return cls(id=caller.id, name=caller.name, role=caller.role, kind=caller.kind)


@dataclass(frozen=True, slots=True)
class LinkView:
    """A single-use sign-in link, shown once."""

    token: str
    path: str
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class RecordView:
    """What of a key's calls is kept."""

    content: ContentRecording
    confidence: ConfidenceRecording
    max_body_bytes: int


@dataclass(frozen=True, slots=True)
class LimitView:
    """What a key may use; null is no limit."""

    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrency: int | None
    budget_day_usd: float | None
    budget_month_usd: float | None

    @classmethod
    def of(cls, limits: Limits) -> Self:
        """Returns limits as they are shown."""
        return cls(**msgspec.structs.asdict(limits))


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key, without its text."""

    id: str
    name: str
    role: Role
    team: str | None
    models: tuple[str, ...] | None
    record: RecordView | None
    created_at_ms: int
    created_by: str | None
    expires_at_ms: int | None
    revoked_at_ms: int | None
    last_used_at_ms: int | None
    rotated_from: str | None
    prefix: str
    limits: LimitView
    priority: Priority


@dataclass(frozen=True, slots=True)
class NewKeyView(KeyView):
    """A key just made, with its text: shown now and never again."""

    key: str


@dataclass(frozen=True, slots=True)
class KeyList:
    """All keys, newest first."""

    data: list[KeyView]


@router.get("/session", tags=["Access"])
def show_session(caller: CallerHere) -> SessionView:
    """Says who you are."""
    return SessionView.of(caller)


@router.post("/session", tags=["Access"])
def open_session(
    body: SessionRequest, request: Request, response: Response, desk: DeskHere, now: Now
) -> SessionView:
    """Opens a browser session with an API key; the answer sets a cookie for 12 hours."""
    if "origin" in request.headers:
        require_from_own_page(request)
    session, token = desk.open_session(desk.identify(body.key, now), now_ms=now)
    _set_cookie(request, response, token, session.expires_at_ms - now)
    return SessionView.of(session.caller())


@router.delete("/session", tags=["Access"], status_code=status.HTTP_204_NO_CONTENT)
def end_session(caller: CallerHere, response: Response, desk: DeskHere, now: Now) -> None:
    """Ends the browser session."""
    if caller.kind == "session":
        desk.end_session(caller.id, now_ms=now)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


@router.post("/signin-links", tags=["Access"])
def create_signin_link(caller: Admin, desk: DeskHere, now: Now) -> LinkView:
    """Makes a link that signs one browser in, once, within 15 minutes."""
    link, token = desk.create_link(caller, now_ms=now)
    return LinkView(token=token.text, path=f"/signin?token={token.text}", expires_at_ms=link.expires_at_ms)


@router.get("/keys", tags=["Keys"])
def list_keys(_: Viewer, desk: DeskHere) -> KeyList:
    """Lists all keys ever made, newest first, without their texts."""
    return KeyList([_view(key) for key in desk.list_keys()])


@router.post("/keys", tags=["Keys"])
def create_key(body: KeyRequest, caller: Admin, desk: DeskHere, now: Now) -> NewKeyView:
    """Makes a key. Its text is in this answer and nowhere else."""
    key, token = desk.create_key(
        caller,
        name=body.name,
        role=body.role,
        team=body.team,
        models=None if body.models is None else tuple(body.models),
        expires_at_ms=body.expires_at_ms,
        record=None if body.record is None else body.record.policy(),
        limits=body.limits.over(NO_LIMITS),
        priority=body.priority,
        now_ms=now,
    )
    return _new_view(key, token)


@router.patch("/keys/{key_id}", tags=["Keys"])
def update_key(key_id: KeyId, body: KeyChange, caller: Admin, desk: DeskHere, now: Now) -> KeyView:
    """Changes what a key may use; gateways obey within a second."""
    return _view(desk.update_key(caller, key_id, body.over, now_ms=now))


@router.post("/keys/{key_id}/revoke", tags=["Keys"])
def revoke_key(key_id: KeyId, caller: Admin, desk: DeskHere, now: Now) -> KeyView:
    """Ends a key and its sessions; gateways refuse it within a second."""
    return _view(desk.revoke_key(caller, key_id, now_ms=now))


@router.post("/keys/{key_id}/rotate", tags=["Keys"])
def rotate_key(
    key_id: KeyId, caller: Admin, desk: DeskHere, now: Now, body: RotateRequest | None = None
) -> NewKeyView:
    """Makes a key in place of another one, which ends at once or after a grace time."""
    grace_s = 0 if body is None else body.grace_s
    key, token = desk.rotate_key(caller, key_id, grace_s=grace_s, now_ms=now)
    return _new_view(key, token)


@pages.get("/signin", include_in_schema=False)
def sign_in(request: Request, desk: DeskHere, now: Now, token: str = "") -> Response:
    """Uses a sign-in link: opens a session and goes to the console, or says why not."""
    try:
        session, session_token = desk.use_link(token, now_ms=now)
    except AuthenticationError as error:
        return HTMLResponse(_REFUSED_PAGE.format(reason=error.message), status_code=error.status)
    response = RedirectResponse("/", status_code=status.HTTP_303_SEE_OTHER)
    _set_cookie(request, response, session_token, session.expires_at_ms - now)
    return response


_REFUSED_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Sign in · Pilothouse</title>
<h1>This link does not sign you in</h1>
<p>{reason}</p>
<p>A link works once, for 15 minutes. Make a new one where Pilothouse runs: <code>pilothouse signin</code></p>
<p>Or <a href="/">sign in with an API key</a>.</p>
</html>
"""


def _set_cookie(request: Request, response: Response, token: Token, lasts_ms: int) -> None:
    origin = request.headers.get("origin") or request.headers.get("x-forwarded-proto") or ""
    response.set_cookie(
        COOKIE,
        token.text,
        max_age=lasts_ms // 1000,
        path="/",
        httponly=True,
        samesite="strict",
        secure=origin.startswith("https"),
    )


def _view(key: Key) -> KeyView:
    return KeyView(**_shown(key))


def _new_view(key: Key, token: Token) -> NewKeyView:
    return NewKeyView(**_shown(key), key=token.text)


def _shown(key: Key) -> dict[str, Any]:
    shown: dict[str, Any] = {name: getattr(key, name) for name in KeyView.__slots__ if name != "record"}
    policy = key.record
    record = None
    if policy is not None:
        record = RecordView(policy.content, policy.confidence, policy.max_body_bytes)
    return shown | {"record": record, "limits": LimitView.of(key.limits)}
