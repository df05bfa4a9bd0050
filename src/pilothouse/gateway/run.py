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
    """Its first event, whole."""
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
    marker, opening = _opening(template)
    quote = template.find(QUOTE, opening)
    if not marker or quote < 0 or template[quote - 1 : quote] == BACKSLASH:
        return None
    closing = template[quote:] + END
    between = closing + template[:opening]
    # Split at the short mark, and compare the long equal bytes once at the end: CPython prepares each search
    # for a long text anew, which costs ten times as much.
    *parts, last = batch[start + opening :].split(marker)
    length = last.find(closing)
    if not parts or length < 0:
        return None
    size = len(between) - len(marker)
    pieces = [part[:-size] for part in parts]
    pieces.append(last[:length])
    run = between.join(pieces) + closing
    text = b"".join(pieces)
    if QUOTE in text or b"\n" in text or not batch.startswith(run, start + opening):
        return None
    return Run(batch[:start], template + END, text, batch[start + opening + len(run) :])


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


def _opening(template: bytes) -> tuple[bytes, int]:
    """Returns the mark that opens the text, and where the text begins."""
    for opening in OPENINGS:
        at = template.find(opening)
        if at >= 0:
            return opening, at + len(opening)
    return b"", -1
