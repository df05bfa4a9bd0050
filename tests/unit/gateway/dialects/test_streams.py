"""Streams survive every dialect: there and back they fold into the same answer, however they are cut."""

import itertools
import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.contracts.errors import RateLimitedError, UpstreamError
from pilothouse.gateway.dialects.anthropic_client_streams import EventWriter
from pilothouse.gateway.dialects.anthropic_upstream_streams import EventReader
from pilothouse.gateway.dialects.client import Asked, ClientStream
from pilothouse.gateway.dialects.responses_client_streams import ResponseWriter
from pilothouse.gateway.dialects.responses_upstream import ResponseReader
from pilothouse.gateway.dialects.upstream import UpstreamStream
from pilothouse.gateway.fold import Fold
from pilothouse.gateway.sse import DONE, EventBuffer, events_of, payload_of

ASKED = Asked(b'{"model":"m","input":"x"}', "req-1", "a" * 32, 7, "m")
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
NAME = st.text(st.sampled_from("abcdef_"), min_size=1, max_size=8)
ARGUMENTS = st.dictionaries(NAME, st.integers() | TEXT, max_size=3)
CALLS = st.lists(st.tuples(NAME, NAME, ARGUMENTS, st.integers(1, 5)), max_size=3)
COUNTS = st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 9), st.integers(0, 9))


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    document = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    return b"data: " + json.dumps({**document, "choices": [choice], **more}).encode() + b"\n\n"


