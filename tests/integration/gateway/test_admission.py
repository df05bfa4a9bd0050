"""A full gateway: who waits, who is let in first, who is shed, and who has hung up."""

import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pilothouse.contracts.traffic import Admission

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from tests.integration.gateway.conftest import Reply, Rig

HIGH, LOW = "ph_high_0123456789", "ph_low_0123456789"


class Gate:
    """An upstream that answers a call only when it is told to."""

    def __init__(self, rig: "Rig") -> None:
        self._usual = rig.upstream.behave
        self._go = threading.Semaphore(0)
        self.begun: list[str] = []
        """What was asked, in the order in which it came upstream."""
        rig.upstream.behave = self._behave

    def _behave(self, connection: "socket.socket", request: bytes) -> None:
        asked = json.loads(request.partition(b"\r\n\r\n")[2])
        self.begun.append(asked["messages"][0]["content"])
        self._go.acquire(timeout=15)
        self._usual(connection, request)

    def open(self, times: int = 1) -> None:
        self._go.release(times)


@pytest.fixture(scope="module")
def worker(start_rig: "Callable[..., Rig]") -> "Rig":
    return start_rig(deadlines={"drain_s": 3.0})


@pytest.fixture
def upstream(rig: "Rig") -> "Iterator[Gate]":
    gate = Gate(rig)
    yield gate
    gate.open(1000)


@pytest.fixture
def ask(rig: "Rig") -> "Iterator[Callable[..., Future[Reply]]]":
    with ThreadPoolExecutor(64) as pool:

        def say(words: str, key: str, model: str = "quiet", **headers: str) -> "Future[Reply]":
            document = {"model": model, "messages": [{"role": "user", "content": words}]}
            return pool.submit(rig.post, "/v1/chat/completions", document, key=key, **headers)

        yield say


def admit(rig: "Rig", admission: Admission, *, at_deployment: int | None = None) -> None:
    """Publishes a policy, and how many calls the deployment of `quiet` takes at once."""
    plain = rig.snapshot()
    models = tuple(
        msgspec.structs.replace(
            model,
            deployments=tuple(
                msgspec.structs.replace(each, max_concurrency=at_deployment) for each in model.deployments
            ),
        )
        if model.name == "quiet"
        else model
        for model in plain.models
    )
    keys = (
        *plain.keys,
        rig.key(HIGH, "key_high", priority="high"),
        rig.key(LOW, "key_low", priority="low"),
    )
    rig.publish(msgspec.structs.replace(plain, models=models, keys=keys, admission=admission))
    rig.until(lambda: rig.status()["snapshot_revision"] == plain.revision)


def queued(rig: "Rig") -> int:
    by_class: dict[str, int] = rig.status().get("queued", {})
    return sum(by_class.values())


def holds(rig: "Rig", count: int) -> bool:
    return queued(rig) == count


def in_order(rig: "Rig", asked: "list[Callable[[], Future[Reply]]]") -> "list[Future[Reply]]":
    """Asks one after the other, each when the one before is in the queue."""
    futures = []
    for number, each in enumerate(asked, 1):
        futures.append(each())
        rig.until(partial(holds, rig, number))
    return futures


@pytest.mark.parametrize("at", ["worker", "deployment"])
def test_high_goes_first_under_overload_and_low_is_not_forgotten(
    at: str, rig: "Rig", upstream: Gate, ask: "Callable[..., Future[Reply]]"
) -> None:
    if at == "worker":
        admit(rig, Admission(in_flight=1))
    else:
        admit(rig, Admission(), at_deployment=1)
    first = ask("first", LOW)
    rig.until(lambda: upstream.begun == ["first"])
    kinds = [("low", LOW)] * 5 + [("normal", "ph_test_0123456789")] * 3 + [("high", HIGH)] * 10
    futures = in_order(rig, [partial(ask, kind, key) for kind, key in kinds])
    upstream.open(len(kinds) + 1)
    replies = [first.result(), *[future.result() for future in futures]]
    assert {reply.status for reply in replies} == {200}
    assert upstream.begun[1:8] == ["high"] * 7
    assert upstream.begun[8] == "low"  # every eighth is the one that has waited longest
    assert upstream.begun[9:] == ["high"] * 3 + ["normal"] * 3 + ["low"] * 4
    record = rig.recorded(replies[-1]).end
    assert record.priority == "high"
    assert record.queue_ms > 0


