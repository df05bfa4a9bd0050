"""What a sender of OpenTelemetry data sends: traces of an agent, three model calls each, as protobuf.

Run as a script (`python -m bench.telemetry_load`, a JSON document on standard input), it sends at full speed
or at a rate and prints what was answered and when. Refuses to know receivers. Invariant: every batch is made
before the clock starts, so that the sender's own work is small.
"""

import asyncio
import json
import os
import random
import sys
import time
from dataclasses import dataclass

import uvloop
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SPANS_A_TRACE = 4
QUESTION = "What should I know about the refund of order 4711, and how long does it take until it is there? "
ANSWER = "It takes five days after the parcel has arrived at the warehouse. "


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be sent where."""

    port: int
    path: str
    headers: dict[str, str]
    spans: int
    batch: int
    connections: int
    rate: float = 0.0
    """Spans a second; 0 sends as fast as it is answered."""


def batches(spans: int, size: int, *, seed: int = 1) -> list[bytes]:
    """Returns requests of `size` spans each, `spans` in all."""
    chance = random.Random(seed)
    return [_batch(size, chance) for _ in range(spans // size)]


def _batch(size: int, chance: random.Random) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = resource.scope_spans.add()
    scope.scope.name = "opentelemetry.instrumentation.openai_v2"
    trace_id = root = b""
    for number in range(size):
        now_ns = time.time_ns()
        span_id = chance.randbytes(8)
        if number % SPANS_A_TRACE == 0:
            trace_id, root = chance.randbytes(16), span_id
        is_root = span_id == root
        span = scope.spans.add(
            trace_id=trace_id,
            span_id=span_id,
            parent_span_id=b"" if is_root else root,
            name="invoke_agent shop" if is_root else "chat gpt-4o-mini",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=now_ns - chance.randrange(10**9),
            end_time_unix_nano=now_ns,
        )
        _describe(span, is_agent=is_root)
    return request.SerializeToString()


def _describe(span: Span, *, is_agent: bool) -> None:
    def text(name: str, value: str) -> None:
        span.attributes.add(key=name).value.string_value = value

    if is_agent:
        text("gen_ai.operation.name", "invoke_agent")
        text("gen_ai.agent.name", "shop")
        return
    asked = [{"role": "user", "parts": [{"type": "text", "content": QUESTION * 3}]}]
    said = [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": ANSWER * 5}],
            "finish_reason": "stop",
        }
    ]
    text("gen_ai.operation.name", "chat")
    text("gen_ai.provider.name", "openai")
    text("gen_ai.request.model", "gpt-4o-mini")
    text("gen_ai.response.model", "gpt-4o-mini-2024-07-18")
    text("gen_ai.response.id", f"chatcmpl-{span.span_id.hex()}")
    text("server.address", "api.openai.com")
    text("gen_ai.input.messages", json.dumps(asked))
    text("gen_ai.output.messages", json.dumps(said))
    span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 120
    span.attributes.add(key="gen_ai.usage.output_tokens").value.int_value = 60
    span.attributes.add(key="gen_ai.request.temperature").value.double_value = 0.2


async def send(order: Order) -> dict[str, object]:
    """Sends it all; returns when each batch was answered, in seconds since the first was sent."""
    bodies = batches(order.spans, order.batch, seed=int.from_bytes(os.urandom(4), "big"))
    bodies.reverse()
    lines = "".join(f"{name}: {value}\r\n" for name, value in order.headers.items())
    head = f"POST {order.path} HTTP/1.1\r\nhost: 127.0.0.1:{order.port}\r\n{lines}"
    answered: list[float] = []
    refused: list[str] = []
    sent = 0
    start = time.monotonic()

    async def connection() -> None:
        nonlocal sent
        reader, writer = await asyncio.open_connection("127.0.0.1", order.port)
        while bodies:
            body = bodies.pop()
            if order.rate:
                due = start + sent * order.batch / order.rate
                sent += 1
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            while True:
                writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                if b"content-length: " in answer.lower():
                    length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    await reader.readexactly(length)
                status = answer[9:12]
                if status == b"200":
                    answered.append(time.monotonic() - start)
                    break
                if status not in (b"429", b"503"):
                    refused.append(answer[:200].decode("latin-1"))
                    break
                await asyncio.sleep(0.25)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(order.connections)))
    began = time.time() - (time.monotonic() - start)
    return {"began_s": began, "answered_s": sorted(answered), "batch": order.batch, "refused": refused[:3]}


def main() -> None:
    """Carries out the order on standard input."""
    found = uvloop.run(send(Order(**json.loads(sys.stdin.read()))))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
