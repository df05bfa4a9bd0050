"""What was answered before is answered again: to whom it may, as they asked for it, and on record."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pilothouse.contracts.snapshot import Deployment, ModelRoute, Price, RecordPolicy
from pilothouse.contracts.traffic import Cache

if TYPE_CHECKING:
    import socket
    from types import SimpleNamespace

    from tests.integration.gateway.conftest import Reply, Rig

PRICE = Price(input_usd=1.0, output_usd=2.0)
ANN, BOB, CAT, DAN = "ph_ann_0123456789", "ph_bob_0123456789", "ph_cat_0123456789", "ph_dan_0123456789"
POLICIES = {
    "own": Cache(exact=True),
    "team": Cache(exact=True, scope="team"),
    "all": Cache(exact=True, scope="all"),
    "brief": Cache(exact=True, ttl_s=0.2),
    "joint": Cache(coalesce=True, scope="all"),
    "means": Cache(exact=True, semantic=True, coalesce=True, threshold=0.9, embedder="meanings"),
}


def _models(rig: "Rig", **changes: Any) -> tuple[ModelRoute, ...]:
    def model(name: str, kind: Any = "chat", **more: Any) -> ModelRoute:
        deployment = Deployment(
            id=f"{name}/0", provider="vendor", upstream_model="upstream-model", price=PRICE
        )
        return ModelRoute(name=name, kind=kind, deployments=(deployment,), **more)

    return (
        *(model(name, cache=policy, **changes) for name, policy in POLICIES.items()),
        model("meanings", "embedding"),
        model("vectors", "embedding", cache=Cache(exact=True)),
    )


def _publish(rig: "Rig", **changes: Any) -> None:
    keys = (
        rig.key(ANN, "key_ann", team="red"),
        rig.key(BOB, "key_bob", team="red"),
        rig.key(CAT, "key_cat", team="blue"),
        rig.key(DAN, "key_dan", team="red", record=RecordPolicy(content="none")),
    )
    rig.publish(rig.snapshot(keys=keys, models=_models(rig, **changes)))
    rig.until(lambda: rig.status()["snapshot_revision"] == rig.revision)


@pytest.fixture(scope="module", autouse=True)
def _policies(worker: "Rig") -> None:
    _publish(worker)


_NUMBERS = iter(range(1_000_000))


@pytest.fixture
def text() -> str:
    """A question that nobody has asked yet."""
    return f"question {next(_NUMBERS)}"


def _ask(rig: "Rig", model: str, text: str, key: str = ANN, *, headers: Any = None, **more: Any) -> "Reply":
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return rig.post("/v1/chat/completions", body, key=key, **(headers or {}))


def _kind(reply: "Reply") -> str:
    assert reply.status == 200, reply.body
    return reply.headers["x-pilothouse-cache"]


def _events(reply: "Reply") -> list[Any]:
    payloads = [event[6:] for event in reply.body.split(b"\n\n") if event.startswith(b"data: ")]
    assert payloads[-1] == b"[DONE]"
    return [json.loads(payload) for payload in payloads[:-1]]


def _text_of(reply: "Reply") -> str:
    deltas = [event["choices"][0]["delta"] for event in _events(reply) if event["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def _chats(rig: "Rig") -> int:
    return sum(b"/chat/completions" in request.partition(b"\r\n")[0] for request in rig.upstream.requests)


def test_an_equal_request_gets_the_same_answer_and_the_record_says_so(rig: "Rig", text: str) -> None:
    first = _ask(rig, "own", text)
    second = _ask(rig, "own", text, user="somebody", metadata={"x": "1"})
    assert (_kind(first), _kind(second)) == ("miss", "hit")
    assert second.json == first.json
    assert int(second.headers["age"]) >= 0
    assert _chats(rig) == 1
    own, again = rig.recorded(first).end, rig.recorded(second).end
    assert (own.cache, own.saved_usd) == (None, None)
    assert own.cost_usd == pytest.approx((100 * 1.0 + 10 * 2.0) / 1e6)
    assert (again.cache, again.cost_usd, again.attempts) == ("exact", 0.0, ())
    assert again.saved_usd == pytest.approx(own.cost_usd)
    assert (again.input_tokens, again.output_tokens, again.finish_reasons) == (100, 10, ("stop",))
    assert json.loads(rig.recorded(second).response or b"") == second.json


@pytest.mark.parametrize("more", [{"temperature": 0.2}, {"n": 2}, {"seed": 3}, {"max_tokens": 9}])
def test_other_parameters_are_other_requests(rig: "Rig", text: str, more: dict[str, Any]) -> None:
    assert _kind(_ask(rig, "own", text)) == "miss"
    assert _kind(_ask(rig, "own", text, **more)) == "miss"


@pytest.mark.parametrize(
    ("model", "key", "kind"),
    [
        ("own", ANN, "hit"),
        ("own", BOB, "miss"),
        ("team", BOB, "hit"),
        ("team", CAT, "miss"),
        ("all", CAT, "hit"),
        ("all", DAN, "miss"),
        ("team", DAN, "miss"),
    ],
)
def test_answers_stay_in_their_scope(rig: "Rig", text: str, model: str, key: str, kind: str) -> None:
    assert _kind(_ask(rig, model, text)) == "miss"
    assert _kind(_ask(rig, model, text, key)) == kind


def test_a_key_whose_content_is_not_recorded_shares_with_itself_alone(rig: "Rig", text: str) -> None:
    assert _kind(_ask(rig, "all", text, DAN)) == "miss"
    assert _kind(_ask(rig, "all", text, DAN)) == "hit"
    assert _kind(_ask(rig, "all", text, ANN)) == "miss"


def test_a_plain_answer_serves_a_stream(rig: "Rig", text: str) -> None:
    plain = _ask(rig, "own", text)
    stream = _ask(rig, "own", text, stream=True)
    assert _kind(stream) == "hit"
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert _text_of(stream) == plain.json["choices"][0]["message"]["content"]
    assert all("usage" not in event or event["usage"] is None for event in _events(stream))
    asked = _ask(rig, "own", text, stream=True, stream_options={"include_usage": True})
    assert _events(asked)[-1]["usage"]["prompt_tokens"] == 100
    assert {event["model"] for event in _events(asked)} == {"own"}
    call = rig.recorded(stream)
    assert call.started is not None
    assert (call.end.cache, call.end.is_stream, call.end.output_tokens) == ("exact", True, 10)
    assert json.loads(call.response or b"")["choices"][0]["message"]["content"] == "Hello."


@contextmanager
def _streaming(rig: "Rig", wire: "SimpleNamespace") -> Iterator[threading.Event]:
    """Lets the upstream send the middle of each stream, and its end when the event is set."""
    go_on = threading.Event()
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}

    def behave(connection: "socket.socket", request: bytes) -> None:
        first = wire.chunk({"role": "assistant", "content": ""}) + wire.chunk({"content": "One "})
        connection.sendall(wire.STREAM_HEAD + wire.framed(first))
        go_on.wait(10)
        rest = wire.chunk({"content": "two."}) + wire.chunk({}, "stop")
        usage_only = {"id": "c", "object": "chat.completion.chunk", "model": "upstream-model", "choices": []}
        last = b"data: " + json.dumps({**usage_only, "usage": usage}).encode() + b"\n\ndata: [DONE]\n\n"
        connection.sendall(wire.framed(rest + last) + b"0\r\n\r\n")

    rig.upstream.behave = behave
    yield go_on
    go_on.set()


def test_a_stream_serves_a_plain_request(rig: "Rig", wire: "SimpleNamespace", text: str) -> None:
    with _streaming(rig, wire) as go_on:
        go_on.set()
        stream = _ask(rig, "own", text, stream=True)
        plain = _ask(rig, "own", text)
    assert (_kind(stream), _kind(plain)) == ("miss", "hit")
    assert plain.json["choices"][0]["message"] == {"role": "assistant", "content": "One two."}
    assert plain.json["usage"]["prompt_tokens"] == 7
    assert plain.json["model"] == "own"
    assert rig.recorded(plain).end.saved_usd == pytest.approx((7 * 1.0 + 3 * 2.0) / 1e6)


def test_an_answer_is_forgotten_in_time(rig: "Rig", text: str) -> None:
    assert _kind(_ask(rig, "brief", text)) == "miss"
    rig.until(lambda: _kind(_ask(rig, "brief", text)) == "miss")


@pytest.mark.parametrize(
    ("wish", "kinds"),
    [
        ("no-cache", ["miss", "miss", "hit"]),
        ("no-store", ["miss", "miss", "miss"]),
        ("max-age=0", ["miss", "miss", "hit"]),
        ("max-age=60", ["miss", "hit", "hit"]),
    ],
)
def test_the_requests_cache_control_is_obeyed(rig: "Rig", text: str, wish: str, kinds: list[str]) -> None:
    replies = [
        _ask(rig, "own", text, headers={"cache_control": wish}),
        _ask(rig, "own", text, headers={"cache_control": wish}),
        _ask(rig, "own", text),
    ]
    assert [_kind(reply) for reply in replies] == kinds


@pytest.mark.parametrize("finish", ["length", "content_filter", None])
def test_an_answer_that_did_not_end_well_is_not_kept(
    rig: "Rig", wire: "SimpleNamespace", text: str, finish: str | None
) -> None:
    choice = {**wire.CHAT["choices"][0], "finish_reason": finish}
    body = json.dumps({**wire.CHAT, "choices": [choice]}).encode()
    rig.upstream.behave = lambda connection, _: wire.answer_json(connection, body)
    assert [_kind(_ask(rig, "own", text)) for _ in range(2)] == ["miss", "miss"]


def test_an_answer_cut_at_the_length_that_was_asked_for_is_kept(
    rig: "Rig", wire: "SimpleNamespace", text: str
) -> None:
    choice = {**wire.CHAT["choices"][0], "finish_reason": "length"}
    body = json.dumps({**wire.CHAT, "choices": [choice]}).encode()
    rig.upstream.behave = lambda connection, _: wire.answer_json(connection, body)
    assert [_kind(_ask(rig, "own", text, max_tokens=3)) for _ in range(2)] == ["miss", "hit"]


def test_an_error_is_not_kept(rig: "Rig", wire: "SimpleNamespace", text: str) -> None:
    usual = rig.upstream.behave
    rig.upstream.behave = lambda connection, _: wire.answer_json(connection, b"{}", "400 Bad Request")
    assert _ask(rig, "own", text).status == 400
    rig.upstream.behave = usual
    assert _kind(_ask(rig, "own", text)) == "miss"


def test_a_tool_call_is_told_as_a_stream_too(rig: "Rig", wire: "SimpleNamespace", text: str) -> None:
    tool = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [tool]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    body = json.dumps({**wire.CHAT, "choices": [choice]}).encode()
    rig.upstream.behave = lambda connection, _: wire.answer_json(connection, body)
    _ask(rig, "own", text)
    events = _events(_ask(rig, "own", text, stream=True))
    calls = [
        delta["tool_calls"] for event in events if (delta := event["choices"][0]["delta"]).get("tool_calls")
    ]
    assert calls == [[{"index": 0, **tool}]]
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_embeddings_are_kept_as_they_are(rig: "Rig", wire: "SimpleNamespace", text: str) -> None:
    item = {"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    body = json.dumps({"object": "list", "data": [item], "model": "upstream-model", "usage": usage}).encode()
    rig.upstream.behave = lambda connection, _: wire.answer_json(connection, body)
    replies = [rig.post("/v1/embeddings", {"model": "vectors", "input": text}, key=ANN) for _ in range(2)]
    assert [_kind(reply) for reply in replies] == ["miss", "hit"]
    assert replies[0].json == replies[1].json
    assert rig.recorded(replies[1]).end.input_tokens == 4


def test_an_anthropic_client_is_answered_from_memory_in_its_own_words(rig: "Rig", text: str) -> None:
    body = {"model": "own", "max_tokens": 50, "messages": [{"role": "user", "content": text}]}
    first, second = (rig.post("/v1/messages", body, key=ANN) for _ in range(2))
    assert (_kind(first), _kind(second)) == ("miss", "hit")
    assert second.json["type"] == "message"
    assert second.json["content"] == first.json["content"] == [{"type": "text", "text": "Hello."}]
    stream = rig.post("/v1/messages", {**body, "stream": True}, key=ANN)
    assert _kind(stream) == "hit"
    assert b"event: message_start" in stream.body
    assert b"event: message_stop" in stream.body
    assert b"Hello." in stream.body
    assert rig.recorded(stream).end.dialect == "anthropic"


def test_tests_and_judges_get_the_model_itself(rig: "Rig", text: str) -> None:
    assert _kind(_ask(rig, "own", text)) == "miss"
    assert _kind(_ask(rig, "own", text, headers={"x_pilothouse_purpose": "evaluation"})) == "miss"
    assert _kind(_ask(rig, "own", text)) == "hit"


def test_signed_thoughts_are_not_copied(rig: "Rig", text: str) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    messages = [{"role": "user", "content": text}]
    body = {"model": "own", "max_tokens": 2000, "messages": messages, "thinking": thinking}
    assert [_kind(rig.post("/v1/messages", body, key=ANN)) for _ in range(2)] == ["miss", "miss"]


def test_a_new_snapshot_keeps_what_it_does_not_change(rig: "Rig", text: str) -> None:
    assert _kind(_ask(rig, "own", text)) == "miss"
    _publish(rig)
    assert _kind(_ask(rig, "own", text)) == "hit"
    other = Deployment(id="own/0", provider="vendor", upstream_model="newer", price=PRICE)
    models = tuple(
        ModelRoute(name="own", kind="chat", deployments=(other,), cache=POLICIES["own"])
        if model.name == "own"
        else model
        for model in _models(rig)
    )
    rig.publish(rig.snapshot(models=models, keys=(rig.key(ANN, "key_ann", team="red"),)))
    rig.until(lambda: rig.status()["snapshot_revision"] == rig.revision)
    assert _kind(_ask(rig, "own", text)) == "miss"
    _publish(rig)


def test_a_person_who_is_forgotten_is_forgotten_here_too(rig: "Rig", text: str) -> None:
    first = _ask(rig, "own", text, user="somebody")
    subject = rig.recorded(first).end.subject
    assert subject is not None
    keys = (rig.key(ANN, "key_ann", team="red"),)
    rig.publish(rig.snapshot(keys=keys, models=_models(rig), forgotten_subjects=(subject,)))
    rig.until(lambda: rig.status()["snapshot_revision"] == rig.revision)
    assert _kind(_ask(rig, "own", text, user="somebody")) == "miss"
    assert _kind(_ask(rig, "own", text)) == "miss", "what was asked meanwhile is not kept either"
    assert _kind(_ask(rig, "own", text)) == "hit"
    _publish(rig)


def test_the_status_counts(rig: "Rig", text: str) -> None:
    def gauges() -> dict[str, Any]:
        (found,) = [cache for cache in rig.status()["caches"] if cache["model"] == "all"]
        return dict(found)

    before = gauges()
    for _ in range(3):
        _ask(rig, "all", text)
    after = gauges()
    assert after["exact_total"] - before.get("exact_total", 0) == 2
    assert after["misses_total"] - before.get("misses_total", 0) == 1
    assert after["entries"] - before.get("entries", 0) == 1
    assert after["bytes"] > before.get("bytes", 0)
