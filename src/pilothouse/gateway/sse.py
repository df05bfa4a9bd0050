r"""Server-sent events as bytes: cut where events end, never in the middle of one.

Follows https://html.spec.whatwg.org/multipage/server-sent-events.html as far as OpenAI's streams use it.
Refuses to know what an event says. Invariant: what goes in comes out, in order, with line ends as `\n`.
"""

from collections.abc import Iterator

DATA = b"data: "
DONE = b"data: [DONE]\n\n"
DONE_PAYLOAD = b"[DONE]"
END = b"\n\n"


class EventBuffer:
    """Holds back the beginning of an event until its end has come."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Returns all whole events there are now, as one piece; empty when there is none."""
        if self._rest:
            data = self._rest + data
        if b"\r" in data:
            data = _with_plain_line_ends(data)
        if data.endswith(END):
            self._rest = b""
            return data
        cut = data.rfind(END)
        if cut < 0:
            self._rest = data
            return b""
        self._rest = data[cut + 2 :]
        return data[: cut + 2]

    @property
    def held_bytes(self) -> int:
        """The size of the unfinished event."""
        return len(self._rest)

    def rest(self) -> bytes:
        """Returns the unfinished event."""
        return self._rest


def _with_plain_line_ends(data: bytes) -> bytes:
    """Turns CRLF and CR into LF, but leaves a CR at the very end: its LF may be on the way."""
    tail = b"\r" if data.endswith(b"\r") else b""
    body = data[:-1] if tail else data
    return body.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + tail


def payload_of(event: bytes) -> bytes | None:
    """Returns the data of one event, or `None` when it has none (a comment)."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def events_of(batch: bytes) -> list[bytes]:
    """Returns the events of a batch of whole events, each without the empty line that ends it."""
    return [event for event in batch.split(END) if event]


def payloads_of(batch: bytes) -> Iterator[bytes]:
    """Yields the data of all events of a batch that have some, `[DONE]` left out."""
    start = 0
    while (end := batch.find(END, start)) >= 0:
        payload = payload_of(batch[start:end])
        start = end + len(END)
        if payload and payload != DONE_PAYLOAD:
            yield payload


def as_json_array(batch: bytes) -> bytes:
    """Returns the data of all events as the text of a JSON array, if each event is one `data: ` line.

    Where that is not so, the text is no JSON, and the events must be read one by one.
    """
    return b"[" + batch[len(DATA) : -len(END)].replace(END + DATA, b",") + b"]"
