"""Edits a batch of a stream's events: several at once in their bytes, one by one only where they are odd.

Refuses to know when a batch came and where it goes. Invariant: events keep their order, and only those that
hold nothing but usage we asked for ourselves are taken out.
"""

import msgspec

from pilothouse.gateway import edits, wire
from pilothouse.gateway.directory import Route
from pilothouse.gateway.run import has_text
from pilothouse.gateway.sse import DONE, DONE_PAYLOAD, END, events_of, payload_of, payloads_of
from pilothouse.gateway.wire import Chunk, Raw, is_there

USAGE_KEY = b'"usage"'
NULL_USAGES = (b',"usage":null', b', "usage": null')


class BatchEdits:
    """What must be changed in each batch of one stream."""

    __slots__ = ("_is_renamed", "_new", "_old", "_takes_logprobs", "_takes_usage")

    def __init__(
        self, *, answered: str | None, route: Route, takes_usage: bool, takes_logprobs: bool
    ) -> None:
        self._takes_usage = takes_usage
        self._takes_logprobs = takes_logprobs
        self._is_renamed = answered is not None and answered != route.name
        self._old = edits.name_as_json(answered or "")
        self._new = route.model_json

    def apply(self, batch: bytes) -> bytes:
        """Returns the batch as the client is to see it."""
        if self._takes_usage and USAGE_KEY in batch:
            batch = self._without_usage(batch)
        if self._takes_logprobs:
            batch = _each(batch, edits.without_logprobs)
        if self._is_renamed:
            batch = self._renamed(batch)
        return batch

    def _renamed(self, batch: bytes) -> bytes:
        """Changes the model's name in all events at once, when each names it once and in one spelling."""
        named = batch.count(edits.MODEL_KEY)
        for colon in (b":", b": "):
            old = edits.MODEL_KEY + colon + self._old
            if batch.count(old) == named and batch.count(END) == named:
                return batch.replace(old, edits.MODEL_KEY + colon + self._new)
        return _each(batch, self._rename_one)

    def _rename_one(self, payload: bytes) -> bytes:
        if edits.MODEL_KEY not in payload:
            return payload
        return edits.replace_model(payload, self._old, self._new)

    @staticmethod
    def _without_usage(batch: bytes) -> bytes:
        at = batch.find(USAGE_KEY)
        if batch[at + len(USAGE_KEY) : at + 14].lstrip(b": ").startswith(b"null"):
            for null in NULL_USAGES:
                batch = batch.replace(null, b"")
            at = batch.find(USAGE_KEY)
        while at >= 0:
            start = batch.rfind(END, 0, at)
            start = 0 if start < 0 else start + 2
            end = batch.find(END, at) + 2
            if _is_usage_only(batch[start : end - 2]):
                batch = batch[:start] + batch[end:]
                at = batch.find(USAGE_KEY, start)
            else:
                at = batch.find(USAGE_KEY, end)
        return batch


def split_done(batch: bytes) -> tuple[bytes, bool]:
    """Returns what stands before `[DONE]`, and whether that was there."""
    if batch.endswith(DONE):
        return batch[: -len(DONE)], True
    if DONE_PAYLOAD not in batch:
        return batch, False
    before: list[bytes] = []
    for event in events_of(batch):
        if payload_of(event) == DONE_PAYLOAD:
            return b"".join(before), True
        before.append(event + END)
    return batch, False


def has_token(batch: bytes) -> bool:
    """Says whether any event of a batch adds to an answer (the first one of a chat only names the role)."""
    if has_text(batch):
        return True
    for payload in payloads_of(batch):
        chunk = _chunk(payload)
        if chunk is not None and _adds(chunk):
            return True
    return False


def split_error(batch: bytes) -> tuple[bytes, Raw] | None:
    """Returns what stands before the first error that an upstream says in its events, and that error."""
    before: list[bytes] = []
    for event in events_of(batch):
        payload = payload_of(event)
        chunk = _chunk(payload) if payload is not None else None
        if chunk is not None and is_there(chunk.error):
            return b"".join(before), chunk.error
        before.append(event + END)
    return None


def _chunk(payload: bytes) -> Chunk | None:
    try:
        return wire.decode_chunk(payload)
    except msgspec.DecodeError:
        return None


def _adds(chunk: Chunk) -> bool:
    for choice in chunk.choices or ():
        delta = choice.delta
        if choice.text:
            return True
        if delta is not None and (
            delta.content or delta.tool_calls or delta.reasoning_content or delta.reasoning or delta.refusal
        ):
            return True
    return False


def _is_usage_only(event: bytes) -> bool:
    payload = payload_of(event)
    chunk = _chunk(payload) if payload is not None else None
    return chunk is not None and not chunk.choices and is_there(chunk.usage)


def _each(batch: bytes, edit: "edits.Edit") -> bytes:
    """Returns the batch with `edit` made to the payload of each event that has one."""
    out: list[bytes] = []
    for event in events_of(batch):
        payload = payload_of(event)
        if payload is not None and payload.startswith(b"{"):
            others = [line + b"\n" for line in event.split(b"\n") if not line.startswith(b"data:")]
            event = b"".join(others) + b"data: " + edits.edit_payload(payload, edit)  # noqa: PLW2901 - the same event, edited
        out.append(event + END)
    return b"".join(out)
