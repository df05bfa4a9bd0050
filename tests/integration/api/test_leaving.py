"""A client that leaves takes its questions to the record with it; what others wait for goes on."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pilothouse.api.leaving import Leaving
from pilothouse.contracts.errors import UnavailableError
from pilothouse.store.analytics import Analytics
from pilothouse.store.asking import for_everybody
from pilothouse.store.dialects.reader import Question
from pilothouse.store.settings import StoreSettings

ENDLESS = Question(
    "endless", "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range % 7 = 3", {}
)
SHORT = Question("short", "SELECT 42", {})
WITHIN_S = 60


class Asked:
    """An application whose routes ask the record, and what became of the questions."""

    def __init__(self, analytics: Analytics) -> None:
        self.analytics = analytics
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.went_on = threading.Event()
        self.error: Exception | None = None
        self.app = Starlette(
            routes=[
                Route("/endless", self.endless, methods=["GET", "POST"]),
                Route("/short", self.short),
                Route("/shared", self.shared),
            ]
        )
        self.app.add_middleware(Leaving)

    async def endless(self, request: Request) -> PlainTextResponse:
        await request.body()
        await run_in_threadpool(self.ask_endlessly)
        return PlainTextResponse("never")

    def ask_endlessly(self) -> None:
        try:
            with self.analytics.reader() as reader:
                self.begun.set()
                reader.rows(ENDLESS)
        except UnavailableError as error:
            self.error = error
        finally:
            self.ended.set()

    async def short(self, _request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(await run_in_threadpool(self.ask_shortly)))

    def ask_shortly(self) -> object:
        with self.analytics.reader() as reader:
            return reader.rows(SHORT)[0][0]

    async def shared(self, _request: Request) -> PlainTextResponse:
        with for_everybody():
            await run_in_threadpool(self.ask_for_all)
        return PlainTextResponse("all")

    def ask_for_all(self) -> None:
        with self.analytics.reader() as reader:
            self.begun.set()
            assert self.ended.wait(WITHIN_S)
            reader.rows(SHORT)
        self.went_on.set()


@contextmanager
def served(asked: Asked) -> Iterator[int]:
    config = uvicorn.Config(asked.app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join(WITHIN_S)


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    settings = StoreSettings(memory_mb=128, threads=1, query_timeout_s=WITHIN_S * 10)
    analytics = Analytics.open(str(tmp_path / "a"), backups=str(tmp_path / "b"), settings=settings, now_ms=1)
    yield Asked(analytics)
    analytics.close()


def connected(port: int, request: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.settimeout(WITHIN_S)
    client.sendall(request)
    return client


GET = b"GET /%s HTTP/1.1\r\nhost: h\r\n\r\n"
POST = b"POST /endless HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}"


@pytest.mark.parametrize("request_bytes", [GET % b"endless", POST])
def test_a_question_ends_when_its_client_leaves(asked: Asked, request_bytes: bytes) -> None:
    with served(asked) as port:
        client = connected(port, request_bytes)
        assert asked.begun.wait(WITHIN_S)
        client.close()
        assert asked.ended.wait(WITHIN_S)
    assert asked.error is not None


def test_an_answer_comes_as_ever(asked: Asked) -> None:
    with served(asked) as port:
        client = connected(port, GET % b"short")
        answer = client.recv(4096)
        client.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"42")


def test_what_others_wait_for_goes_on(asked: Asked) -> None:
    with served(asked) as port:
        client = connected(port, GET % b"shared")
        assert asked.begun.wait(WITHIN_S)
        client.close()
        asked.ended.set()
        assert asked.went_on.wait(WITHIN_S)
