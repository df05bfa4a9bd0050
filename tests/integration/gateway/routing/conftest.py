"""One worker before three scripted upstreams; each test steers a model of its own over them."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pilothouse.contracts.snapshot import Deployment, ModelRoute, Price, Provider
from pilothouse.contracts.traffic import Routing

if TYPE_CHECKING:
    from types import SimpleNamespace

    from tests.integration.gateway.conftest import Reply, Rig, Upstream

    from pilothouse.contracts.events import Attempt

NAMES = ("a", "b", "c")
Behave = Callable[[socket.socket, bytes], None]


class Fleet:
    """The worker, its upstreams, and the model of the test at hand."""

    def __init__(self, rig: "Rig", upstreams: "dict[str, Upstream]") -> None:
        self.rig = rig
        self.upstreams = upstreams
        self.wire: SimpleNamespace
        self.model = ""
        self._count = 0

    def __getitem__(self, name: str) -> "Upstream":
        return self.upstreams[name]

    # -- what upstreams do

    def says(self, text: str, **more: Any) -> Behave:
        """Returns an upstream's behaviour: it answers `text`, plain or streamed as it was asked."""

        def behave(connection: socket.socket, request: bytes) -> None:
            if b'"stream":true' in request.replace(b" ", b""):
                chunk = self.wire.chunk
                pieces = [chunk({"role": "assistant", "content": ""}), chunk({"content": text})]
                usage = {"prompt_tokens": 9, "completion_tokens": 1}
                pieces += [chunk({}, "stop", usage=usage), b"data: [DONE]\n\n"]
                self.stream(connection, *pieces)
                connection.sendall(b"0\r\n\r\n")
                return
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            body = json.dumps({**self.wire.CHAT, "choices": [choice], **more}).encode()
            self.wire.answer_json(connection, body)

        return behave

    def stream(self, connection: socket.socket, *pieces: bytes) -> None:
        """Begins a stream."""
        connection.sendall(self.wire.STREAM_HEAD + b"".join(self.wire.framed(piece) for piece in pieces))

    def refuses(self, status: str, body: bytes = b'{"error":{"message":"no"}}', extra: str = "") -> Behave:
        """Returns an upstream's behaviour: it answers an error."""
        return lambda connection, _: self.wire.answer_json(connection, body, status, extra)

    def in_turn(self, answers: Iterator[Behave]) -> Behave:
        """Returns an upstream's behaviour: another one for each request."""

        def behave(connection: socket.socket, request: bytes) -> None:
            next(answers)(connection, request)

        return behave

    def hangs(self, name: str) -> Behave:
        """Returns an upstream's behaviour: it reads the request, and that is all."""
        return lambda connection, _: self[name].hold(connection)

    # -- the model

    def steer(self, routing: Routing, *names: str, more: tuple[ModelRoute, ...] = (), **fields: Any) -> None:
        """Publishes a model over the upstreams `names`; `fields` gives a deployment's fields by name."""
        self._count += 1
        self.model = f"model-{self._count}"
        self.publish(routing, *names, more=more, **fields)

    def publish(
        self, routing: Routing, *names: str, more: tuple[ModelRoute, ...] = (), **fields: Any
    ) -> None:
        """Publishes the model at hand anew."""
        deployments = tuple(
            Deployment(
                **{
                    "id": f"{self.model}/{name}",
                    "provider": name,
                    "upstream_model": "upstream-model",
                    **fields.get(name, {}),
                }
            )
            for name in names
        )
        route = ModelRoute(name=self.model, kind="chat", deployments=deployments, routing=routing)
        providers = [Provider(name=name, base_url=each.url) for name, each in self.upstreams.items()]
        dead = self.rig.snapshot().providers[-1]
        self.rig.publish(
            self.rig.snapshot(models=(route, *more), providers=(*providers, dead), wildcard_providers=())
        )
        revision = self.rig.revision
        self.rig.until(lambda: self.rig.status()["snapshot_revision"] == revision)

    def other(self, name: str, *upstreams: str, routing: Routing | None = None) -> ModelRoute:
        """Returns another model, to be fallen back to or mirrored to."""
        deployments = tuple(
            Deployment(
                id=f"{name}-{self._count}/{each}",
                provider=each,
                upstream_model="upstream-model",
                price=Price(input_usd=1.0, output_usd=2.0),
            )
            for each in upstreams
        )
        return ModelRoute(name=name, kind="chat", deployments=deployments, routing=routing or Routing())

    def ask(self, **more: Any) -> "Reply":
        return self.rig.chat(model=self.model, **more)

    def text(self, reply: "Reply") -> str:
        """Returns what an answer says, streamed or not."""
        assert reply.status == 200, reply.body
        if not reply.headers["content-type"].startswith("text/event-stream"):
            content: str = reply.json["choices"][0]["message"]["content"]
            return content
        assert reply.body.endswith(b"data: [DONE]\n\n")
        events = [json.loads(event[6:]) for event in reply.body.split(b"\n\n") if event[6:7] == b"{"]
        return "".join(
            choice["delta"].get("content") or "" for event in events for choice in event["choices"]
        )

    def attempts(self, reply: "Reply") -> "list[tuple[str, str, str | None]]":
        """Returns the attempts on record: which upstream, why, and with which error."""
        attempts: tuple[Attempt, ...] = self.rig.recorded(reply).end.attempts
        return [(each.deployment.rpartition("/")[2], each.reason, each.error_code) for each in attempts]

    def vitals(self, name: str) -> dict[str, Any]:
        """Returns the gauges of one deployment of the model at hand."""
        found = [
            each for each in self.rig.status()["deployments"] if each["deployment"] == f"{self.model}/{name}"
        ]
        return {"breaker": "closed", "in_flight": 0, **found[0]}

    def many(self, count: int, **more: Any) -> "list[Reply]":
        """Asks many times at once."""
        replies: list[Reply] = []
        threads = [
            threading.Thread(target=lambda: replies.append(self.ask(**more)), daemon=True)
            for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return replies


@pytest.fixture(scope="module")
def steered(patient: "Rig") -> Iterator[Fleet]:
    """One worker and its upstreams for all tests of a module."""
    upstreams = {name: type(patient.upstream)() for name in NAMES}
    yield Fleet(patient, upstreams)
    for each in upstreams.values():
        each.close()


@pytest.fixture
def fleet(steered: Fleet, wire: "SimpleNamespace") -> Fleet:
    """The same, with upstreams that answer their own name until a test says otherwise."""
    steered.wire = wire
    for name, each in steered.upstreams.items():
        each.behave = steered.says(name)
        each.requests.clear()
        each.gone.clear()
    return steered