def test_the_full_queue_sheds_the_lowest_class(
    rig: "Rig", upstream: Gate, ask: "Callable[..., Future[Reply]]"
) -> None:
    admit(rig, Admission(in_flight=1, queue_calls=2))
    before = rig.status().get("shed_total", 0)
    first = ask("first", HIGH)
    rig.until(lambda: upstream.begun == ["first"])
    low, high = in_order(rig, [partial(ask, "low", LOW), partial(ask, "high", HIGH)])
    another = ask("another", HIGH)
    shed = low.result()
    assert shed.status == 429
    assert shed.error["code"] == "overloaded"
    assert int(shed.headers["retry-after"]) >= 1
    assert ask("too low", LOW).result().status == 429
    assert rig.recorded(shed).end.outcome == "refused"
    assert rig.recorded(shed).end.priority == "low"
    upstream.open(3)
    assert [each.result().status for each in (first, high, another)] == [200, 200, 200]
    assert rig.status()["shed_total"] == before + 2


def test_each_class_waits_only_so_long(
    rig: "Rig", upstream: Gate, ask: "Callable[..., Future[Reply]]"
) -> None:
    admit(rig, Admission(in_flight=1, queue_ms={"low": 50}))
    first = ask("first", HIGH)
    rig.until(lambda: upstream.begun == ["first"])
    high = ask("high", HIGH)
    assert ask("low", LOW).result().status == 429
    upstream.open(2)
    assert [first.result().status, high.result().status] == [200, 200]
    assert upstream.begun == ["first", "high"]


def test_a_caller_may_lower_its_class_and_never_raise_it(
    rig: "Rig", upstream: Gate, ask: "Callable[..., Future[Reply]]"
) -> None:
    admit(rig, Admission())
    upstream.open(9)
    for key, wish, given in ((HIGH, "low", "low"), (LOW, "high", "low"), (HIGH, "silly", "high")):
        reply = ask("x", key, x_pilothouse_priority=wish).result()
        assert rig.recorded(reply).end.priority == given


def test_one_that_hangs_up_leaves_the_queue(
    rig: "Rig", upstream: Gate, ask: "Callable[..., Future[Reply]]"
) -> None:
    admit(rig, Admission(in_flight=1))
    first = ask("first", HIGH)
    rig.until(lambda: upstream.begun == ["first"])
    body = json.dumps({"model": "quiet", "messages": [{"role": "user", "content": "gone"}]}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-request-id: gone\r\n"
    head += f"authorization: Bearer {HIGH}\r\n"
    connection = rig.raw(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    rig.until(lambda: queued(rig) == 1)
    connection.close()
    rig.until(lambda: queued(rig) == 0)
    upstream.open(2)
    assert first.result().status == 200
    assert ask("next", HIGH).result().status == 200
    assert "gone" not in upstream.begun
    ended = rig.record()["gone"].end
    assert (ended.outcome, ended.status, ended.attempts) == ("cancelled", 499, ())


def test_a_full_model_holds_up_no_other(
    rig: "Rig", upstream: Gate, ask: "Callable[..., Future[Reply]]"
) -> None:
    admit(rig, Admission(), at_deployment=1)
    first = ask("first", HIGH)
    rig.until(lambda: upstream.begun == ["first"])
    waits = ask("waits", HIGH)
    rig.until(lambda: queued(rig) == 1)
    other: Any = ask("other", LOW, "assistant")
    rig.until(lambda: upstream.begun == ["first", "other"])
    upstream.open(3)
    assert [each.result().status for each in (first, waits, other)] == [200, 200, 200]
