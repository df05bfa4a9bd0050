"""A worker answers as OpenAI would, with the public names, and every call is on record."""

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.gateway.conftest import Rig

    from pilothouse.contracts.events import Attempt

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _events(body: bytes) -> list[Any]:
    payloads = [event[6:] for event in body.split(b"\n\n") if event.startswith(b"data: ")]
    return [payload if payload == b"[DONE]" else json.loads(payload) for payload in payloads]


def test_a_plain_chat_is_answered_under_the_public_name_and_recorded(rig: "Rig") -> None:
    reply = rig.chat(model="quiet", temperature=0.5, user="ann")
    assert reply.status == 200
    assert reply.json["model"] == "quiet"
    assert reply.json["choices"][0]["message"]["content"] == "Hello."
    assert rig.upstream.body()["model"] == "upstream-model"
    call = rig.recorded(reply)
    end = call.end
    assert (end.status, end.outcome, end.model, end.model_answered) == (
        200,
        "completed",
        "quiet",
        "upstream-model",
    )
    assert (end.key_id, end.team, end.provider, end.deployment) == ("key_test", "red", "vendor", "quiet/0")
    assert (end.input_tokens, end.output_tokens, end.cached_tokens) == (100, 10, 40)
    assert end.cost_usd == pytest.approx((60 * 1.0 + 40 * 0.5 + 10 * 2.0) / 1e6)
    assert end.parameters.temperature == 0.5
    assert end.subject not in {None, "ann", "key_test"}
    assert end.finish_reasons == ("stop",)
    assert end.duration_ms > 0
    assert [attempt.status for attempt in end.attempts] == [200]
    assert json.loads(call.request or b"")["messages"][0]["content"] == "Say hello."
    assert json.loads(call.response or b"") == reply.json


def test_a_body_that_needs_no_edit_is_forwarded_as_it_came(rig: "Rig") -> None:
    body = (
        b'{ "model" : "vendor/upstream-model",\n "messages":[{"role":"user","content":"\\u00e9"}], "x":1.50 }'
    )
    reply = rig.post("/v1/chat/completions", body)
    assert reply.status == 200
    sent = rig.upstream.requests[-1].partition(b"\r\n\r\n")[2]
    assert sent == body.replace(b"vendor/upstream-model", b"upstream-model")


def test_ids_and_traces_are_honoured_and_handed_on(rig: "Rig") -> None:
    document = {"model": "quiet", "messages": [{"role": "user", "content": "x"}]}
    reply = rig.post("/v1/chat/completions", document, x_request_id="req-of-mine", traceparent=TRACE)
    assert reply.headers["x-request-id"] == "req-of-mine"
    trace = reply.headers["traceparent"].split("-")
    assert trace[1] == "0af7651916cd43dd8448eb211c80319c"
    assert trace[2] != "b7ad6b7169203331"
    head = rig.upstream.requests[-1].partition(b"\r\n\r\n")[0].decode()
    assert f"traceparent: {reply.headers['traceparent']}" in head
    assert "x-request-id: req-of-mine" in head
    end = rig.recorded(reply).end
    assert (end.trace_id, end.parent_span_id, end.span_id) == (trace[1], "b7ad6b7169203331", trace[2])


def test_a_broken_traceparent_and_request_id_are_replaced(rig: "Rig") -> None:
    document = {"model": "quiet", "messages": []}
    reply = rig.post("/v1/chat/completions", document, x_request_id="x" * 500, traceparent="00-zz-1-01")
    assert len(reply.headers["x-request-id"]) == 32
    assert rig.recorded(reply).end.parent_span_id is None


def test_the_key_of_the_provider_is_sent_to_it_and_the_clients_key_is_not(rig: "Rig") -> None:
    rig.chat()
    head = rig.upstream.requests[-1].partition(b"\r\n\r\n")[0]
    assert b"authorization: Bearer sk-provider-secret-1234" in head
    assert b"ph_test" not in head


def _stream_well(chunk: Any, framed: Any, head: bytes) -> Any:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head)
        for piece in ({"role": "assistant", "content": ""}, {"content": "Hel"}, {"content": "lo."}):
            connection.sendall(framed(chunk(piece)))
        usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
        last = (
            b'data: {"id":"c","model":"upstream-model","choices":[],"usage":%b}\n\n'
            % json.dumps(usage).encode()
        )
        connection.sendall(
            framed(chunk({}, "stop")) + framed(last) + framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        )

    return behave


def test_a_stream_is_passed_on_and_folded_for_the_record(rig: "Rig", wire: Any) -> None:
    rig.upstream.behave = _stream_well(wire.chunk, wire.framed, wire.STREAM_HEAD)
    reply = rig.chat(model="quiet", stream=True)
    assert reply.headers["content-type"].startswith("text/event-stream")
    events = _events(reply.body)
    assert events[-1] == b"[DONE]"
    assert {event["model"] for event in events[:-1]} == {"quiet"}
    assert all(event["choices"] for event in events[:-1]), (
        "the usage chunk that was not asked for is taken out"
    )
    assert rig.upstream.body()["stream_options"] == {"include_usage": True}
    call = rig.recorded(reply)
    assert call.started is not None
    assert call.started.call_id == call.end.call_id
    assert (call.end.input_tokens, call.end.output_tokens, call.end.is_stream) == (7, 2, True)
    assert call.end.first_token_ms is not None
    assert json.loads(call.response or b"")["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Hello.",
    }
    assert json.loads(call.request or b"")["stream"] is True


