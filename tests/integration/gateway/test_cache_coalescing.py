"""Equal calls that are under way at once are one upstream call, and each client gets the whole answer."""

import json
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pilothouse.contracts.snapshot import Deployment, ModelRoute, Price
from pilothouse.contracts.traffic import Cache

if TYPE_CHECKING:
    from types import SimpleNamespace

    from tests.integration.gateway.conftest import Reply, Rig

PRICE = Price(input_usd=1.0, output_usd=2.0)
ANN, BOB = "ph_ann_0123456789", "ph_bob_0123456789"
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


@pytest.fixture(scope="module", autouse=True)
def _policies(worker: "Rig") -> None:
    deployment = Deployment(id="joint/0", provider="vendor", upstream_model="upstream-model", price=PRICE)
    model = ModelRoute(
        name="joint", kind="chat", deployments=(deployment,), cache=Cache(coalesce=True, scope="team")
    )
    keys = (worker.key(ANN, "key_ann", team="red"), worker.key(BOB, "key_bob", team="red"))
    worker.publish(worker.snapshot(keys=keys, models=(model,)))
    worker.until(lambda: worker.status()["snapshot_revision"] == worker.revision)


class Script:
    """An upstream that answers in two halves, each when it is told to."""

    def __init__(self, rig: "Rig", wire: "SimpleNamespace") -> None:
        self.wire = wire
        self.begin, self.end = threading.Event(), threading.Event()
        self.last: bytes | None = None
        rig.upstream.behave = self.behave

    def behave(self, connection: socket.socket, request: bytes) -> None:
        assert self.begin.wait(10)
        is_stream = b'"stream": true' in request or b'"stream":true' in request
        if is_stream:
            first = self.wire.chunk({"role": "assistant", "content": ""}) + self.wire.chunk(
                {"content": "One "}
            )
            connection.sendall(self.wire.STREAM_HEAD + self.wire.framed(first))
        assert self.end.wait(10)
        if self.last is not None:
            connection.sendall(self.last)
            connection.shutdown(socket.SHUT_RDWR)
        elif is_stream:
            usage = {"id": "c", "model": "upstream-model", "choices": [], "usage": USAGE}
            rest = self.wire.chunk({"content": "two."}) + self.wire.chunk({}, "stop")
            rest += b"data: " + json.dumps(usage).encode() + b"\n\ndata: [DONE]\n\n"
            connection.sendall(self.wire.framed(rest) + b"0\r\n\r\n")
        else:
            self.wire.answer_json(connection, json.dumps(self.wire.CHAT).encode())


@pytest.fixture
def script(rig: "Rig", wire: "SimpleNamespace") -> Script:
    return Script(rig, wire)


def _ask(rig: "Rig", key: str = ANN, **more: Any) -> "Reply":
    body = {"model": "joint", "messages": [{"role": "user", "content": "Say it."}], **more}
    return rig.post("/v1/chat/completions", body, key=key)


def _joined(rig: "Rig") -> int:
    (found,) = rig.status()["caches"]
    return int(found.get("coalesced_total", 0))


def _has_joined(rig: "Rig", number: int) -> bool:
    return _joined(rig) == number


def _start(
    pool: ThreadPoolExecutor, rig: "Rig", followers: "list[dict[str, Any]]", **leader: Any
) -> "list[Future[Reply]]":
    """Begins a call, and when it is upstream those that join it."""
    before, upstream = _joined(rig), len(rig.upstream.requests)
    calls = [pool.submit(_ask, rig, **leader)]
    rig.until(lambda: len(rig.upstream.requests) > upstream)
    for number, more in enumerate(followers, before + 1):
        calls.append(pool.submit(_ask, rig, **more))
        rig.until(partial(_has_joined, rig, number))
    return calls


def _text_of(reply: "Reply") -> str:
    assert reply.status == 200, reply.body
    if not reply.headers["content-type"].startswith("text/event-stream"):
        return str(reply.json["choices"][0]["message"]["content"])
    payloads = [event[6:] for event in reply.body.split(b"\n\n") if event.startswith(b"data: ")]
    assert payloads[-1] == b"[DONE]"
    events = [json.loads(payload) for payload in payloads[:-1]]
    assert {event["model"] for event in events} == {"joint"}
    return "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])


