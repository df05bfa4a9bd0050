"""`/api/v1/alerts`, `/alert-rules`, `/silences` and `/receivers`: thin HTTP over the desk.

Refuses to know rules and states. Invariant: viewers read, members acknowledge and silence, admins change
rules and send tests.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response, status
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pilothouse.access.authenticate import Admin, Needs, Now, Viewer
from pilothouse.access.keys import Caller
from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.monitors.alerts.desk import AlertDesk
from pilothouse.monitors.alerts.preview import Preview
from pilothouse.monitors.alerts.settings import RuleSettings
from pilothouse.monitors.alerts.views import AlertView, DetailView, RuleView, SilenceView

router = APIRouter(prefix="/api/v1")


def _is_text(value: str) -> str:
    """Returns a text that can be stored.

    Raises:
        ValueError: It holds what is no character.
    """
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("it holds a character that cannot be stored")
    return value


Member = Annotated[Caller, Depends(Needs("member"))]
AlertId = Annotated[str, Path(max_length=100)]
RuleName = Annotated[str, Path(min_length=1, max_length=100)]
ReceiverName = Annotated[str, Path(min_length=1, max_length=100)]
LAST_MOMENT_MS = 253_402_300_799_000
"""The end of the year 9999."""
Moment = Annotated[int | None, Query(ge=0, le=LAST_MOMENT_MS)]
# A lone surrogate is no character and cannot be stored; PostgreSQL's text holds no NUL.
Text = Annotated[str, AfterValidator(_is_text)]
Line = Annotated[str, Field(max_length=300), AfterValidator(_is_text)]
Wanted = Literal["open", "silenced", "acknowledged", "pending", "resolved", "all"]
STATES: dict[str, tuple[str, ...]] = {
    "open": ("open", "acknowledged"),
    "silenced": ("open", "acknowledged"),
    "acknowledged": ("acknowledged",),
    "pending": ("pending",),
    "resolved": ("resolved",),
    "all": ("open", "acknowledged", "resolved"),
}
MOST_LABELS = 20
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


def desk_of(request: Request) -> AlertDesk:
    """Returns the process's desk of alerts."""
    desk = request.app.state.alerts
    assert isinstance(desk, AlertDesk)
    return desk


AlertsHere = Annotated[AlertDesk, Depends(desk_of)]


class _Body(BaseModel):
    """A request body: a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AcknowledgeRequest(_Body):
    """Says that somebody takes care of it."""

    note: Text | None = Field(default=None, max_length=1000, description="What you know or do.")


class SilenceRequest(_Body):
    """Tells nobody for a time."""

    matchers: dict[Line, Line] = Field(
        max_length=MOST_LABELS,
        description="Label to value, `rule` among them; a `*` at a value's end stands for anything.",
    )
    reason: Text = Field(min_length=1, max_length=1000)
    duration_s: float | None = Field(default=None, gt=0, le=366 * 86_400, description="From now on.")
    starts_at_ms: int | None = Field(
        default=None, ge=0, le=LAST_MOMENT_MS, description="Unix milliseconds; now by default."
    )
    ends_at_ms: int | None = Field(
        default=None, ge=0, le=LAST_MOMENT_MS, description="Unix milliseconds; or `duration_s`."
    )


class RuleRequest(_Body):
    """A rule to be made."""

    name: str = Field(min_length=1, max_length=100, pattern=NAME_PATTERN)
    settings: dict[str, Any] = Field(description="As under `alerts.rules` in the configuration file.")


class RuleChange(_Body):
    """A rule's new settings."""

    settings: dict[str, Any] = Field(description="As under `alerts.rules` in the configuration file.")


class PreviewRequest(_Body):
    """A rule to be tried on the past."""

    settings: dict[str, Any] = Field(description="As under `alerts.rules` in the configuration file.")
    from_ms: int | None = Field(
        default=None, ge=0, le=LAST_MOMENT_MS, description="Unix milliseconds; a week ago by default."
    )


@dataclass(frozen=True, slots=True)
class AlertList:
    """Alerts, newest first."""

    data: list[AlertView]
    next_before: str | None
    """Send it as `before` for the next page."""


@dataclass(frozen=True, slots=True)
class SilenceList:
    """Silences, those that end first first."""

    data: list[SilenceView]


@dataclass(frozen=True, slots=True)
class RuleList:
    """Rules: those of the configuration first."""

    data: list[RuleView]


