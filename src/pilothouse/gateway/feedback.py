"""`POST /v1/feedback`: what somebody thinks of an answer, and numbers that an application measured of it.

One item or a list of them; each names a call by its `x-request-id` (or call id) and gives a rating, words, or
numbers. A call that is not on record yet, or not known at all, may be named: it is joined when it appears.
Like counting tokens it is no call of a model: it counts against no limit.

Refuses to know calls: it looks none up. Invariant: what is answered is in the journal; of a body with one
wrong item, nothing is.
"""

import hmac
import math
from collections.abc import Iterator

import msgspec

from pilothouse.contracts.errors import (
    InvalidRequestError,
    JournalError,
    MethodNotAllowedError,
    PermissionDeniedError,
    UnavailableError,
)
from pilothouse.contracts.events import Content, FeedbackGiven, FeedbackKind
from pilothouse.contracts.snapshot import KeyRecord
from pilothouse.gateway.answers import OK, whole
from pilothouse.gateway.authenticate import caller_of
from pilothouse.gateway.client import ClientConnection
from pilothouse.gateway.ids import LONGEST_REQUEST_ID, new_call_id, usable_request_id
from pilothouse.gateway.read import not_json
from pilothouse.gateway.request import Request
from pilothouse.gateway.state import GatewayState
from pilothouse.gateway.wire import encode

__all__ = ["PATH", "FeedbackItem", "give_feedback"]

PATH = b"/v1/feedback"
MOST_ITEMS = 100
MOST_MEASURES = 50
LONGEST_NAME = 100
LONGEST_TEXT = 65_536
"""Characters of a text or a corrected answer."""
MOST_STARS = 5
THUMBS = {"up": 1.0, "down": 0.0}
ITEM_HINT = (
    "An item is {request_id; thumbs: up or down, or stars: 1 to 5, or score: a number; text; correction; "
    "name; measures: {name: number}}."
)


class FeedbackItem(msgspec.Struct, forbid_unknown_fields=True):
    """What is said of one call."""

    request_id: str
    thumbs: str | None = None
    stars: float | None = None
    score: float | None = None
    text: str | None = None
    correction: str | None = None
    name: str | None = None
    measures: dict[str, float] | None = None
    user: str | None = None


_decode_one = msgspec.json.Decoder(FeedbackItem).decode
_decode_many = msgspec.json.Decoder(list[FeedbackItem]).decode
Told = tuple[FeedbackGiven, Content | None]


def give_feedback(state: GatewayState, client: ClientConnection, request: Request) -> None:
    """Puts feedback on record, then answers with its ids.

    Raises:
        ApiError: The caller may not, or an item is wrong; then nothing was kept.
    """
    if request.method != b"POST":
        raise MethodNotAllowedError("/v1/feedback takes POST only.", hint=ITEM_HINT)
    key = caller_of(request.method, request.headers, state, now_ns=request.at_ns)
    if key.role == "viewer":
        raise PermissionDeniedError(
            "This key may look but not give feedback.", hint="Use a key of the role member or above."
        )
    reason = state.journal.refusal()
    if reason is not None:
        raise _full(reason)
    told = [
        each
        for number, item in _items(request.body)
        for each in _told(item, number, key, state, at_ns=request.at_ns)
    ]
    try:
        for event, content in told:
            state.journal.append(event, content)
    except JournalError as error:
        raise _full(error.message) from error
    said = {"object": "list", "data": [_shown(event) for event, _ in told]}
    own_id = usable_request_id(request.headers.get(b"x-request-id")) or new_call_id(request.at_ns)
    line = b"x-request-id: %b\r\n" % own_id.encode()
    client.complete(whole(OK, encode(said), extra=line, will_close=client.will_close))


def _items(body: bytes) -> Iterator[tuple[str, FeedbackItem]]:
    """Yields the items, each with the beginning of its members' names."""
    is_list = body.lstrip()[:1] == b"["
    try:
        items = _decode_many(body) if is_list else [_decode_one(body)]
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `$")
        raise InvalidRequestError(
            f"The feedback is not valid: {said}.", param=path.strip(".`") or None, hint=ITEM_HINT
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error) from error
    if not 0 < len(items) <= MOST_ITEMS:
        raise InvalidRequestError(
            f"There are {len(items)} items; 1 to {MOST_ITEMS} may be sent at once.", hint=ITEM_HINT
        )
    for number, item in enumerate(items):
        yield (f"[{number}]." if is_list else ""), item


