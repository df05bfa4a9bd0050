"""Any dialect in, any out, over sockets: a worker in front of an upstream that is scripted in bytes."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pilothouse.contracts.snapshot import Deployment, KeyRecord, ModelRoute, Price, Provider, RecordPolicy

if TYPE_CHECKING:
    from tests.integration.gateway.conftest import Rig

KEY = "ph_test_0123456789"
PRICE = Price(input_usd=1.0, output_usd=2.0)
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "signed"},
        {"type": "text", "text": "Hello."},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": 1}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 5,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
        "output_tokens": 7,
    },
}
ASK_MESSAGE = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi."}]}


def route(name: str, provider: str, upstream: str) -> ModelRoute:
    return ModelRoute(
        name=name,
        kind="chat",
        record=RecordPolicy(confidence="on" if name == "sure" else "off"),
        deployments=(Deployment(id=f"{name}/0", provider=provider, upstream_model=upstream, price=PRICE),),
    )


@pytest.fixture(scope="module")
def several(worker: "Rig") -> Iterator["Rig"]:
    """The worker, with a provider of each dialect."""
    secret = "vendor-key"
    url = worker.upstream.url
    snapshot = worker.snapshot()
    keys: tuple[KeyRecord, ...] = snapshot.keys
    worker.publish(
        worker.snapshot(
            keys=keys,
            providers=(
                Provider(name="openish", base_url=url, secret=secret),
                Provider(name="openai", base_url=url, secret=secret, responses=True),
                Provider(name="anthropic", base_url=url, secret=secret, dialect="anthropic"),
            ),
            models=(
                route("claude", "anthropic", "claude"),
                route("renamed", "anthropic", "claude"),
                route("sure", "anthropic", "claude"),
                route("gpt", "openai", "gpt"),
                route("plain", "openish", "plain"),
                ModelRoute(
                    name="either",
                    kind="chat",
                    deployments=(
                        Deployment(id="either/0", provider="openish", upstream_model="plain", weight=9),
                        Deployment(id="either/1", provider="anthropic", upstream_model="claude", weight=1),
                    ),
                ),
            ),
            wildcard_providers=(),
            prices={},
        )
    )
    revision = worker.revision
    worker.until(lambda: worker.status()["snapshot_revision"] == revision)
    yield worker
    worker.publish(worker.snapshot())
    worker.until(lambda: worker.status()["snapshot_revision"] == worker.revision)


@pytest.fixture
def rig(several: "Rig") -> Iterator["Rig"]:
    """The worker, with an upstream that answers well until a test says otherwise."""
    usual = several.upstream.behave
    several.upstream.requests.clear()
    yield several
    several.close_raw()
    several.upstream.behave = usual


def answers(rig: "Rig", wire: Any, document: Any, status: str = "200 OK", extra: str = "") -> None:
    rig.upstream.behave = lambda connection, _: wire.answer_json(
        connection, json.dumps(document).encode(), status, extra
    )


def streams(rig: "Rig", wire: Any, *events: bytes, is_whole: bool = True) -> None:
    def behave(connection: Any, _: bytes) -> None:
        connection.sendall(wire.STREAM_HEAD)
        for event in events:
            connection.sendall(wire.framed(event))
        if is_whole:
            connection.sendall(b"0\r\n\r\n")
        else:
            connection.close()

    rig.upstream.behave = behave


def event(kind: str, **more: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


def message_events(*texts: str) -> list[bytes]:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 1}
    start = {**MESSAGE, "content": [], "stop_reason": None, "usage": usage}
    block = {"type": "text", "text": ""}
    return [
        event("message_start", message=start),
        event("content_block_start", index=0, content_block=block),
        event("ping"),
        *[
            event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
            for text in texts
        ],
        event("content_block_stop", index=0),
        event(
            "message_delta",
            delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage={"output_tokens": 7},
        ),
        event("message_stop"),
    ]


def kinds(body: bytes) -> list[str]:
    return [line.removeprefix("event: ") for line in body.decode().split("\n") if line.startswith("event: ")]


def datas(body: bytes) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in body.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def head_of(request: bytes) -> str:
    return request.partition(b"\r\n\r\n")[0].decode().lower()


# -- providers of Anthropic's dialect --------------------------------------------------------------


def test_a_chat_is_answered_by_claude(rig: "Rig", wire: Any) -> None:
    answers(rig, wire, MESSAGE)
    system = {"role": "system", "content": "Be brief."}
    reply = rig.post(
        "/v1/chat/completions",
        {"model": "renamed", "messages": [system, {"role": "user", "content": "Hi."}], "temperature": 1.5},
    )
    assert reply.status == 200
    [choice] = reply.json["choices"]
    assert choice["message"]["content"] == "Hello."
    assert choice["message"]["reasoning_content"] == "Hm."
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at": 1}'}
    assert choice["finish_reason"] == "tool_calls"
    assert reply.json["model"] == "renamed"
    assert reply.json["usage"]["prompt_tokens"] == 10
    assert reply.json["usage"]["prompt_tokens_details"] == {"cached_tokens": 3, "cache_write_tokens": 2}
    head = head_of(rig.upstream.requests[-1])
    assert head.startswith("post /v1/messages http/1.1")
    assert "x-api-key: sk-provider-secret-1234" in head
    assert "anthropic-version: 2023-06-01" in head
    assert "authorization" not in head
    sent = rig.upstream.body()
    assert sent == {
        "model": "claude",
        "max_tokens": 4096,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi."}]}],
        "temperature": 1.0,
    }
    end = rig.recorded(reply).end
    assert (end.dialect, end.input_tokens, end.cached_tokens, end.output_tokens) == ("openai", 10, 3, 7)
    assert end.cost_usd == pytest.approx((10 * 1.0 + 7 * 2.0) / 1e6)


def test_a_chat_streamed_by_claude_is_a_chats_stream(rig: "Rig", wire: Any) -> None:
    streams(rig, wire, *message_events("Hel", "lo", "."))
    reply = rig.chat(model="renamed", stream=True)
    assert reply.body.endswith(b"data: [DONE]\n\n")
    chunks = datas(reply.body)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "Hello."
    assert {chunk["model"] for chunk in chunks} == {"renamed"}
    assert all(chunk["choices"] for chunk in chunks), "usage that was not asked for is taken out"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert rig.upstream.body()["stream"] is True
    call = rig.recorded(reply)
    assert (call.end.outcome, call.end.input_tokens, call.end.output_tokens) == ("completed", 8, 7)
    assert json.loads(call.response or b"")["choices"][0]["message"]["content"] == "Hello."


def test_what_claude_cannot_do_is_refused(rig: "Rig") -> None:
    for more, param in (({"n": 2}, "n"), ({"logprobs": True}, "logprobs")):
        reply = rig.chat(model="claude", **more)
        assert (reply.status, reply.error["param"]) == (400, param)
        assert reply.error["code"] == "not_translatable"
    reply = rig.post("/v1/completions", {"model": "claude", "prompt": "x"})
    assert (reply.status, reply.error["code"]) == (400, "not_translatable")


def test_log_probabilities_for_the_record_are_not_asked_of_claude(rig: "Rig", wire: Any) -> None:
    answers(rig, wire, MESSAGE)
    assert rig.chat(model="sure").status == 200
    assert "logprobs" not in rig.upstream.body()


@pytest.mark.parametrize(
    ("status", "name", "expected"),
    [
        (529, "overloaded_error", 503),
        (429, "rate_limit_error", 429),
        (400, "invalid_request_error", 400),
        (500, "api_error", 502),
    ],
)
def test_claudes_refusals_are_told_in_either_shape(
    rig: "Rig", wire: Any, status: int, name: str, expected: int
) -> None:
    said = {"type": "error", "error": {"type": name, "message": "No sk-provider-secret-1234."}}
    answers(rig, wire, said, f"{status} No", "retry-after: 7\r\n")
    reply = rig.chat(model="claude")
    assert reply.status == expected
    assert "***" in reply.error["message"]
    own = rig.post("/v1/messages", ASK_MESSAGE)
    assert own.status == expected
    assert own.json["type"] == "error"
    assert own.json["error"]["type"] == ("api_error" if status == 500 else name)
    assert own.json["request_id"] == own.headers["request-id"] == own.headers["x-request-id"]
    if status == 429:
        assert own.headers["retry-after"] == reply.headers["retry-after"] == "7"


def test_an_error_in_claudes_stream_ends_the_chats_in_an_error(rig: "Rig", wire: Any) -> None:
    fault = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    streams(rig, wire, *message_events("Hel")[:4], fault)
    reply = rig.chat(model="claude", stream=True)
    assert "Overloaded" in datas(reply.body)[-1]["error"]["message"]
    assert b"[DONE]" not in reply.body
    assert rig.recorded(reply).end.outcome == "cut"


# -- clients of Anthropic's dialect ----------------------------------------------------------------


def test_a_message_is_answered_by_a_chat(rig: "Rig", wire: Any) -> None:
    answers(rig, wire, {**wire.CHAT, "model": "gpt"})
    block = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
    reply = rig.post(
        "/v1/messages",
        {**ASK_MESSAGE, "model": "gpt", "system": [block], "top_k": 4, "metadata": {"user_id": "ann"}},
    )
    assert reply.status == 200
    assert reply.json["type"] == "message"
    assert reply.json["model"] == "gpt"
    assert reply.json["content"] == [{"type": "text", "text": "Hello."}]
    assert reply.json["stop_reason"] == "end_turn"
    assert reply.json["usage"]["input_tokens"] == 60
    assert reply.json["usage"]["cache_read_input_tokens"] == 40
    assert reply.headers["request-id"]
    assert rig.upstream.body() == {
        "model": "gpt",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}],
        "max_completion_tokens": 9,
        "user": "ann",
    }
    call = rig.recorded(reply)
    assert (call.end.dialect, call.end.input_tokens) == ("anthropic", 100)
    assert call.end.subject not in {None, "ann", "key_test"}
    assert json.loads(call.request or b"")["messages"][1]["content"] == "Hi.", "the record sees a chat"
    assert json.loads(call.response or b"")["choices"][0]["message"]["content"] == "Hello."


def test_a_message_to_claude_passes_as_it_came(rig: "Rig", wire: Any) -> None:
    answers(rig, wire, MESSAGE)
    body = (
        b'{"max_tokens" : 9, "model":"renamed","messages":[{"role":"user","content":"\\u00e9"}],"new":[1.50]}'
    )
    reply = rig.post("/v1/messages", body, anthropic_beta="some-beta-2026")
    assert rig.upstream.requests[-1].partition(b"\r\n\r\n")[2] == body.replace(b"renamed", b"claude")
    assert "anthropic-beta: some-beta-2026" in head_of(rig.upstream.requests[-1])
    assert reply.body == json.dumps(MESSAGE).encode().replace(b'"claude"', b'"renamed"')
    call = rig.recorded(reply)
    assert (call.end.finish_reasons, call.end.input_tokens) == (("tool_calls",), 10)
    assert json.loads(call.response or b"")["choices"][0]["message"]["content"] == "Hello."


def test_a_stream_of_claudes_passes_as_it_came(rig: "Rig", wire: Any) -> None:
    events = message_events("Hel", "lo", '"model"')
    events.insert(4, event("content_block_delta", index=0, delta={"type": "citations_delta", "citation": {}}))
    streams(rig, wire, *events)
    reply = rig.post("/v1/messages", {**ASK_MESSAGE, "model": "renamed", "stream": True})
    lines = [line for line in reply.body.split(b"\n\n") if line and not line.startswith(b": ")]
    assert lines[1:] == [each.removesuffix(b"\n\n") for each in events[1:]]
    assert datas(reply.body)[0]["message"]["model"] == "renamed"
    call = rig.recorded(reply)
    assert (call.end.outcome, call.end.input_tokens, call.end.output_tokens) == ("completed", 8, 7)
    assert json.loads(call.response or b"")["choices"][0]["message"]["content"] == 'Hello"model"'


def test_a_stream_of_claudes_that_is_cut_ends_in_an_error_event(rig: "Rig", wire: Any) -> None:
    fault = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    streams(rig, wire, b"".join([*message_events("Hel")[:4], fault]))
    reply = rig.post("/v1/messages", {**ASK_MESSAGE, "stream": True})
    assert kinds(reply.body).count("error") == 1
    assert kinds(reply.body)[-1] == "error"
    assert "Overloaded" in datas(reply.body)[-1]["error"]["message"]
    streams(rig, wire, *message_events("Hel")[:4], is_whole=False)
    reply = rig.post("/v1/messages", {**ASK_MESSAGE, "stream": True})
    assert kinds(reply.body)[-1] == "error"
    assert "message_stop" not in kinds(reply.body)
    assert rig.recorded(reply).end.outcome == "cut"


def test_a_chats_stream_is_a_messages_stream(rig: "Rig", wire: Any) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    last = b'data: {"id":"c","model":"plain","choices":[],"usage":%b}\n\n' % json.dumps(usage).encode()
    streams(
        rig, wire, wire.chunk({"role": "assistant", "content": ""}), wire.chunk({"content": "Hel"}),
        wire.chunk({"content": "lo."}), wire.chunk({}, "stop"), last, b"data: [DONE]\n\n",
    )  # fmt: skip
    reply = rig.post("/v1/messages", {**ASK_MESSAGE, "model": "plain", "stream": True})
    assert kinds(reply.body) == [
        "message_start", "content_block_start", "content_block_delta", "content_block_delta",
        "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    assert datas(reply.body)[0]["message"]["model"] == "plain"
    assert datas(reply.body)[-2]["usage"]["input_tokens"] == 7
    assert rig.upstream.body()["stream_options"] == {"include_usage": True}
    assert rig.recorded(reply).end.output_tokens == 2


def test_errors_of_the_gateway_have_the_clients_shape(rig: "Rig") -> None:
    for reply, name in (
        (rig.post("/v1/messages", ASK_MESSAGE, key="ph_nobody"), "authentication_error"),
        (rig.post("/v1/messages", {**ASK_MESSAGE, "model": "none"}), "not_found_error"),
        (rig.post("/v1/messages", {"model": "claude", "messages": "x"}), "invalid_request_error"),
        (rig.post("/v1/messages", b"{"), "invalid_request_error"),
        (rig.post("/v1/messages", b"x" * 300_000), "request_too_large"),
        (rig.ask("GET", "/v1/messages"), "invalid_request_error"),
        (rig.post("/v1/messages/batches", {}), "not_found_error"),
    ):
        assert reply.json["type"] == "error"
        assert reply.json["error"]["type"] == name
        assert reply.json["error"]["hint"]
        assert reply.headers["request-id"] == reply.json["request_id"]


def test_what_only_claude_can_do_is_refused_elsewhere(rig: "Rig", wire: Any) -> None:
    answers(rig, wire, MESSAGE)
    search = {"type": "web_search_20250305", "name": "web_search"}
    asked = {**ASK_MESSAGE, "tools": [search]}
    assert rig.post("/v1/messages", asked).status == 200
    assert rig.upstream.body()["tools"] == [search]
    refused = rig.post("/v1/messages", {**asked, "model": "plain"})
    assert refused.status == 400
    assert "web_search_20250305" in refused.json["error"]["message"]


def test_of_several_deployments_one_is_asked_that_can(rig: "Rig", wire: Any) -> None:
    answers(rig, wire, MESSAGE)
    asked = {
        **ASK_MESSAGE,
        "model": "either",
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
    }
    for _ in range(5):
        assert rig.post("/v1/messages", asked).status == 200
        assert rig.upstream.body()["model"] == "claude"


def test_tokens_are_counted_or_estimated(rig: "Rig", wire: Any) -> None:
    asked = {"model": "renamed", "messages": [{"role": "user", "content": "Hi."}]}
    answers(rig, wire, {"input_tokens": 17})
    counted = rig.post("/v1/messages/count_tokens", asked)
    assert counted.json == {"input_tokens": 17}
    assert counted.headers["x-pilothouse-token-count"] == "counted"
    assert head_of(rig.upstream.requests[-1]).startswith("post /v1/messages/count_tokens ")
    assert rig.upstream.body()["model"] == "claude"
    estimated = rig.post("/v1/messages/count_tokens", {**asked, "model": "plain"})
    assert estimated.json["estimated"] is True
    assert estimated.headers["x-pilothouse-token-count"] == "estimated"
    more = [{"role": "user", "content": "Hi." * 100}]
    longer = rig.post("/v1/messages/count_tokens", {"model": "plain", "messages": more})
    assert longer.json["input_tokens"] > estimated.json["input_tokens"] > 0
    assert rig.post("/v1/messages/count_tokens", {"model": "plain"}).status == 400
    assert (
        rig.post("/v1/messages/count_tokens", asked, key=None).json["error"]["type"] == "authentication_error"
    )
    answers(rig, wire, {"error": {"type": "rate_limit_error", "message": "Slow."}}, "429 No")
    assert rig.post("/v1/messages/count_tokens", asked).json["error"]["type"] == "rate_limit_error"


def test_models_are_listed_as_the_client_knows_them(rig: "Rig") -> None:
    plain = {"authorization": f"Bearer {KEY}"}
    assert rig.ask("GET", "/v1/models", headers=plain).json["object"] == "list"
    own = rig.ask("GET", "/v1/models", headers={**plain, "anthropic-version": "2023-06-01"}).json
    assert own["first_id"] == "claude"
    assert {model["type"] for model in own["data"]} == {"model"}
    one = rig.ask("GET", "/v1/models/gpt", headers={**plain, "anthropic-version": "2023-06-01"}).json
    assert one["display_name"] == "gpt"


# -- clients of the Responses API ------------------------------------------------------------------


def test_a_response_is_made_of_a_chat(rig: "Rig", wire: Any) -> None:
    answers(rig, wire, {**wire.CHAT, "model": "plain"})
    reply = rig.post(
        "/v1/responses",
        {"model": "plain", "input": "Hi.", "instructions": "Be brief.", "max_output_tokens": 9,
         "metadata": {"conversation_id": "c-1"}},
    )  # fmt: skip
    assert reply.status == 200
    assert (reply.json["object"], reply.json["status"]) == ("response", "completed")
    assert reply.json["output"][0]["content"][0]["text"] == "Hello."
    assert reply.json["instructions"] == "Be brief."
    assert reply.json["usage"]["input_tokens_details"]["cached_tokens"] == 40
    sent = rig.upstream.body()
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}
    ]  # fmt: skip
    assert sent["max_tokens"] == 9
    end = rig.recorded(reply).end
    assert (end.dialect, end.conversation_id) == ("responses", "c-1")


def test_a_response_is_streamed_of_claudes_events(rig: "Rig", wire: Any) -> None:
    streams(rig, wire, *message_events("Hel", "lo."))
    reply = rig.post("/v1/responses", {"model": "claude", "input": "Hi.", "stream": True})
    assert kinds(reply.body)[0] == "response.created"
    assert kinds(reply.body)[-1] == "response.completed"
    assert datas(reply.body)[-1]["response"]["output"][0]["content"][0]["text"] == "Hello."
    assert datas(reply.body)[-1]["response"]["usage"]["output_tokens"] == 7
    streams(rig, wire, *message_events("Hel")[:4], is_whole=False)
    reply = rig.post("/v1/responses", {"model": "claude", "input": "Hi.", "stream": True})
    assert kinds(reply.body)[-1] == "response.failed"


@pytest.mark.parametrize(
    "more",
    [
        {"previous_response_id": "resp_1"},
        {"store": True},
        {"background": True},
        {"conversation": "conv_1"},
        {"tools": [{"type": "web_search"}]},
        {"top_logprobs": 2},
        {"include": ["message.output_text.logprobs"]},
        {"input": [{"type": "item_reference", "id": "x"}]},
    ],
)
def test_state_and_built_in_tools_go_only_to_those_who_hold_them(
    rig: "Rig", wire: Any, more: dict[str, Any]
) -> None:
    output = [{"type": "web_search_call", "id": "ws"}, {"type": "message", "role": "assistant", "id": "m",
              "content": [{"type": "output_text", "text": "Hello.", "annotations": []}]}]  # fmt: skip
    answer = {"id": "resp_9", "object": "response", "model": "gpt", "status": "completed", "output": output,
              "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}}  # fmt: skip
    answers(rig, wire, answer)
    asked = {"model": "gpt", "input": "Hi.", **more}
    reply = rig.post("/v1/responses", asked)
    assert reply.json == answer
    assert rig.upstream.body() == asked
    assert head_of(rig.upstream.requests[-1]).startswith("post /v1/responses ")
    call = rig.recorded(reply)
    assert (call.end.input_tokens, call.end.finish_reasons) == (3, ("stop",))
    assert json.loads(call.response or b"")["choices"][0]["message"]["content"] == "Hello."
    refused = rig.post("/v1/responses", {**asked, "model": "plain"})
    assert (refused.status, refused.error["code"]) == (400, "not_translatable")
    assert "responses: true" in refused.error["hint"]


def test_a_stream_of_responses_passes_as_it_came(rig: "Rig", wire: Any) -> None:
    def said(kind: str, number: int, **more: Any) -> bytes:
        return event(kind, sequence_number=number, **more)

    begun = {"id": "resp_9", "object": "response", "model": "gpt", "status": "in_progress", "output": []}
    ended = {**begun, "status": "completed", "usage": {"input_tokens": 3, "output_tokens": 2}}
    events = [
        said("response.created", 0, response=begun),
        said("response.web_search_call.searching", 1, item_id="ws", output_index=0),
        said("response.output_text.delta", 2, item_id="m", output_index=1, content_index=0, delta="Hello."),
        said("response.completed", 3, response=ended),
    ]
    streams(rig, wire, *events)
    reply = rig.post("/v1/responses", {"model": "gpt", "input": "Hi.", "stream": True})
    own = [each for each in reply.body.split(b"\n\n") if each and not each.startswith(b": ")]
    assert own == [each.removesuffix(b"\n\n") for each in events]
    call = rig.recorded(reply)
    assert (call.end.outcome, call.end.input_tokens) == ("completed", 3)
    assert json.loads(call.response or b"")["choices"][0]["message"]["content"] == "Hello."


def test_a_kept_response_is_not_here(rig: "Rig") -> None:
    reply = rig.ask("GET", "/v1/responses/resp_1", headers={"authorization": f"Bearer {KEY}"})
    assert reply.status == 404
    assert "not kept" in reply.error["message"]
