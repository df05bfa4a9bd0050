"""What the programs of all senders share: a conversation in parts, each under a span of the application.

Standard library and the OpenTelemetry API only: it is imported in each sender's own environment. Each part is
one trace; the calls carry its `traceparent`, as an application's do. Prints the trace of each part as JSON.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry import propagate, trace

MODEL, FAILING = "gpt-scripted", "failing-gpt"
"""Two scripted models, apart, so that the breaker of one may open."""
ADDRESS = os.environ.get("CLIENT_ADDRESS", "")
KEY = os.environ.get("CLIENT_KEY", "")
SYSTEM, QUESTION, AGAIN = "Answer in one word.", "Which needle is in the haystack?", "And in a stream?"
USER = "someone@example.org"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Says what the weather is.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
]
RESULT = "21 degrees and dry"


def headers() -> dict[str, str]:
    """Returns the `traceparent` of the span that is open."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def run(parts: Iterable[Callable[[], Any]], flush: Callable[[], Any]) -> None:
    """Runs each part under a span of its own, sends everything, and prints the traces."""
    tracer = trace.get_tracer("the application")
    traces = {}
    for part in parts:
        with tracer.start_as_current_span(part.__name__) as span:
            traces[part.__name__] = format(span.get_span_context().trace_id, "032x")
            part()
    flush()
    json.dump(traces, sys.stdout)


def chats(create: Callable[..., Any], refused: type[BaseException]) -> list[Callable[[], Any]]:
    """Returns the parts of a conversation through an OpenAI-shaped `create`."""

    def plain() -> None:
        answer = create(
            messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}],
            temperature=0.25,
            max_tokens=64,
        )
        assert "I saw" in answer.choices[0].message.content, answer

    def streamed() -> None:
        chunks = create(
            messages=[{"role": "user", "content": AGAIN}],
            stream=True,
            stream_options={"include_usage": True},
        )
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert "I saw" in said, said

    def with_tools() -> None:
        asked: list[dict[str, Any]] = [{"role": "user", "content": QUESTION}]
        answer = create(messages=asked, tools=TOOLS)
        call = answer.choices[0].message.tool_calls[0]
        function = {"name": call.function.name, "arguments": call.function.arguments}
        called = {"id": call.id, "type": "function", "function": function}
        asked += [
            {"role": "assistant", "content": None, "tool_calls": [called]},
            {"role": "tool", "tool_call_id": call.id, "content": RESULT},
        ]
        assert RESULT in create(messages=asked, tools=TOOLS).choices[0].message.content

    def failing() -> None:
        try:
            create(model=FAILING, messages=[{"role": "user", "content": "fail 429"}])
        except refused:
            return
        raise AssertionError("the failing call did not fail")

    return [plain, streamed, with_tools, failing]
