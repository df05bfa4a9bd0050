"""Finds the run of events in a batch that differ in nothing but their piece of text.

Most of a stream is that: the same bytes around each token. The pieces between equal bytes are cut out at
once, without reading each event as JSON. Refuses to know what a stream amounts to. Invariant: a run is given
only when every event in it is, byte for byte, the template with another text; else `None`.
"""

from typing import NamedTuple

from pilothouse.gateway.sse import END

OPENINGS = (b'"content":"', b'"content": "')
QUOTE = b'"'
BACKSLASH = b"\\"


class Run(NamedTuple):
    """A batch taken apart around its run."""

    before: bytes
    """The events before it."""
    template: bytes
    """Its first event."""
    text: bytes
    """All its pieces of text, as the inside of one JSON string."""
    after: bytes
    """The events after it."""


def find_run(batch: bytes) -> Run | None:
    """Returns the run that begins with the second event (the first of a stream names the role)."""
    start = batch.find(END) + len(END)
    end = batch.find(END, start)
    if start < len(END) or end < 0:
        return None
    template = batch[start:end]
    opening = _after_opening(template)
    quote = template.find(QUOTE, opening)
    if opening < 0 or quote < 0 or template[quote - 1 : quote] == BACKSLASH:
        return None
    closing = template[quote:] + END
    between = closing + template[:opening]
    last = batch.rfind(between, start)
    if last < 0:
        return None
    text_end = batch.find(closing, last + len(between))
    if text_end < 0:
        return None
    text = batch[start + opening : text_end].replace(between, b"")
    if QUOTE in text or b"\n" in text:
        return None
    return Run(batch[:start], template, text, batch[text_end + len(closing) :])


def has_text(batch: bytes) -> bool:
    """Says whether some event says a text that is not empty, as far as the bytes show it plainly."""
    for opening in OPENINGS:
        at = batch.find(opening)
        while at >= 0:
            at += len(opening)
            if not batch.startswith(QUOTE, at):
                return True
            at = batch.find(opening, at)
    return False


def _after_opening(template: bytes) -> int:
    for opening in OPENINGS:
        at = template.find(opening)
        if at >= 0:
            return at + len(opening)
    return -1
