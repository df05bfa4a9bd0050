"""Embedding calls that arrive together go upstream as one, and none is worse off for it."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pilothouse.contracts.snapshot import Deployment, ModelRoute, Price
from pilothouse.contracts.traffic import Batching, Cache

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import SimpleNamespace

    from tests.integration.gateway.conftest import Reply, Rig

ANN, BOB = "ph_ann_0123456789", "ph_bob_0123456789"


@pytest.fixture(scope="module", autouse=True)
def _policies(worker: "Rig") -> None:
    def model(name: str, batching: Batching, cache: Cache) -> ModelRoute:
        price = Price(input_usd=1.0, output_usd=0.0)
        deployment = Deployment(
            id=f"{name}/0", provider="vendor", upstream_model="upstream-model", price=price
        )
        return ModelRoute(
            name=name, kind="embedding", deployments=(deployment,), batching=batching, cache=cache
        )

    models = (
        model("gathered", Batching(window_ms=10_000, max_inputs=4), Cache()),
        model("prompt", Batching(window_ms=5, max_inputs=1_000), Cache()),
        model("kept", Batching(window_ms=10_000, max_inputs=2), Cache(exact=True)),
    )
    keys = (worker.key(ANN, "key_ann"), worker.key(BOB, "key_bob"))
    worker.publish(worker.snapshot(keys=keys, models=models))
    worker.until(lambda: worker.status()["snapshot_revision"] == worker.revision)


class Script:
    """An upstream whose vector of a text is its length; it refuses the text `bad`."""

    def __init__(self, rig: "Rig", wire: "SimpleNamespace") -> None:
        self.wire = wire
        self.inputs: list[Any] = []
        self.lock = threading.Lock()
        self.status = "200 OK"
        rig.upstream.behave = self.behave

    def behave(self, connection: socket.socket, request: bytes) -> None:
        body = json.loads(request.partition(b"\r\n\r\n")[2])
        assert body["model"] == "upstream-model"
        inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
        with self.lock:
            self.inputs.append(inputs)
        if "bad" in inputs:
            self.wire.answer_json(connection, b'{"error":{"message":"bad input"}}', "400 Bad Request")
            return
        if len(inputs) > 1 and self.status != "200 OK":
            self.wire.answer_json(connection, b"{}", self.status)
            return
        data = [
            {"object": "embedding", "index": index, "embedding": [float(len(text))]}
            for index, text in enumerate(inputs)
        ]
        usage = {"prompt_tokens": 10 * len(inputs), "total_tokens": 10 * len(inputs)}
        answer = {"object": "list", "data": data, "model": "upstream-model", "usage": usage}
        self.wire.answer_json(connection, json.dumps(answer).encode())


@pytest.fixture
def script(rig: "Rig", wire: "SimpleNamespace") -> Script:
    return Script(rig, wire)


def _embed(rig: "Rig", value: Any, *, model: str = "gathered", key: str = ANN, **more: Any) -> "Reply":
    return rig.post("/v1/embeddings", {"model": model, "input": value, **more}, key=key)


def _all(rig: "Rig", *calls: dict[str, Any]) -> "list[Reply]":
    with ThreadPoolExecutor(16) as pool:
        waiting: list[Future[Reply]] = [pool.submit(_embed, rig, call.pop("value"), **call) for call in calls]
        return [each.result(15) for each in waiting]


def _vectors(reply: "Reply") -> list[float]:
    assert reply.status == 200, reply.body
    assert [item["index"] for item in reply.json["data"]] == list(range(len(reply.json["data"])))
    return [item["embedding"][0] for item in reply.json["data"]]


def test_calls_of_several_keys_are_one_request_and_come_apart_again(rig: "Rig", script: Script) -> None:
    replies = _all(rig, {"value": "a"}, {"value": ["bb", "ccc"], "key": BOB}, {"value": "dddd"})
    assert [_vectors(reply) for reply in replies] == [[1.0], [2.0, 3.0], [4.0]]
    assert len(script.inputs) == 1
    assert sorted(script.inputs[0]) == ["a", "bb", "ccc", "dddd"]
    assert all(reply.json["model"] == "gathered" for reply in replies)
    ends = [rig.recorded(reply).end for reply in replies]
    assert sum(end.input_tokens or 0 for end in ends) == 40
    assert [end.input_tokens for end in ends] == [reply.json["usage"]["prompt_tokens"] for reply in replies]
    assert [end.key_id for end in ends] == ["key_ann", "key_bob", "key_ann"]
    assert all(end.cache is None and end.deployment == "gathered/0" for end in ends)
    assert [[attempt.status for attempt in end.attempts] for end in ends] == [[200], [200], [200]]
    assert sum(end.cost_usd or 0 for end in ends) == pytest.approx(40e-6)


def test_other_parameters_are_not_put_together(rig: "Rig", script: Script) -> None:
    replies = _all(
        rig,
        {"value": ["a", "bb"]},
        {"value": ["ccc", "dddd"], "dimensions": 3},
        {"value": ["ee", "f"]},
        {"value": ["g", "h"], "dimensions": 3},
    )
    assert [_vectors(reply) for reply in replies] == [[1, 2], [3, 4], [2, 1], [1, 1]]
    assert sorted(map(sorted, script.inputs)) == [["a", "bb", "ee", "f"], ["ccc", "dddd", "g", "h"]]


def test_a_call_that_is_alone_goes_when_its_time_is_over(rig: "Rig", script: Script) -> None:
    assert _vectors(_embed(rig, "abc", model="prompt")) == [3.0]
    assert script.inputs == [["abc"]]


def test_a_large_call_does_not_wait(rig: "Rig", script: Script) -> None:
    assert _vectors(_embed(rig, ["a"] * 9)) == [1.0] * 9


def test_a_bad_input_fails_nobody_else(rig: "Rig", script: Script) -> None:
    replies = _all(rig, {"value": "a"}, {"value": ["bad"]}, {"value": ["bb", "ccc"]})
    assert [reply.status for reply in replies] == [200, 400, 200]
    assert _vectors(replies[0]) == [1.0]
    assert _vectors(replies[2]) == [2.0, 3.0]
    assert len(script.inputs) == 4
    end = rig.recorded(replies[0]).end
    assert [(attempt.status, attempt.error_code) for attempt in end.attempts] == [
        (400, "batch_refused"),
        (200, None),
    ]


def test_a_provider_that_takes_no_batches_gets_them_singly(rig: "Rig", script: Script) -> None:
    script.status = "422 Unprocessable Entity"
    replies = _all(rig, *({"value": text} for text in ("a", "bb", "ccc", "dddd")))
    assert [_vectors(reply) for reply in replies] == [[1.0], [2.0], [3.0], [4.0]]


def test_what_is_no_input_is_left_to_the_provider(rig: "Rig", script: Script) -> None:
    assert _embed(rig, ["bad", 5]).status == 400
    assert script.inputs == [["bad", 5]]


def test_a_client_that_leaves_is_on_record_and_the_others_go_on(rig: "Rig", script: Script) -> None:
    body = json.dumps({"model": "gathered", "input": ["zzzzzzzz"]})
    head = f"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ANN}\r\nx-request-id: left\r\n"
    connection = rig.raw(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
    rig.until(lambda: rig.status().get("in_flight"))
    connection.close()
    assert rig.until(lambda: rig.record().get("left")).end.outcome == "cancelled"
    replies = _all(rig, {"value": "a"}, {"value": ["bb", "ccc"]})
    assert [_vectors(reply) for reply in replies] == [[1.0], [2.0, 3.0]]
    assert ["zzzzzzzz"] not in script.inputs
    assert all("zzzzzzzz" not in inputs for inputs in script.inputs)


def test_what_was_gathered_is_kept_for_each(rig: "Rig", script: Script) -> None:
    first = _all(rig, {"value": "one", "model": "kept"}, {"value": "three", "model": "kept"})
    again = _embed(rig, "three", model="kept")
    assert again.headers["x-pilothouse-cache"] == "hit"
    assert again.json == first[1].json
    assert _vectors(again) == [5.0]
    assert len(script.inputs) == 1
