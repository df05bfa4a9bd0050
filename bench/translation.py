"""What translating a stream of 200 tokens between dialects costs: `python -m bench.translation`.

CPU time of this process alone, a token, the best of several rounds; a translator is made anew for each
stream. `together` is a stream that comes in one piece, `singly` one whose every event comes by itself.
The bar: 8 µs a token between Anthropic and OpenAI, either way.
"""

import json
import sys
from collections.abc import Callable
from time import process_time

from pilothouse.gateway.dialects.anthropic_client_streams import EventWriter
from pilothouse.gateway.dialects.anthropic_upstream_streams import EventReader
from pilothouse.gateway.dialects.client import Asked, ClientStream
from pilothouse.gateway.dialects.responses_client_streams import ResponseWriter
from pilothouse.gateway.dialects.responses_upstream import ResponseReader
from pilothouse.gateway.dialects.upstream import UpstreamStream

TOKENS = 200
STREAMS = 50
ROUNDS = 7
BAR_US = 8.0
ASKED = Asked(b'{"model":"m","input":"x"}', "req-1", "a" * 32, 7, "m")
WORDS = [
    "The",
    " cap",
    "ital",
    " of",
    " France",
    " is",
    " Par",
    "is",
    ",",
    ' \\"said\\"',
    " caf\u00e9",
    "\\n",
]


def chat_events() -> list[bytes]:
    """Returns a chat's stream as OpenAI sends it."""
    head = (
        '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,'
    )
    events = [head + '"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}']
    events += [
        f'{head}"delta":{{"content":"{WORDS[at % len(WORDS)]}"}},"logprobs":null,"finish_reason":null}}]}}'
        for at in range(TOKENS)
    ]
    events.append(head + '"delta":{},"logprobs":null,"finish_reason":"stop"}]}')
    usage = {"prompt_tokens": 9, "completion_tokens": TOKENS, "total_tokens": TOKENS + 9}
    events.append(json.dumps({"id": "chatcmpl-1", "model": "m", "choices": [], "usage": usage}))
    return [f"data: {event}\n\n".encode() for event in events]


def written(writer: ClientStream) -> list[bytes]:
    """Returns the same stream as a client of another dialect hears it, an item an event."""
    whole = b"".join([writer.feed(event) for event in chat_events()]) + writer.done()
    return [event + b"\n\n" for event in whole.split(b"\n\n") if event]


def cost_us(translate: Callable[[], None]) -> float:
    """Returns microseconds of CPU a token."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = process_time()
        for _ in range(STREAMS):
            translate()
        best = min(best, process_time() - begun)
    return best / STREAMS / TOKENS * 1e6


def write(make: Callable[[], ClientStream], batches: list[bytes]) -> None:
    """Translates one stream for a client."""
    writer = make()
    for batch in batches:
        writer.feed(batch)
    writer.done()


def read(make: Callable[[], UpstreamStream], batches: list[bytes]) -> None:
    """Translates one stream of a provider's."""
    reader = make()
    for batch in batches:
        reader.feed(batch)


def main() -> int:
    """Prints the table; returns 1 when the bar is missed."""
    chat = chat_events()
    message, response = written(EventWriter(ASKED)), written(ResponseWriter(ASKED))
    ways: list[tuple[str, Callable[[list[bytes]], None], list[bytes]]] = [
        ("OpenAI to Anthropic", lambda batches: write(lambda: EventWriter(ASKED), batches), chat),
        ("Anthropic to OpenAI", lambda batches: read(lambda: EventReader(7), batches), message),
        ("OpenAI to Responses", lambda batches: write(lambda: ResponseWriter(ASKED), batches), chat),
        ("Responses to OpenAI", lambda batches: read(lambda: ResponseReader(7), batches), response),
    ]
    is_met = True
    print(f"{TOKENS} tokens a stream; microseconds of CPU a token     together   singly")
    for name, way, events in ways:
        figures = [cost_us(lambda way=way, given=given: way(given)) for given in ([b"".join(events)], events)]  # type: ignore[misc]
        is_met = is_met and max(figures) <= BAR_US
        print(f"  {name:<46} {figures[0]:11.2f} {figures[1]:8.2f}")
    print(f"bar: {BAR_US} - {'met' if is_met else 'MISSED'}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