def test_usage_that_was_asked_for_stays(rig: "Rig", wire: Any) -> None:
    rig.upstream.behave = _stream_well(wire.chunk, wire.framed, wire.STREAM_HEAD)
    reply = rig.chat(model="quiet", stream=True, stream_options={"include_usage": True})
    assert _events(reply.body)[-2]["usage"]["prompt_tokens"] == 7


def test_the_stream_is_done_before_the_upstream_closes_its_side(rig: "Rig", wire: Any) -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(
            wire.STREAM_HEAD + wire.framed(wire.chunk({"content": "x"}, "stop") + b"data: [DONE]\n\n")
        )
        rig.upstream.hold(connection)

    rig.upstream.behave = behave
    reply = rig.chat(stream=True)
    assert reply.body.endswith(b"data: [DONE]\n\n")
    assert rig.recorded(reply).end.outcome == "completed"


def test_log_probabilities_asked_for_the_record_are_taken_out_again(rig: "Rig", wire: Any) -> None:
    logprobs = {"content": [{"token": "a", "logprob": -1.0}, {"token": "b", "logprob": -3.0}]}
    answer = json.loads(json.dumps(wire.CHAT))
    answer["choices"][0]["logprobs"] = logprobs
    rig.upstream.behave = lambda connection, _: wire.answer_json(connection, json.dumps(answer).encode())
    reply = rig.chat(model="assistant")
    assert rig.upstream.body()["logprobs"] is True
    assert reply.json["choices"][0]["logprobs"] is None
    end = rig.recorded(reply).end
    assert (end.logprob_mean, end.logprob_min) == (-2.0, -3.0)
    asked = rig.chat(model="assistant", logprobs=True)
    assert asked.json["choices"][0]["logprobs"] == logprobs


def test_embeddings_leave_no_vector_in_the_record(rig: "Rig", wire: Any) -> None:
    answer = {
        "object": "list",
        "model": "vectors",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5, 0.75]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    rig.upstream.behave = lambda connection, _: wire.answer_json(connection, json.dumps(answer).encode())
    reply = rig.post("/v1/embeddings", {"model": "vectors", "input": "x"})
    assert reply.json == answer
    call = rig.recorded(reply)
    kept = json.loads(call.response or b"")
    assert (kept["count"], kept["dimensions"]) == (1, 3)
    assert b"0.25" not in (call.response or b"")
    assert call.end.input_tokens == 3


def test_a_deployment_that_refuses_connections_is_passed_over(rig: "Rig") -> None:
    for _ in range(8):
        reply = rig.chat(model="spread")
        assert reply.status == 200
        attempts: tuple[Attempt, ...] = rig.recorded(reply).end.attempts
        assert attempts[-1].deployment == "spread/0"
        if len(attempts) == 2:
            assert attempts[0].error_code == "upstream_unreachable"
            return
    pytest.fail("the weights never chose the other deployment")


def test_a_fallback_answers_only_when_the_weighted_cannot(rig: "Rig") -> None:
    reply = rig.chat(model="rescued")
    assert (reply.status, reply.json["model"]) == (200, "rescued")
    attempts = rig.recorded(reply).end.attempts
    assert [attempt.deployment for attempt in attempts] == ["rescued/dead", "rescued/fallback"]


def test_a_provider_named_by_prefix_answers_for_any_model(rig: "Rig") -> None:
    reply = rig.chat(model="vendor/any/model")
    assert reply.json["model"] == "vendor/any/model"
    assert rig.upstream.body()["model"] == "any/model"
    assert rig.recorded(reply).end.cost_usd is not None


def test_a_call_without_a_price_says_so(rig: "Rig") -> None:
    end = rig.recorded(rig.chat(model="spread")).end
    assert end.cost_usd is None
    assert end.price_source is None


def test_a_silent_key_leaves_figures_and_no_content(rig: "Rig") -> None:
    call = rig.recorded(rig.chat(key="ph_silent"))
    assert call.request is None
    assert call.response is None
    assert call.end.input_tokens == 100


def test_models_are_listed_for_those_who_may_use_them(rig: "Rig") -> None:
    ours = rig.ask("GET", "/v1/models", headers={"authorization": "Bearer ph_test_0123456789"})
    assert {model["id"] for model in ours.json["data"]} == {
        "assistant",
        "quiet",
        "local",
        "spread",
        "rescued",
        "vectors",
    }
    others = rig.ask("GET", "/v1/models", headers={"x-api-key": "ph_other_0123456789"})
    assert others.json["data"] == []
    one = rig.ask("GET", "/v1/models/quiet", headers={"api-key": "ph_test_0123456789"})
    assert one.json["id"] == "quiet"
    assert rig.ask("GET", "/v1/models").status == 401


def test_health_needs_no_key(rig: "Rig") -> None:
    assert rig.ask("GET", "/livez").status == 200
    assert rig.ask("GET", "/version").json == {"version": "9.9.9"}
    ready = rig.ask("GET", "/readyz")
    assert ready.status == 200
    assert any("control is away" in note for note in ready.json["notes"])
    head = rig.raw(b"HEAD /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    with head:
        data = b"".join(iter(lambda: head.recv(65536), b""))
    assert data.endswith(b"\r\n\r\n")


def test_without_control_the_rest_says_what_to_do(rig: "Rig") -> None:
    reply = rig.ask("GET", "/api/v1/overview")
    assert reply.status == 503
    assert reply.error["code"] == "control_away"
