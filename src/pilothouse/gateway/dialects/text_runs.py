r"""Cuts the pieces of text out of a stream's events by their bytes, where events differ in nothing else.

Most of a stream is that. What stands around the text is learnt from an event that was read as JSON; after
it, events that are the same but for the text are not read again: their text is copied as it is spelt.
Refuses to know dialects. Invariant: a piece is given only of an event that is, byte for byte, the learnt one
with another text, and a piece is the inside of one JSON string.
"""

from pilothouse.gateway.sse import END

QUOTE = b'"'
BACKSLASH = b"\\"


class TextRuns:
    """What stands around the text in one stream."""

    __slots__ = ("_after", "_before", "_between", "_closing", "_least", "_openings")

    def __init__(self, member: str) -> None:
        self._openings = (f'"{member}":"'.encode(), f'"{member}": "'.encode())
        self._before = b""
        self._after = b""
        self._closing = b""
        self._between = b""
        self._least = 0

    def learn(self, event: bytes) -> None:
        """Learns from an event (without its end) that is known to say one text and nothing else of note."""
        for opening in self._openings:
            at = event.find(opening)
            if at >= 0:
                break
        else:
            return
        start = at + len(opening)
        end = event.find(QUOTE, start)
        if end <= start or event[end - 1 : end] == BACKSLASH:
            return
        self._before = event[:start]
        self._closing = event[end:]
        self._after = self._closing + END
        self._between = self._after + self._before
        self._least = len(self._between)

    def piece(self, event: bytes) -> bytes | None:
        """Returns the text of one event (without its end) that is like the learnt one, else `None`."""
        if (
            not self._least
            or len(event) + len(END) < self._least
            or not event.startswith(self._before)
            or not event.endswith(self._closing)
        ):
            return None
        text = event[len(self._before) : -len(self._closing)]
        if QUOTE in text or b"\n" in text or text.endswith(BACKSLASH):
            return None
        return text

    def pieces(self, batch: bytes) -> list[bytes] | None:
        """Returns the texts of a batch's events when all are alike, else `None`."""
        if (
            not self._least
            or len(batch) < self._least
            or not batch.startswith(self._before)
            or not batch.endswith(self._after)
        ):
            return None
        inner = batch[len(self._before) : -len(self._after)]
        if QUOTE not in inner and BACKSLASH not in inner:
            return [inner]  # one event, the usual case
        pieces = inner.split(self._between)
        text = b"".join(pieces)
        if QUOTE in text or b"\n" in text:
            return None
        if BACKSLASH in text and any(piece.endswith(BACKSLASH) for piece in pieces):
            return None
        return pieces