def _kinds(replies: "list[Reply]") -> list[str]:
    return [reply.headers["x-pilothouse-cache"] for reply in replies]


@pytest.mark.parametrize("leader", [False, True])
def test_plain_and_streamed_calls_share_one_upstream_call(
    rig: "Rig", script: Script, *, leader: bool
) -> None:
    with ThreadPoolExecutor() as pool:
        followers: list[dict[str, Any]] = [
            {"stream": True},
            {"key": BOB},
            {"stream": True, "stream_options": {"include_usage": True}},
        ]
        calls = _start(pool, rig, followers, stream=leader)
        script.begin.set()
        script.end.set()
        replies = [call.result(15) for call in calls]
    assert len(rig.upstream.requests) == 1
    assert _kinds(replies) == ["miss", "coalesced", "coalesced", "coalesced"]
    assert len({_text_of(reply) for reply in replies}) == 1
    assert b'"usage":{"prompt_tokens"' in replies[3].body.replace(b" ", b"")
    assert b'"usage":{"prompt_tokens"' not in replies[1].body.replace(b" ", b"")
    ends = [rig.recorded(reply).end for reply in replies]
    assert [end.cache for end in ends] == [None, "coalesced", "coalesced", "coalesced"]
    assert [end.key_id for end in ends] == ["key_ann", "key_ann", "key_bob", "key_ann"]
    assert ends[0].cost_usd is not None
    assert ends[0].cost_usd > 0
    assert {end.cost_usd for end in ends[1:]} == {0.0}
    assert all(end.saved_usd == pytest.approx(ends[0].cost_usd) for end in ends[1:])
    assert len({end.output_tokens for end in ends}) == 1
    assert all(end.finish_reasons == ("stop",) for end in ends)
    assert all(rig.recorded(reply).response for reply in replies)


def test_anthropic_clients_share_one_upstream_call_in_their_own_words(rig: "Rig", script: Script) -> None:
    body = {"model": "joint", "max_tokens": 9, "messages": [{"role": "user", "content": "Say it."}]}
    with ThreadPoolExecutor() as pool:
        before = _joined(rig)
        first = pool.submit(rig.post, "/v1/messages", {**body, "stream": True}, key=ANN)
        rig.until(lambda: rig.upstream.requests)
        second = pool.submit(rig.post, "/v1/messages", {**body, "stream": True}, key=BOB)
        rig.until(lambda: _joined(rig) == before + 1)
        third = pool.submit(rig.post, "/v1/messages", body, key=BOB)
        rig.until(lambda: _joined(rig) == before + 2)
        script.begin.set()
        script.end.set()
        replies = [call.result(15) for call in (first, second, third)]
    assert _kinds(replies) == ["miss", "coalesced", "coalesced"]
    assert len(rig.upstream.requests) == 1
    for reply in replies[:2]:
        assert reply.body.count(b"event: message_start") == reply.body.count(b"event: message_stop") == 1
        assert b"One " in reply.body
        assert b"two." in reply.body
    assert replies[2].json["content"] == [{"type": "text", "text": "One two."}]
    assert all(rig.recorded(reply).end.output_tokens == 3 for reply in replies)


def test_who_joins_late_gets_what_came_and_then_what_comes(rig: "Rig", script: Script) -> None:
    body = json.dumps(
        {"model": "joint", "messages": [{"role": "user", "content": "Say it."}], "stream": True}
    )
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ANN}\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()
    script.begin.set()
    leader = rig.raw(request)
    _read_until(leader, b"One ")
    late = rig.raw(request)
    _read_until(late, b"One ")
    script.end.set()
    for connection in (leader, late):
        assert b"two." in _read_until(connection, b"[DONE]")
    assert len(rig.upstream.requests) == 1


