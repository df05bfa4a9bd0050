"""What the load asks, and that a wrong answer of any kind is found."""

import json

import msgspec
import pytest
from bench import mock_answers
from bench.mock_answers import Question
from bench.mock_upstream import Knobs, compose, knobs, route
from bench.question import FIRST_TOKEN, PLAIN, STREAMS, Scenario, body, fault_in


def unchunked(pieces: tuple[bytes, ...]) -> bytes:
    """Returns the body in whole HTTP chunks, as a client gets it."""
    data, out = b"".join(pieces), b""
    while data:
        size, _, data = data.partition(b"\r\n")
        out, data = out + data[: int(size, 16)], data[int(size, 16) + 2 :]
    return out


def stream(scenario: Scenario) -> bytes:
    _, *pieces = compose("/chat/completions", Question(stream=True), scenario.knobs)
    return unchunked(tuple(pieces))


def plain() -> bytes:
    (whole,) = compose("/chat/completions", Question(), Knobs())
    return whole.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_body_is_valid_and_of_the_size_promised(is_stream: bool) -> None:  # noqa: FBT001 - a parameter
    sent = body("a-model", is_stream=is_stream)
    assert abs(len(sent) - 1024) < 16
    assert json.loads(sent)["model"] == "a-model"
    assert json.loads(sent).get("stream", False) is is_stream


def test_right_answers_are_right() -> None:
    assert fault_in(plain(), PLAIN[0]) is None
    assert fault_in(stream(STREAMS), STREAMS) is None
    assert fault_in(stream(FIRST_TOKEN), FIRST_TOKEN) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b" every", b" any"),
        (b'"stop"', b'"length"'),
        (b'"completion_tokens":20', b'"completion_tokens":19'),
        (b'"choices"', b'"chances"'),
        (b"}", b""),
    ],
)
def test_a_wrong_plain_answer_is_found(before: bytes, after: bytes) -> None:
    assert before in plain()
    assert fault_in(plain().replace(before, after), PLAIN[0]) is not None


def test_a_wrong_stream_is_found() -> None:
    whole = stream(STREAMS)
    events = whole.split(b"\n\n")
    assert fault_in(whole.replace(b"data: [DONE]\n\n", b""), STREAMS) is not None
    assert fault_in(b"\n\n".join(events[:4] + events[5:]), STREAMS) is not None  # a token lost
    assert fault_in(b"\n\n".join(events[:5] + events[4:]), STREAMS) is not None  # a token twice
    assert fault_in(b"\n\n".join([*events[:4], events[5], events[4], *events[6:]]), STREAMS) is not None
    assert fault_in(whole.replace(b'"stop"', b"null"), STREAMS) is not None


def test_usage_comes_in_a_stream_only_when_asked_for() -> None:
    without = mock_answers.chat_stream("m", 3, with_usage=False)
    asked = mock_answers.chat_stream("m", 3, with_usage=True)
    assert b"usage" not in b"".join(without)
    assert b'"completion_tokens":3' in asked[-2]
    assert len(asked) == len(without) + 1


def test_knobs_are_read_from_the_path() -> None:
    path, chosen = route(b"/with/tokens=3,gap_ms=1.5,fault=cut/v1/chat/completions?x=1")
    assert path == "/chat/completions"
    assert chosen == Knobs(tokens=3, gap_ms=1.5, fault="cut")
    assert route(b"/v1/models") == ("/models", None)


@pytest.mark.parametrize("text", ["nonsense=1", "fault=unheard-of", "tokens=many"])
def test_an_unknown_knob_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        knobs(text)
