"""Answers that say nothing: a filter left nothing of them, or a stream has only opened.

Refuses to know what is done about it. Invariant: an answer that says anything at all, known here or not, is
neither.
"""

from typing import Final

import msgspec

from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.contracts.traffic import ErrorKind
from pilothouse.gateway.fold import Fold
from pilothouse.gateway.routing.faults import Fault
from pilothouse.gateway.sse import payloads_of

CONTENT_FILTER: Final[ErrorKind] = "content_filter"
MARK = CONTENT_FILTER.encode()


class _Message(msgspec.Struct):
    content: str | list[msgspec.Raw] | None = None
    tool_calls: list[msgspec.Raw] | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    text: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]


class _Piece(msgspec.Struct):
    delta: dict[str, msgspec.Raw] = {}
    text: str | None = None


class _Event(msgspec.Struct):
    choices: list[_Piece] = []


NOTHINGS = frozenset((b"null", b'""', b"[]", b"{}"))
_decode_event = msgspec.json.Decoder(_Event).decode
_decode = msgspec.json.Decoder(_Answer).decode


def is_empty(body: bytes) -> bool:
    """Says whether a plain answer says nothing."""
    try:
        answer = _decode(body)
    except msgspec.DecodeError:
        return False
    return not any(
        choice.text or (choice.message is not None and (choice.message.content or choice.message.tool_calls))
        for choice in answer.choices
    )


def is_only_opening(batch: bytes) -> bool:
    """Says whether a stream's events so far hold no more than the role, comments and empty members."""
    for payload in payloads_of(batch):
        try:
            event = _decode_event(payload)
        except msgspec.DecodeError:
            return False
        for piece in event.choices:
            if piece.text or any(
                name != "role" and bytes(value) not in NOTHINGS for name, value in piece.delta.items()
            ):
                return False
    return True


def has_filtered(batch: bytes) -> bool:
    """Says whether a stream that has given no token ended because of a filter."""
    return MARK in batch and CONTENT_FILTER in _folded(batch).finish_reasons


def has_end(batch: bytes) -> bool:
    """Says whether each choice in a stream's events so far has ended."""
    return _folded(batch).is_whole


def filtered() -> Fault:
    """Returns the fault that such an answer amounts to."""
    error = InvalidRequestError(
        "The provider's content filter left nothing of the answer.",
        code=CONTENT_FILTER,
        hint="Ask in other words, or ask another model.",
    )
    return Fault(error, kind=CONTENT_FILTER, blame="unknown", status=200, is_retryable=False)


def _folded(batch: bytes) -> Fold:
    fold = Fold(is_chat=True)
    fold.feed(batch)
    return fold
