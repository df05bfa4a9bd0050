"""A question that means the same gets the same answer, if everything but its words is equal."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pilothouse.contracts.snapshot import Deployment, ModelRoute, Price
from pilothouse.contracts.traffic import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import SimpleNamespace

    from tests.integration.gateway.conftest import Reply, Rig

PRICE = Price(input_usd=1.0, output_usd=2.0)
ANN, BOB = "ph_ann_0123456789", "ph_bob_0123456789"
ASKED = "How do I reset my password?"
REWORDED = "How can I reset the password, please?"
UNLIKE = "How do I bake bread?"


@pytest.fixture(scope="module", autouse=True)
def _policies(worker: "Rig") -> None:
    def model(name: str, kind: Any, cache: Cache | None = None) -> ModelRoute:
        deployment = Deployment(
            id=f"{name}/0", provider="vendor", upstream_model="upstream-model", price=PRICE
        )
        return ModelRoute(name=name, kind=kind, deployments=(deployment,), cache=cache or Cache())

    means = Cache(semantic=True, coalesce=True, threshold=0.9, embedder="meanings")
    lost = Cache(semantic=True, threshold=0.9, embedder="nowhere")
    models = (model("means", "chat", means), model("lost", "chat", lost), model("meanings", "embedding"))
    keys = (worker.key(ANN, "key_ann"), worker.key(BOB, "key_bob"))
    worker.publish(worker.snapshot(keys=keys, models=models))
    worker.until(lambda: worker.status()["snapshot_revision"] == worker.revision)


class Script:
    """An upstream that answers chats, and embeds a text by whether it speaks of passwords."""

    def __init__(self, rig: "Rig", wire: "SimpleNamespace") -> None:
        self.wire = wire
        self.rig = rig
        self.chats: list[dict[str, Any]] = []
        self.embedded: list[str] = []
        self.embeds = threading.Event()
        self.embeds.set()
        self.fault = b""
        self.number = 0
        rig.upstream.behave = self.behave

    def behave(self, connection: socket.socket, request: bytes) -> None:
        body = json.loads(request.partition(b"\r\n\r\n")[2])
        if b"/embeddings" in request.partition(b"\r\n")[0]:
            self.embedded.append(body["input"][0])
            if not self.embeds.wait(10) or self.fault:
                connection.sendall(self.fault)
                return
            vector = [3.0, 0.1] if "password" in body["input"][0] else [0.2, 2.0]
            data = [{"object": "embedding", "index": 0, "embedding": vector}]
            self.wire.answer_json(connection, json.dumps({"data": data, "model": "m"}).encode())
            return
        self.chats.append(body)
        self.number += 1
        answer = json.loads(json.dumps(self.wire.CHAT))
        answer["choices"][0]["message"]["content"] = f"Answer {self.number}."
        self.wire.answer_json(connection, json.dumps(answer).encode())


@pytest.fixture
def script(rig: "Rig", wire: "SimpleNamespace") -> "Iterator[Script]":
    yield (made := Script(rig, wire))
    made.embeds.set()


_NUMBERS = iter(range(1_000_000))


@pytest.fixture
def system() -> str:
    """Instructions of this test alone, so that no other's answers are found."""
    return f"You are helper {next(_NUMBERS)}."


def _ask(rig: "Rig", system: str, text: str, *, key: str = ANN, model: str = "means", **more: Any) -> "Reply":
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    return rig.post("/v1/chat/completions", {"model": model, "messages": messages, **more}, key=key)


def _kind(reply: "Reply") -> str:
    assert reply.status == 200, reply.body
    return reply.headers["x-pilothouse-cache"]


def test_other_words_for_the_same_get_the_same_answer(rig: "Rig", script: Script, system: str) -> None:
    first, second = _ask(rig, system, ASKED), _ask(rig, system, REWORDED)
    assert (_kind(first), _kind(second)) == ("miss", "semantic")
    assert second.json == first.json
    assert len(script.chats) == 1
    assert script.embedded == [ASKED, REWORDED]
    end = rig.recorded(second).end
    assert (end.cache, end.cost_usd, end.attempts) == ("semantic", 0.0, ())
    assert end.saved_usd == rig.recorded(first).end.cost_usd
    assert _kind(_ask(rig, system, ASKED)) == "hit"
    assert len(script.embedded) == 2, "an equal request needs no meaning"


