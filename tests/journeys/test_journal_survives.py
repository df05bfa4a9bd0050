"""The journal's bar: kill -9 of any process at any moment, and no completed answer is missing or doubled.

Run as a script (`python test_journal_survives.py PORT`), this file is the upstream that the second test's
gateway calls.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from pilothouse.store.analytics import Analytics
from pilothouse.store.projector import Projector
from pilothouse.store.settings import StoreSettings
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.segments import verify

if TYPE_CHECKING:
    from tests.journeys.conftest import Up

ROUNDS = 20
SEED = int(os.environ.get("PILOTHOUSE_TEST_SEED", "20261122"))

# First: writers and a projector by themselves, killed at a much higher pace than a whole Pilothouse allows.

WRITER = """
    import sys, time, uuid
    from pilothouse.contracts.events import Content, RequestCompleted, RequestStarted
    from pilothouse.telemetry.journal import Journal
    from pilothouse.telemetry.keyring import Keyring
    from pilothouse.telemetry.settings import JournalSettings

    folder, writer = sys.argv[1:3]
    keyring = Keyring(folder + "/ring", folder + "/master")
    settings = JournalSettings(segment_bytes=262144, reserve_bytes=0)
    journal = Journal.open(folder + "/journal", writer=writer, keyring=keyring, settings=settings)
    open_streams = []
    number = 0

    def complete(call_id, content):
        journal.append(
            RequestCompleted(
                call_id=call_id, request_id=call_id, at_ns=time.time_ns(), operation="chat", status=200,
                outcome="completed", subject=f"s{number % 5}",
            ),
            content,
        )
        print("completed", call_id, flush=True)

    while True:
        number += 1
        call_id = uuid.uuid4().hex
        if number % 3:
            complete(call_id, Content(request=b"x" * (number * 37 % 2000)))
            continue
        journal.append(
            RequestStarted(
                call_id=call_id, request_id=call_id, at_ns=time.time_ns(), operation="chat", model="m",
                subject=f"s{number % 5}",
            ),
            Content(request=b"x" * 100),
        )
        print("started", call_id, flush=True)
        open_streams.append(call_id)
        if len(open_streams) > 4:
            complete(open_streams.pop(0), Content(response=b"y" * 100))
