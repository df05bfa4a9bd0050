"""Events come out whole and in order, however the bytes were cut."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.gateway.sse import EventBuffer, events_of, payload_of, payloads_of

LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=30)
EVENTS = st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=6)


def _bytes(events: list[list[str]], end: str) -> bytes:
    return "".join("".join(f"data: {line}{end}" for line in event) + end for event in events).encode()


@given(EVENTS, st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 400), max_size=12))
def test_any_cutting_gives_the_same_events(events: list[list[str]], end: str, cuts: list[int]) -> None:
    data = _bytes(events, end)
    buffer = EventBuffer()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    out = b"".join(buffer.feed(data[a:b]) for a, b in itertools.pairwise(places))
    if end == "\r":  # a last lone CR may be half of a CRLF
        out += buffer.feed(b"\n")
    assert out.rstrip(b"\n") == _bytes(events, "\n").rstrip(b"\n")


@given(EVENTS)
def test_each_piece_is_whole_events(events: list[list[str]]) -> None:
    buffer = EventBuffer()
    for byte in _bytes(events, "\n"):
        piece = buffer.feed(bytes([byte]))
        assert piece == b"" or piece.endswith(b"\n\n")
    assert buffer.held_bytes == 0


def test_an_unfinished_event_is_held() -> None:
    buffer = EventBuffer()
    assert buffer.feed(b"data: a\n\ndata: b") == b"data: a\n\n"
    assert buffer.held_bytes == len(b"data: b")
    assert buffer.feed(b"c\n\n") == b"data: bc\n\n"


def test_the_data_of_an_event() -> None:
    assert payload_of(b"data: {}") == b"{}"
    assert payload_of(b"data:{}") == b"{}"
    assert payload_of(b"event: x\ndata: a\ndata: b") == b"a\nb"
    assert payload_of(b": a comment") is None
    assert list(payloads_of(b": hi\n\ndata: 1\n\ndata: [DONE]\n\n")) == [b"1"]
    assert events_of(b"data: 1\n\n: x\n\n") == [b"data: 1", b": x"]