def test_a_stream_is_told_it_too(rig: "Rig", script: Script, system: str) -> None:
    _ask(rig, system, ASKED)
    stream = _ask(rig, system, REWORDED, stream=True)
    assert _kind(stream) == "semantic"
    assert b"Answer 1." in stream.body
    assert stream.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "text", [UNLIKE, "How do I reset my 2 passwords?", "How do I not reset my password?"]
)
def test_another_question_gets_its_own_answer(rig: "Rig", script: Script, system: str, text: str) -> None:
    assert _kind(_ask(rig, system, ASKED)) == "miss"
    assert _kind(_ask(rig, system, text)) == "miss"


def test_one_word_in_the_place_of_another_is_another_question(
    rig: "Rig", script: Script, system: str
) -> None:
    assert _kind(_ask(rig, system, ASKED)) == "miss"
    assert _kind(_ask(rig, system, "How do I forget my password?")) == "miss"


@pytest.mark.parametrize("more", [{"key": BOB}, {"temperature": 0.5}, {"max_tokens": 7}])
def test_everything_else_must_be_equal(rig: "Rig", script: Script, system: str, more: dict[str, Any]) -> None:
    assert _kind(_ask(rig, system, ASKED)) == "miss"
    assert _kind(_ask(rig, system, REWORDED, **more)) == "miss"
    assert _kind(_ask(rig, f"{system} Be brief.", REWORDED)) == "miss"


@pytest.mark.parametrize(
    "fault",
    [b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"],
)
def test_an_embedder_that_fails_is_a_miss(rig: "Rig", script: Script, system: str, fault: bytes) -> None:
    script.fault = fault
    assert [_kind(_ask(rig, system, text)) for text in (ASKED, REWORDED)] == ["miss", "miss"]
    assert len(script.chats) == 2
    script.fault = b""
    assert _kind(_ask(rig, f"{system} Now it works.", ASKED)) == "miss"


def test_an_embedder_that_is_slow_is_a_miss(rig: "Rig", script: Script, system: str) -> None:
    script.embeds.clear()
    assert _kind(_ask(rig, system, ASKED)) == "miss"
    (gauges,) = [cache for cache in rig.status()["caches"] if cache["model"] == "means"]
    assert gauges["embedder_misses_total"] >= 1


def test_an_embedder_that_is_not_there_is_a_miss(rig: "Rig", script: Script, system: str) -> None:
    assert [_kind(_ask(rig, system, text, model="lost")) for text in (ASKED, REWORDED)] == ["miss", "miss"]


def test_equal_calls_wait_for_one_meaning(rig: "Rig", script: Script, system: str) -> None:
    assert _kind(_ask(rig, system, ASKED)) == "miss"
    script.embeds.clear()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(_ask, rig, system, REWORDED)
        rig.until(lambda: len(script.embedded) == 2)
        second = pool.submit(_ask, rig, system, REWORDED, stream=True)
        script.embeds.set()
        replies = first.result(15), second.result(15)
    assert _kind(replies[0]) == "semantic"
    assert _kind(replies[1]) in {"coalesced", "semantic"}
    assert b"Answer 1." in replies[1].body
    assert len(script.chats) == 1


def test_a_client_that_leaves_while_it_waits_is_on_record(rig: "Rig", script: Script, system: str) -> None:
    script.embeds.clear()
    body = json.dumps({"model": "means", "messages": [{"role": "user", "content": f"{system} {ASKED}"}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ANN}\r\n"
    head += "x-request-id: impatient\r\n"
    connection = rig.raw(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
    rig.until(lambda: script.embedded)
    connection.close()
    end = rig.until(lambda: rig.record().get("impatient")).end
    assert (end.status, end.outcome) in {(499, "cancelled"), (200, "completed")}


def test_an_embedder_that_keeps_failing_is_left_alone_for_a_while(
    rig: "Rig", script: Script, system: str
) -> None:
    script.fault = b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"
    for number in range(12):
        assert _kind(_ask(rig, f"{system} {number}", ASKED)) == "miss"
    assert 0 < len(script.embedded) < 12, "not every call waited for it"
    failed = len(script.embedded)
    script.fault = b""
    asked = iter(range(1_000_000))

    def is_asked_again() -> bool:
        _ask(rig, f"{system} again {next(asked)}", ASKED)
        return len(script.embedded) > failed

    rig.until(is_asked_again)