"""

PROJECTOR = """
    import sys, time
    from pilothouse.store.analytics import Analytics
    from pilothouse.store.projector import Projector
    from pilothouse.store.settings import StoreSettings

    folder = sys.argv[1]
    settings = StoreSettings(memory_mb=64, threads=1, batch_events=64, checkpoint_mb=1)
    analytics = Analytics.open(folder + "/a", backups=folder + "/b", settings=settings, now_ms=1)
    projector = Projector(folder + "/journal", analytics, content_retention_days=30)
    print("projecting", flush=True)
    while True:
        projector.tick(time.time_ns() // 1_000_000)
"""


@dataclass
class Child:
    """A process of the first test, started again after each death."""

    program: str
    arguments: list[str]
    said: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", textwrap.dedent(self.program), *self.arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def hear(self, lines: int) -> None:
        """Reads what it says; a process that is not listened to stands still before long."""
        assert self.process is not None
        assert self.process.stdout is not None
        for _ in range(lines):
            line = self.process.stdout.readline()
            assert line, "the process ended by itself"
            self.said.append(line)

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.kill()
        said = self.process.stdout.read()
        self.said += said[: said.rfind("\n") + 1].splitlines(keepends=True)
        self.process.wait()
        self.process.stdout.close()


@dataclass
class Project:
    """The analytics in this process, once everything else is dead."""

    rows: list[tuple[str, str]]
    contents: Counter[tuple[str, int]]


def project(folder: Path) -> Project:
    analytics = Analytics.open(
        f"{folder}/a", backups=f"{folder}/b", settings=StoreSettings(memory_mb=128), now_ms=1
    )
    projector = Projector(f"{folder}/journal", analytics, content_retention_days=30)
    while projector.tick(time.time_ns() // 1_000_000).has_more:
        pass
    assert projector.damages_total == 0
    assert projector.open_calls == 0
    cursor = analytics.cursor()
    rows = cursor.execute("SELECT call_id, outcome FROM calls").fetchall()
    contents: Counter[tuple[str, int]] = Counter()
    for day in analytics.days():
        schema = analytics.attach(day)
        contents.update(cursor.execute(f"SELECT call_id, part FROM {schema}.content").fetchall())
    cursor.close()
    projector.close()
    analytics.close()
    return Project(rows, contents)


def test_writers_and_the_projector_killed_at_any_moment(tmp_path: Path) -> None:
    (tmp_path / "master").write_bytes(b"m" * 32)
    choice = random.Random(SEED)
    writers = [Child(WRITER, [str(tmp_path), f"gateway-{number}"]) for number in range(2)]
    projector = Child(PROJECTOR, [str(tmp_path)])
    children = (*writers, projector)
    for child in children:
        child.start()
    try:
        for round_number in range(ROUNDS):
            for writer in writers:
                writer.hear(choice.randint(1, 400))
            victim = projector if round_number % 2 else choice.choice(writers)
            if victim is projector:
                projector.hear(1)
                for writer in writers:
                    writer.hear(choice.randint(1400, 2200))  # more than a pipe holds, so it works meanwhile
            victim.kill()
            victim.start()
    finally:
        for child in children:
            child.kill()

    said = [line.split() for writer in writers for line in writer.said]
    completed = {call_id for word, call_id in said if word == "completed"}
    started = {call_id for word, call_id in said if word == "started"}
    found = project(tmp_path)
    outcomes = dict(found.rows)
    assert len(found.rows) == len(outcomes), "a call is doubled"
    assert not completed - {call_id for call_id, outcome in outcomes.items() if outcome == "completed"}
    assert {outcomes[call_id] for call_id in started - completed} <= {"cut", "completed"}
    # At most what was written and not yet said: one frame for each death of a writer.
    assert len(outcomes) - len(completed | started) <= len(writers) + ROUNDS
    unsaid = [call_id for call_id in started - completed if outcomes[call_id] == "completed"]
    assert len(unsaid) <= len(writers) + ROUNDS
    assert set(found.contents.values()) == {1}, "content is doubled"
    assert completed <= {call_id for call_id, _ in found.contents}
    report = verify(f"{tmp_path}/journal", Keyring(f"{tmp_path}/ring", f"{tmp_path}/master"))
    assert report.is_sound
    assert sum(segment.authentic for segment in report.segments) == report.frames
    assert len(completed) > 1000
    assert len(started - completed) > 10


# Second: a whole Pilothouse, with clients that count what they were answered.

CHUNKS = 6
PLAIN = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "mock",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"},
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(number: int) -> bytes:
    delta: dict[str, Any] = {"content": f"word {number} "}
    choice = {"index": 0, "delta": delta, "finish_reason": "stop" if number == CHUNKS else None}
    shape = {**PLAIN, "object": "chat.completion.chunk", "choices": [choice], "usage": None}
    return b"data: " + json.dumps(shape).encode() + b"\n\n"


async def serve_upstream(port: int) -> None:
    """An upstream that answers plainly at once, and streams its words 10 ms apart."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                if not body.get("stream"):
                    plain = json.dumps(PLAIN).encode()
                    start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                    writer.write(start % len(plain) + plain)
                    continue
                writer.write(STREAM_HEAD)
                for event in [*map(chunk, range(1, CHUNKS + 1)), b"data: [DONE]\n\n"]:
                    writer.write(b"%x\r\n%b\r\n" % (len(event), event))
                    await writer.drain()
                    await asyncio.sleep(0.01)
                writer.write(b"0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    print("serving", flush=True)  # noqa: T201 - the test waits for it
    await server.serve_forever()


@dataclass
class Ledger:
    """What clients were answered, by request id."""

    completed: set[str] = field(default_factory=set)
    """A whole answer came."""
    begun: set[str] = field(default_factory=set)
    """A stream came, and broke off or said so."""
    refused: set[str] = field(default_factory=set)
    """A whole answer came, and it was an error."""
    unanswered: set[str] = field(default_factory=set)
    """Nothing came, or half a plain answer."""
    news: threading.Condition = field(default_factory=threading.Condition)

    def note(self, which: set[str], request_id: str) -> None:
        with self.news:
            which.add(request_id)
            self.news.notify_all()

    def wait_for(self, more: int, *, of: str = "completed", within_s: float = 60.0) -> None:
        """Waits until so many more answers have come."""
        with self.news:
            answers: set[str] = getattr(self, of)
            wanted = len(answers) + more
            assert self.news.wait_for(lambda: len(answers) >= wanted, within_s), f"no answers are {of}"


class Client(threading.Thread):
    """Calls one after the other, plain and streamed, over one connection while it holds."""

    def __init__(self, number: int, address: str, key: str, ledger: Ledger, model: str) -> None:
        super().__init__(daemon=True)
        self.number, self.key, self.ledger, self.model = number, key, ledger, model
        self.host, self.port = urlsplit(address).hostname or "", urlsplit(address).port or 0
        self.stopping = threading.Event()
        self.fault: BaseException | None = None

    def run(self) -> None:
        connection = HTTPConnection(self.host, self.port, timeout=30)
        number = 0
        while not self.stopping.is_set():
            number += 1
            if not self.call(connection, f"client-{self.number}-{number}", is_stream=number % 2 == 0):
                connection.close()
                connection = HTTPConnection(self.host, self.port, timeout=30)
                self.stopping.wait(0.02)
        connection.close()

    def call(self, connection: HTTPConnection, request_id: str, *, is_stream: bool) -> bool:
        """Makes one call and notes what came of it; returns whether the connection is still good."""
        messages = [{"role": "user", "content": f"Tell me about {request_id}."}]
        asked = {"model": self.model, "stream": is_stream, "max_tokens": 32, "messages": messages}
        headers = {
            "authorization": f"Bearer {self.key}",
            "content-type": "application/json",
            "x-request-id": request_id,
        }
        has_begun = False
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(asked), headers)
            answer = connection.getresponse()
            has_begun = is_stream and answer.status == 200
            body = answer.read()
        except (OSError, HTTPException):
            self.ledger.note(self.ledger.begun if has_begun else self.ledger.unanswered, request_id)
            return False
        if answer.status != 200:
            self.ledger.note(self.ledger.refused, request_id)
            self.stopping.wait(0.02)
        elif is_stream and not body.endswith(b"data: [DONE]\n\n"):
            self.ledger.note(self.ledger.begun, request_id)
        else:
            self.ledger.note(self.ledger.completed, request_id)
        return True


@contextlib.contextmanager
def clients(count: int, up: "Up", ledger: Ledger, model: str) -> Iterator[None]:
    crowd = [Client(number, up.base_url, up.key, ledger, model) for number in range(count)]
    for client in crowd:
        client.start()
    try:
        yield
    finally:
        for client in crowd:
            client.stopping.set()
        for client in crowd:
            client.join(60)
            assert not client.is_alive()


class Upstream:
    """The upstream's process."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.start()

    def start(self) -> None:
        command = [sys.executable, __file__, str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "serving\n"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    running = Upstream()
    yield running
    running.stop()


def pid_of(up: "Up", kind: str, choice: random.Random) -> int | None:
    """Returns the process id of a living child whose name starts with `kind`."""
    found = [part.pid for part in up.status.processes if part.name.startswith(kind) and part.pid]
    return choice.choice(found) if found else None


def records_of(up: "Up") -> list[dict[str, Any]]:
    """Returns all calls on record, read a page at a time."""
    calls: list[dict[str, Any]] = []
    before = ""
    while True:
        page = json.loads(up.get(f"/api/v1/requests?limit=1000{before}").body)
        calls += page["data"]
        if page["next_before"] is None:
            return calls
        before = f"&before={page['next_before']}"


def test_no_call_is_lost_or_doubled_whatever_is_killed(
    start_up: Callable[..., "Up"], upstream: Upstream
) -> None:
    choice = random.Random(SEED)
    ledger = Ledger()
    configuration = (
        f"providers:\n  mock: {{base_url: 'http://127.0.0.1:{upstream.port}/v1'}}\n"
        "models:\n  m: {deployments: [{provider: mock, model: mock}]}\n"
        "journal: {segment_bytes: 1048576, reserve_bytes: 0}\n"
    )
    up = start_up(configuration, PILOTHOUSE_WORKERS="2")
    up.wait_ready()
    port = str(urlsplit(up.base_url).port)
    victims = ["gateway"] * 9 + ["control"] * 6 + ["upstream"] * 3 + ["supervisor"] * 2
    choice.shuffle(victims)
    assert len(victims) == ROUNDS
    with clients(8, up, ledger, "m"):
        for victim in victims:
            ledger.wait_for(choice.randint(5, 60))
            if victim == "supervisor":
                up.process.kill()
                up.process.wait()
                up = start_up(configuration, PILOTHOUSE_WORKERS="2", PILOTHOUSE_PORT=port)
                up.wait_ready()
            elif victim == "upstream":
                upstream.stop()
                upstream.start()
            else:
                up.wait(partial(kill_one, up, victim, choice), f"the end of a {victim}")
        ledger.wait_for(50)
    up.wait_ready()
    check(up, ledger)
    assert up.stop() == 0
    report = verify(up.home.journal, Keyring(up.home.keyring, up.home.master_key))
    assert report.is_sound


def test_a_full_disk_stops_intake_and_loses_nothing(
    start_up: Callable[..., "Up"], upstream: Upstream, tmp_path: Path
) -> None:
    ledger = Ledger()
    configuration = (
        f"providers:\n  mock: {{base_url: 'http://127.0.0.1:{upstream.port}/v1'}}\n"
        "models:\n  m: {deployments: [{provider: mock, model: mock}]}\n"
        "journal: {segment_bytes: 1048576, reserve_bytes: 1048576}\n"
    )
    with small_disk(tmp_path / "home" / "journal", 8 * 1024 * 1024) as disk:
        up = start_up(configuration)
        up.wait_ready()
        with clients(4, up, ledger, "m"):
            ledger.wait_for(50)
            with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
                while True:
                    filler.write(bytes(4096))
            ledger.wait_for(20, of="refused")
            unready = up.get("/readyz")
            (disk / "filler").unlink()
            ledger.wait_for(50)
        check(up, ledger)
        assert unready.status == 503
        assert "disk is nearly full" in json.loads(unready.body)["reasons"][0]
        assert up.stop() == 0
        assert verify(up.home.journal, Keyring(up.home.keyring, up.home.master_key)).is_sound


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.engine
def test_no_call_is_lost_when_the_engine_is_killed(start_up: Callable[..., "Up"]) -> None:
    ledger, model = Ledger(), "smollm2-135m-instruct"
    up = start_up(f"models: {{{model}: {{}}}}\n")
    up.wait_ready()
    killed: set[int] = set()
    with clients(3, up, ledger, model):
        for _ in range(2):
            ledger.wait_for(3)
            up.wait(partial(kill_engine, up, killed), "the end of an engine")
        ledger.wait_for(3)
    check(up, ledger)
    assert len(killed) == 2
    assert up.stop() == 0


def kill_engine(up: "Up", killed: set[int]) -> bool:
    pid = up.status.engines[0].pid
    if pid is None or pid in killed:
        return False
    os.kill(pid, signal.SIGKILL)
    killed.add(pid)
    return True


def kill_one(up: "Up", kind: str, choice: random.Random) -> bool:
    pid = pid_of(up, kind, choice)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def check(up: "Up", ledger: Ledger) -> None:
    calls: list[dict[str, Any]] = []

    def are_there() -> bool:
        calls[:] = records_of(up)
        return ledger.completed <= {call["request_id"] for call in calls}

    up.wait(are_there, "the record of every completed call", within_s=30)
    by_request = Counter(call["request_id"] for call in calls)
    assert {request_id for request_id, count in by_request.items() if count > 1} == set(), "doubled"
    outcomes = {call["request_id"]: call["outcome"] for call in calls}
    assert {outcomes[request_id] for request_id in ledger.completed} == {"completed"}
    # A stream that the client saw begin is there: as cut, unless its end was on record just before.
    assert ledger.begun <= set(outcomes)
    began = Counter(outcomes[request_id] for request_id in ledger.begun)
    assert set(began) <= {"cut", "completed"}
    assert began["cut"] >= began["completed"]
    assert ledger.refused <= set(outcomes)
    assert all(outcomes[request_id] in {"failed", "refused"} for request_id in ledger.refused)
    known = ledger.completed | ledger.begun | ledger.refused | ledger.unanswered
    assert set(outcomes) <= known
    print(  # noqa: T201 - the figures of the bar
        f"{len(ledger.completed)} completed, {len(ledger.begun)} broke off ({dict(began)}), "
        f"{len(ledger.refused)} refused, {len(ledger.unanswered)} unanswered; {len(calls)} on record"
    )


if __name__ == "__main__":
    asyncio.run(serve_upstream(int(sys.argv[1])))