def _told(
    item: FeedbackItem, place: str, key: KeyRecord, state: GatewayState, *, at_ns: int
) -> Iterator[Told]:
    """Yields an item's events: one of the rating with the words, one of each measure."""
    if usable_request_id(item.request_id.encode()) is None:
        raise _wrong(place, "request_id", f"is 1 to {LONGEST_REQUEST_ID} printable ASCII characters")
    kind, value = _rating(item, place)
    words = _words(item, place)
    measures = _measures(item, place)
    if kind is None and words is None and not measures:
        raise InvalidRequestError(
            f"There is nothing in the item for the request {item.request_id!r}.",
            param=f"{place}thumbs",
            hint=ITEM_HINT,
        )
    subject = key.id
    if item.user:
        subject = hmac.digest(state.pepper, b"subject\0" + item.user.encode(), "sha256")[:16].hex()
    if words is not None and kind is None:
        kind = "text" if words.request is not None else "correction"
    name = _name(item.name, place, "name") if item.name is not None else "feedback"
    given: list[tuple[FeedbackKind, str, float | None, Content | None]] = []
    if kind is not None:
        given.append((kind, name, value, words))
    given += [("measure", each, number, None) for each, number in measures.items()]
    for each_kind, each_name, number, content in given:
        event = FeedbackGiven(
            feedback_id=new_call_id(at_ns),
            at_ns=at_ns,
            request_id=item.request_id,
            kind=each_kind,
            name=each_name,
            value=number,
            key_id=key.id,
            team=key.team,
            subject=subject,
        )
        yield event, content


def _rating(item: FeedbackItem, place: str) -> tuple[FeedbackKind | None, float | None]:
    given = [name for name in ("thumbs", "stars", "score") if getattr(item, name) is not None]
    if len(given) > 1:
        raise InvalidRequestError(
            f"An item has one of thumbs, stars and score, not {' and '.join(given)}.",
            param=f"{place}{given[1]}",
            hint="Send an item for each.",
        )
    if item.thumbs is not None:
        if item.thumbs not in THUMBS:
            raise _wrong(place, "thumbs", "is `up` or `down`")
        return "thumbs", THUMBS[item.thumbs]
    if item.stars is not None:
        if not 1 <= item.stars <= MOST_STARS:
            raise _wrong(place, "stars", "is a number from 1 to 5")
        return "stars", item.stars
    if item.score is not None:
        if not math.isfinite(item.score):
            raise _wrong(place, "score", "is a finite number")
        return "score", item.score
    return None, None


def _words(item: FeedbackItem, place: str) -> Content | None:
    text, correction = item.text or None, item.correction or None
    for name, said in (("text", text), ("correction", correction)):
        if said is not None and len(said) > LONGEST_TEXT:
            raise _wrong(place, name, f"has at most {LONGEST_TEXT} characters")
    if text is None and correction is None:
        return None
    return Content(
        request=None if text is None else text.encode(),
        response=None if correction is None else correction.encode(),
    )


def _measures(item: FeedbackItem, place: str) -> dict[str, float]:
    measures = item.measures or {}
    if len(measures) > MOST_MEASURES:
        raise _wrong(place, "measures", f"has at most {MOST_MEASURES} members")
    for name, number in measures.items():
        _name(name, place, "measures")
        if not math.isfinite(number):
            raise _wrong(place, "measures", "holds finite numbers")
    return measures


def _name(name: str, place: str, param: str) -> str:
    if not 0 < len(name) <= LONGEST_NAME or not name.isascii() or not name.isprintable():
        raise _wrong(place, param, f"is named by 1 to {LONGEST_NAME} printable ASCII characters")
    return name


def _wrong(place: str, name: str, what: str) -> InvalidRequestError:
    return InvalidRequestError(f"`{place}{name}` {what}.", param=f"{place}{name}", hint=ITEM_HINT)


def _full(reason: str) -> UnavailableError:
    return UnavailableError(
        f"No feedback is taken in: {reason}.",
        hint="The operator must make room: feedback is answered only when it is on record.",
        code="record_full",
        retry_after_s=5,
    )


def _shown(event: FeedbackGiven) -> dict[str, str]:
    return {
        "id": event.feedback_id,
        "object": "feedback",
        "request_id": event.request_id,
        "kind": event.kind,
        "name": event.name,
    }
