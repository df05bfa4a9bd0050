"""The calls that the load makes, and what a right answer to each is.

Refuses to know how they are sent. Invariant: an answer passes only if every token came, once, in order.
"""

import json
from dataclasses import dataclass

from bench import mock_answers
from bench.mock_upstream import Knobs

SYSTEM = "You answer questions about ships, harbours and the weather, briefly and in plain words."
BODY_BYTES = 1024
USUAL = Knobs()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of load."""

    name: str
    """How results and tables call it."""
    connections: int
    is_stream: bool = False
    knobs: Knobs = USUAL
    """How the mock answers meanwhile."""
    is_first_token: bool = False
    """Asked one after another by our own client, which takes the time to the first token."""
    rate: float = 0.0
    """Questions a second, whatever the answers take (`bench/pace.py`); 0 asks as fast as it is answered."""

    @property
    def text(self) -> str:
        """The whole text of a right answer."""
        return mock_answers.text(self.knobs.tokens)


PLAIN = tuple(Scenario(f"plain_{count}", count) for count in (1, 16, 64, 256))
STREAMS = Scenario("streams_64", 64, is_stream=True)
PACED = Scenario("paced_64", 64, is_stream=True, knobs=Knobs(gap_ms=10))
FIRST_TOKEN = Scenario("first_token", 1, is_stream=True, knobs=Knobs(tokens=5, gap_ms=2), is_first_token=True)
AT_1000 = Scenario("rate_1000", 64, rate=1000.0)
EVERY = (*PLAIN, STREAMS, PACED, FIRST_TOKEN, AT_1000)
QUICK = (PLAIN[0], PLAIN[2], STREAMS, FIRST_TOKEN, AT_1000)


def body(model: str, *, is_stream: bool) -> bytes:
    """Returns the JSON body of a chat of about `BODY_BYTES` bytes."""
    asked = "What is the way into the harbour when the wind stands in the north and the tide is out? "
    document: dict[str, object] = {
        "model": model,
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked}],
        "temperature": 0.7,
        "max_tokens": 256,
    }
    if is_stream:
        document["stream"] = True
    missing = BODY_BYTES - len(json.dumps(document))
    user = asked + (asked * (missing // len(asked) + 1))[:missing]
    document["messages"] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]
    return json.dumps(document).encode()


def fault_in(answer: bytes, scenario: Scenario) -> str | None:
    """Returns what is wrong with a 200 answer's body, or None when nothing is."""
    try:
        return _stream_fault(answer, scenario) if scenario.is_stream else _plain_fault(answer, scenario)
    except (ValueError, KeyError, IndexError, TypeError) as problem:
        return f"unreadable answer: {problem!r}: {answer[:200]!r}"


def _plain_fault(answer: bytes, scenario: Scenario) -> str | None:
    document = json.loads(answer)
    choice = document["choices"][0]
    if choice["message"]["content"] != scenario.text:
        return f"wrong text: {choice['message']['content']!r}"
    if choice["finish_reason"] != "stop":
        return f"wrong finish_reason: {choice['finish_reason']!r}"
    counted = document["usage"]["completion_tokens"]
    return None if counted == scenario.knobs.tokens else f"wrong usage: {counted} completion tokens"


def _stream_fault(answer: bytes, scenario: Scenario) -> str | None:
    events = [line[5:].strip() for line in answer.decode().splitlines() if line.startswith("data:")]
    if not events or events[-1] != "[DONE]":
        return "the stream does not end with [DONE]"
    pieces, reasons = [], []
    for event in map(json.loads, events[:-1]):
        for choice in event["choices"]:
            pieces.append(choice["delta"].get("content") or "")
            reasons.append(choice.get("finish_reason"))
    pieces = [piece for piece in pieces if piece]
    if "".join(pieces) != scenario.text or len(pieces) != scenario.knobs.tokens:
        return f"wrong tokens: {pieces!r}"
    return None if "stop" in reasons else "no finish_reason in the stream"