def _read_until(connection: socket.socket, mark: bytes) -> bytes:
    data = b""
    while mark not in data:
        more = connection.recv(65536)
        assert more, data
        data += more
    return data


@pytest.mark.parametrize("is_stream", [False, True])
def test_the_first_clients_leaving_costs_the_others_nothing(
    rig: "Rig", script: Script, *, is_stream: bool
) -> None:
    body = json.dumps(
        {"model": "joint", "messages": [{"role": "user", "content": "Say it."}], "stream": is_stream}
    )
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ANN}\r\n"
    leader = rig.raw(
        f"{head}x-request-id: left-{is_stream}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
    )
    rig.until(lambda: rig.upstream.requests)
    with ThreadPoolExecutor() as pool:
        before = _joined(rig)
        follower = pool.submit(_ask, rig, stream=is_stream)
        rig.until(lambda: _joined(rig) == before + 1)
        leader.close()
        rig.until(lambda: rig.status()["in_flight"] == 2)
        script.begin.set()
        script.end.set()
        reply = follower.result(15)
    assert _text_of(reply) == ("One two." if is_stream else "Hello.")
    end = rig.until(lambda: rig.record().get(f"left-{is_stream}")).end
    assert (end.outcome, end.cache) == ("cancelled", None)
    assert end.cost_usd > 0, "whoever asked first pays for what was made"
    assert len(rig.upstream.requests) == 1


def test_when_everybody_has_left_the_upstream_call_is_given_up(rig: "Rig", wire: "SimpleNamespace") -> None:
    rig.upstream.behave = lambda connection, _: rig.upstream.hold(connection)
    body = json.dumps({"model": "joint", "messages": [{"role": "user", "content": "Say it."}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ANN}\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()
    before = _joined(rig)
    leader = rig.raw(request)
    rig.until(lambda: rig.upstream.requests)
    follower = rig.raw(request)
    rig.until(lambda: _joined(rig) == before + 1)
    leader.close()
    follower.close()
    assert rig.upstream.gone.wait(10)
    rig.until(lambda: rig.status().get("in_flight", 0) == 0)


def test_a_failure_is_everybodys(rig: "Rig", script: Script, wire: "SimpleNamespace") -> None:
    refusal = b'{"error":{"message":"no such thing","code":"odd"}}'
    script.last = b"HTTP/1.1 400 Bad Request\r\ncontent-length: %d\r\n\r\n%b" % (len(refusal), refusal)
    with ThreadPoolExecutor() as pool:
        calls = _start(pool, rig, [{"key": BOB}])
        script.begin.set()
        script.end.set()
        replies = [call.result(15) for call in calls]
    assert [reply.status for reply in replies] == [400, 400]
    assert [reply.error["code"] for reply in replies] == ["odd", "odd"]
    assert [rig.recorded(reply).end.outcome for reply in replies] == ["failed", "failed"]


def test_a_cut_is_told_to_everybody(rig: "Rig", script: Script) -> None:
    script.last = b"5\r\ndata:"
    with ThreadPoolExecutor() as pool:
        script.begin.set()
        calls = _start(pool, rig, [{"stream": True}, {}], stream=True)
        script.end.set()
        replies = [call.result(15) for call in calls]
    for reply in replies[:2]:
        assert b"One " in reply.body
        assert b"[DONE]" not in reply.body
        assert b'"error"' in reply.body
        assert rig.recorded(reply).end.outcome == "cut"
    assert replies[2].status == 502
    assert rig.recorded(replies[2]).end.outcome == "failed"


def test_calls_that_ask_for_a_fresh_answer_join_nobody(rig: "Rig", script: Script) -> None:
    body = {"model": "joint", "messages": [{"role": "user", "content": "Say it."}]}
    with ThreadPoolExecutor() as pool:
        calls = _start(pool, rig, [])
        calls.append(pool.submit(rig.post, "/v1/chat/completions", body, key=ANN, cache_control="no-cache"))
        rig.until(lambda: len(rig.upstream.requests) == 2)
        script.begin.set()
        script.end.set()
        assert _kinds([call.result(15) for call in calls]) == ["miss", "miss"]