@dataclass(frozen=True, slots=True)
class ReceiverView:
    """Somebody who can be told."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class ReceiverList:
    """The receivers of the configuration."""

    data: list[ReceiverView]


@dataclass(frozen=True, slots=True)
class Tested:
    """A receiver took the test notice."""

    name: str
    told_at_ms: int


@router.get("/alerts", tags=["Alerts"], summary="List alerts")
def list_alerts(
    desk: AlertsHere,
    _: Viewer,
    now: Now,
    *,
    state: Annotated[Wanted, Query(description="`open` has the acknowledged ones too.")] = "open",
    from_ms: Moment = None,
    to_ms: Moment = None,
    before: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> AlertList:
    """Alerts in a state, newest first; a page at a time."""
    found = desk.list_alerts(
        states=STATES[state], start_ms=from_ms, end_ms=to_ms, before=before, most=limit, now_ms=now
    )
    next_before = found[-1][0].id if len(found) == limit else None
    if state == "silenced":
        found = [(alert, silence) for alert, silence in found if silence is not None]
    return AlertList([AlertView.of(alert, silence) for alert, silence in found], next_before)


@router.get("/alerts/{alert_id}", tags=["Alerts"], summary="One alert")
def show_alert(desk: AlertsHere, _: Viewer, now: Now, alert_id: AlertId) -> DetailView:
    """An alert with its history, the measure around it, and who was told."""
    return DetailView.of(desk.show(alert_id, now))


@router.post("/alerts/{alert_id}/acknowledge", tags=["Alerts"], summary="Acknowledge an alert")
def acknowledge_alert(
    desk: AlertsHere, caller: Member, now: Now, alert_id: AlertId, body: AcknowledgeRequest | None = None
) -> AlertView:
    """Notes that you take care of it; reminders stop."""
    note = body.note if body is not None else None
    by = caller.name or caller.id
    return AlertView.of(desk.acknowledge(alert_id, by=by, note=note, now_ms=now))


@router.get("/silences", tags=["Alerts"], summary="List silences")
def list_silences(
    desk: AlertsHere,
    _: Viewer,
    now: Now,
    *,
    since_ms: Annotated[
        int | None, Query(ge=0, le=LAST_MOMENT_MS, description="Ended ones since then too.")
    ] = None,
) -> SilenceList:
    """Silences that hold or will."""
    return SilenceList([SilenceView.of(one) for one in desk.silences(now if since_ms is None else since_ms)])


@router.post("/silences", tags=["Alerts"], summary="Silence alerts", status_code=status.HTTP_201_CREATED)
def add_silence(desk: AlertsHere, caller: Member, now: Now, body: SilenceRequest) -> SilenceView:
    """Tells nobody of alerts with these labels for a time; they still open and are shown."""
    starts_at_ms = now if body.starts_at_ms is None else body.starts_at_ms
    if (body.duration_s is None) == (body.ends_at_ms is None):
        raise InvalidRequestError(
            "A silence needs one of `duration_s` and `ends_at_ms`.", param="ends_at_ms", hint="Give one."
        )
    duration_ms = int((body.duration_s or 0) * 1000)
    ends_at_ms = starts_at_ms + duration_ms if body.ends_at_ms is None else body.ends_at_ms
    made = desk.silence(
        body.matchers,
        reason=body.reason,
        starts_at_ms=starts_at_ms,
        ends_at_ms=ends_at_ms,
        by=caller.name or caller.id,
        now_ms=now,
    )
    return SilenceView.of(made)


@router.delete("/silences/{silence_id}", tags=["Alerts"], summary="End a silence")
def end_silence(
    desk: AlertsHere, _: Member, now: Now, silence_id: Annotated[str, Path(max_length=100)]
) -> SilenceView:
    """Ends a silence now."""
    return SilenceView.of(desk.end_silence(silence_id, now))


@router.get("/alert-rules", tags=["Alerts"], summary="List rules")
def list_rules(desk: AlertsHere, _: Viewer) -> RuleList:
    """Every rule, where it comes from, and whether it could be judged."""
    return RuleList([RuleView.of(one) for one in desk.rules()])


@router.post("/alert-rules", tags=["Alerts"], summary="Make a rule", status_code=status.HTTP_201_CREATED)
def add_rule(desk: AlertsHere, caller: Admin, now: Now, body: RuleRequest) -> RuleView:
    """Makes a rule, judged from the next look on."""
    made = desk.put_rule(body.name, _settings(body.settings), is_new=True, by=caller.id, now_ms=now)
    return RuleView.of(made)


@router.post("/alert-rules/preview", tags=["Alerts"], summary="Try a rule on the past")
def preview_rule(desk: AlertsHere, _: Admin, now: Now, body: PreviewRequest) -> Preview:
    """When it would have opened an alert last week; nothing is kept."""
    return desk.preview("preview", _settings(body.settings), start_ms=body.from_ms, now_ms=now)


@router.put("/alert-rules/{name}", tags=["Alerts"], summary="Change a rule")
def change_rule(desk: AlertsHere, caller: Admin, now: Now, name: RuleName, body: RuleChange) -> RuleView:
    """Puts other settings in a stored rule's place."""
    made = desk.put_rule(name, _settings(body.settings), is_new=False, by=caller.id, now_ms=now)
    return RuleView.of(made)


@router.delete(
    "/alert-rules/{name}",
    tags=["Alerts"],
    summary="Delete a rule",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
)
def delete_rule(desk: AlertsHere, _: Admin, name: RuleName) -> None:
    """Deletes a stored rule; its alerts are resolved."""
    desk.delete_rule(name)


@router.get("/receivers", tags=["Alerts"], summary="List receivers")
def list_receivers(desk: AlertsHere, _: Viewer) -> ReceiverList:
    """Who can be told; addresses and secrets are not shown."""
    return ReceiverList([ReceiverView(name, kind) for name, kind in desk.receivers().items()])


@router.post("/receivers/{name}/test", tags=["Alerts"], summary="Test a receiver")
def try_receiver(desk: AlertsHere, _: Admin, now: Now, name: ReceiverName) -> Tested:
    """Tells a receiver that this is a test, and says what went wrong if it was not told."""
    desk.test_receiver(name, now)
    return Tested(name, now)


def _settings(document: dict[str, Any]) -> RuleSettings:
    """Returns a rule's settings.

    Raises:
        InvalidRequestError: A setting is not known, or of a wrong type.
    """
    try:
        settings = msgspec.convert(document, RuleSettings)
        msgspec.json.encode(settings)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise InvalidRequestError(
            f"The rule's settings are wrong: {error}.",
            param="settings",
            hint="See docs/how-to/alerts.md for what a rule may say.",
        ) from error
    return settings