def usage_chunk(fresh: int, cached: int, output: int, reasoning: int) -> bytes:
    usage = {
        "prompt_tokens": fresh + cached,
        "completion_tokens": output + reasoning,
        "total_tokens": fresh + cached + output + reasoning,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    return b'data: {"id":"chatcmpl-1","model":"m","choices":[],"usage":%b}\n\n' % json.dumps(usage).encode()


def cut_evenly(text: str, count: int) -> list[str]:
    size = max(1, len(text) // count)
    return [text[at : at + size] for at in range(0, len(text), size)]


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """A chat's stream as a provider might send it."""
    events = [chunk({"role": "assistant", "content": ""})]
    events += [chunk({"reasoning_content": piece}) for piece in draw(st.lists(TEXT, max_size=2))]
    events += [chunk({"content": piece}) for piece in draw(st.lists(TEXT, max_size=8))]
    calls = draw(CALLS)
    for index, (name, call_id, arguments, count) in enumerate(calls):
        function: dict[str, Any] = {"name": name, "arguments": ""}
        call = {"index": index, "id": f"{call_id}{index}", "type": "function", "function": function}
        events.append(chunk({"tool_calls": [call]}))
        for piece in cut_evenly(json.dumps(arguments), count):
            events.append(chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
    finish = "tool_calls" if calls else draw(st.sampled_from(["stop", "length", "content_filter"]))
    events.append(chunk({}, finish))
    events.append(usage_chunk(*draw(COUNTS)))
    return events


def written(writer: ClientStream, batches: list[bytes]) -> bytes:
    return b"".join([writer.feed(batch) for batch in batches]) + writer.done()


def folded(batch: bytes) -> Any:
    fold = Fold(is_chat=True)
    fold.feed(batch.removesuffix(DONE))
    assert fold.garbled == 0
    return json.loads(fold.plain(model="m", with_logprobs=False))


def said(answer: Any) -> tuple[Any, Any, Any]:
    [choice] = answer["choices"]
    message = choice["message"]
    message["content"] = message.get("content") or None
    if answer["usage"].get("completion_tokens_details") == {"reasoning_tokens": 0}:
        del answer["usage"]["completion_tokens_details"]
    return message, choice["finish_reason"], answer["usage"]


def documents(batch: bytes) -> list[Any]:
    """The events of a stream, one JSON document each."""
    return [
        json.loads(payload_of(event) or b"null") for event in events_of(batch) if event != b"data: [DONE]"
    ]


def batches_of(events: list[bytes], cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    return [b"".join(events[a:b]) for a, b in itertools.pairwise(places)]


WAYS: list[tuple[Callable[[], ClientStream], Callable[[], UpstreamStream]]] = [
    (lambda: EventWriter(ASKED), lambda: EventReader(7)),
    (lambda: ResponseWriter(ASKED), lambda: ResponseReader(7)),
]
CUTS = st.lists(st.integers(0, 30), max_size=6)


@given(streams(), CUTS, st.sampled_from(WAYS))
def test_there_and_back_a_stream_says_the_same(events: list[bytes], cuts: list[int], way: Any) -> None:
    writer, reader = way[0](), way[1]()
    own = written(writer, batches_of(events, cuts))
    again = reader.feed(own)
    assert again.endswith(DONE)
    before, after = said(folded(b"".join(events))), said(folded(again))
    assert after == before


@given(streams(), CUTS, st.sampled_from(WAYS))
def test_however_a_stream_is_cut_the_client_hears_the_same(
    events: list[bytes], cuts: list[int], way: Any
) -> None:
    at_once = written(way[0](), [b"".join(events)])
    in_pieces = written(way[0](), batches_of(events, cuts))
    assert documents(in_pieces) == documents(at_once)


@given(streams(), st.lists(st.integers(1, 3000), max_size=8), st.sampled_from(WAYS))
def test_however_a_providers_bytes_are_cut_the_chat_is_the_same(
    events: list[bytes], cuts: list[int], way: Any
) -> None:
    own = written(way[0](), events)
    whole = way[1]().feed(own)
    reader, buffer, pieces = way[1](), EventBuffer(), []
    places = sorted({0, len(own), *(cut for cut in cuts if cut < len(own))})
    for a, b in itertools.pairwise(places):
        batch = buffer.feed(own[a:b])
        pieces.append(reader.feed(batch) if batch else b"")
    assert documents(b"".join(pieces)) == documents(whole)


@given(streams(), st.sampled_from(WAYS))
def test_every_event_is_translated_at_once(events: list[bytes], way: Any) -> None:
    writer = way[0]()
    for event in events:
        batch = writer.feed(event)
        text = json.loads(payload_of(event[:-2]) or b"")["choices"]
        piece = text[0]["delta"].get("content") if text else None
        assert (
            not piece or json.dumps(piece, ensure_ascii=False).encode()[1:-1] in batch or "\\u" in str(batch)
        )


def names(batch: bytes) -> list[str]:
    return [event.partition(b"\n")[0].decode().removeprefix("event: ") for event in events_of(batch)]


def test_blocks_open_before_they_grow_and_close_before_the_next() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    events = [
        chunk({"role": "assistant"}),
        chunk({"reasoning_content": "Hm"}),
        chunk({"content": "a"}),
        chunk({"content": "b"}),
        chunk({"tool_calls": [call]}),
        chunk({}, "tool_calls"),
    ]
    own = written(EventWriter(ASKED), events)
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    text = ["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"]
    assert names(own) == ["message_start", *block, *text, *block, "message_delta", "message_stop"]
    indexes = [document["index"] for document in documents(own) if "index" in document]
    assert indexes == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
    assert documents(own)[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}


def test_the_events_of_a_response_are_numbered_without_a_gap() -> None:
    events = [chunk({"content": text}) for text in ("a", "b", "c", "d")] + [chunk({}, "length")]
    own = written(ResponseWriter(ASKED), [events[0], b"".join(events[1:])])
    numbers = [document["sequence_number"] for document in documents(own)]
    assert numbers == list(range(len(numbers)))
    assert names(own)[0] == "response.created"
    assert names(own)[-1] == "response.incomplete"
    whole = documents(own)[-1]["response"]
    assert whole["output"][0]["content"][0]["text"] == "abcd"
    assert whole["incomplete_details"] == {"reason": "max_output_tokens"}


def test_a_cut_stream_ends_in_an_error_and_never_well() -> None:
    error = UpstreamError("It broke.", hint="Try again.")
    message = EventWriter(ASKED)
    own = message.feed(chunk({"content": "a"})) + message.fail(error)
    assert names(own)[-1] == "error"
    assert documents(own)[-1] == {
        "type": "error",
        "error": {
            "type": "api_error",
            "message": "It broke.",
            "code": "upstream_failed",
            "param": None,
            "hint": "Try again.",
        },
        "request_id": "req-1",
    }
    assert "message_stop" not in names(own)
    response = ResponseWriter(ASKED)
    own = response.feed(chunk({"content": "a"})) + response.fail(RateLimitedError("Slow.", hint="Wait."))
    assert names(own)[-1] == "response.failed"
    assert "response.completed" not in names(own)
    assert documents(own)[-1]["response"]["error"]["code"] == "rate_limit_exceeded"
    assert documents(own)[-1]["response"]["output"][0]["content"][0]["text"] == "a"


def test_an_error_of_the_provider_is_an_error_of_the_chat_and_ends_it() -> None:
    reader = EventReader(7)
    reader.feed(b'event: message_start\ndata: {"type":"message_start","message":{"content":[]}}\n\n')
    said = reader.feed(
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )
    [document] = documents(said)
    assert document["error"] == {
        "message": "Overloaded",
        "type": "upstream_error",
        "code": "overloaded_error",
    }
    assert DONE not in said


def test_garbage_of_the_provider_is_an_error_too() -> None:
    assert (
        documents(EventReader(7).feed(b"event: x\ndata: {\n\n"))[0]["error"]["code"] == "upstream_bad_answer"
    )
    assert documents(ResponseReader(7).feed(b"data: 7\n\n"))[0]["error"]["code"] == "upstream_bad_answer"


def test_a_ping_keeps_every_client_awake() -> None:
    chat = EventReader(7).feed(b'event: ping\ndata: {"type": "ping"}\n\n')
    assert chat == b": ping\n\n"
    assert names(EventWriter(ASKED).feed(chat)) == ["message_start", "ping"]
    assert ResponseWriter(ASKED).feed(chat).endswith(b": ping\n\n")


def test_a_call_without_arguments_has_an_empty_object() -> None:
    reader = EventReader(7)
    start = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "tool_use", "id": "t", "name": "f"},
    }
    batch = b"".join(
        b"data: " + json.dumps(event).encode() + b"\n\n"
        for event in (
            start,
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}},
            {"type": "message_stop"},
        )
    )
    [choice] = folded(reader.feed(batch))["choices"]
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert choice["finish_reason"] == "tool_calls"


def test_an_answer_in_a_schema_comes_as_text() -> None:
    reader = EventReader(7)
    block = {"type": "tool_use", "id": "t", "name": "pilothouse_answer", "input": {}}
    events: list[Any] = [
        {"type": "message_start", "message": {"id": "msg_1", "model": "claude", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": '{"a"'},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": ":1}"},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}},
    ]
    batch = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    [choice] = folded(reader.feed(batch))["choices"]
    assert choice["message"] == {"role": "assistant", "content": '{"a":1}'}
    assert choice["finish_reason"] == "stop"
