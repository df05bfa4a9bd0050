"""Two hosts that count together through Valkey or Redis, and what they do when it is gone."""

import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from pilothouse.contracts.traffic import Counters, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.gateway.conftest import Reply, Rig

RED = "ph_red_0123456789"
WINDOW_S = 6.0
READ_TO_COUNTED_S = 0.1


class Store:
    """A server of the Redis protocol, which can be stopped and started again."""

    def __init__(self, command: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._command = command
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen([self._command, *options], stdout=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except ConnectionRefusedError:
                assert self._process.poll() is None
                time.sleep(0.01)
            else:
                return

    def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def command() -> str:
    import shutil

    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        pytest.skip("redis-server is missing; `make test` installs it as root on Debian")
    return found


@pytest.fixture
def store(command: str, tmp_path: Path) -> "Iterator[Store]":
    server = Store(command, tmp_path)
    yield server
    server.stop()


@pytest.fixture
def hosts(store: Store, start_rig: "Callable[..., Rig]") -> "list[Rig]":
    handed = {"window_s": WINDOW_S, "secrets": {"vendor-key": "sk-1", "counters": store.url}}
    return [start_rig(handed) for _ in range(2)]


def limit(hosts: "list[Rig]", limits: Limits, **counters: str) -> None:
    """Publishes the same limited key, and the shared store, to all."""
    for rig in hosts:
        plain = rig.snapshot()
        keys = (*plain.keys, rig.key(RED, "key_red", limits=limits))
        shared = Counters(**{"store": "redis", **counters})  # type: ignore[arg-type] # words of the test's own
        rig.publish(msgspec.structs.replace(plain, keys=keys, counters=shared))
    for rig in hosts:
        rig.until(partial(counts_in, "redis", rig))


def counts_in(state: str, rig: "Rig") -> bool:
    return bool(rig.status().get("counters") == state)


def ask_all(hosts: "list[Rig]", clients: int, seconds: float) -> "list[tuple[Rig, Reply]]":
    end_s = time.monotonic() + seconds

    def client(number: int) -> "list[tuple[Rig, Reply]]":
        rig, replies = hosts[number % len(hosts)], []
        while time.monotonic() < end_s:
            replies.append((rig, rig.chat(key=RED)))
            if replies[-1][1].status == 429:
                time.sleep(0.05)
        return replies

    with ThreadPoolExecutor(clients) as pool:
        return [pair for found in pool.map(client, range(clients)) for pair in found]


def moments_of(hosts: "list[Rig]", pairs: "list[tuple[Rig, Reply]]") -> list[int]:
    """Returns when the calls that were let in were read."""
    records = {id(rig): rig.record() for rig in hosts}
    accepted = [(rig, reply) for rig, reply in pairs if reply.status == 200]
    return sorted(records[id(rig)][reply.headers["x-request-id"]].end.at_ns for rig, reply in accepted)


def most_in_a_window(moments: list[int]) -> int:
    most = start = 0
    for number, moment in enumerate(moments):
        while moment - moments[start] >= (WINDOW_S - READ_TO_COUNTED_S) * 1e9:
            start += 1
        most = max(most, number - start + 1)
    return most


def test_two_hosts_never_pass_a_limit_together(hosts: "list[Rig]") -> None:
    limit(hosts, Limits(requests_per_minute=300))
    pairs = ask_all(hosts, 32, 2.3 * WINDOW_S)
    assert {reply.status for _, reply in pairs} == {200, 429}
    moments = moments_of(hosts, pairs)
    assert most_in_a_window(moments) <= 300
    assert len(moments) >= 2 * 300 * 0.95
    assert {id(rig) for rig, reply in pairs if reply.status == 200} == {id(rig) for rig in hosts}


def test_tokens_and_calls_under_way_are_shared(hosts: "list[Rig]") -> None:
    limit(hosts, Limits(tokens_per_minute=1000))
    replies = [hosts[number % 2].chat(key=RED, max_tokens=80) for number in range(12)]
    accepted = sum(reply.status == 200 for reply in replies)
    assert 6 <= accepted <= 9  # each uses 110
    assert replies[-1].status == 429
    assert replies[-1].error["code"] == "rate_limit_exceeded"


def test_a_budget_is_shared(hosts: "list[Rig]") -> None:
    limit(hosts, Limits(budget_day_usd=0.0003))
    for _ in range(2):
        assert hosts[0].chat(key=RED).status == 200
    hosts[1].until(lambda: hosts[1].chat(key=RED).status == 429)
    assert hosts[0].until(lambda: hosts[0].chat(key=RED).status == 429)
    assert hosts[1].chat(key=RED).error["code"] == "insufficient_quota"


@pytest.mark.parametrize("choice", ["open", "closed"])
def test_a_store_that_is_gone_leaves_the_choice_and_comes_back(
    choice: str, hosts: "list[Rig]", store: Store
) -> None:
    limit(hosts, Limits(requests_per_minute=50), on_loss=choice)
    rig = hosts[0]
    assert rig.chat(key=RED).status == 200
    store.stop()
    rig.until(lambda: rig.status().get("counters") == choice)
    assert any("shared counters are gone" in note for note in rig.ask("GET", "/readyz").json["notes"])
    reply = rig.chat(key=RED)
    assert reply.status == (200 if choice == "open" else 503)
    if choice == "closed":
        assert reply.error["code"] == "counters_unavailable"
        assert rig.chat().status == 200  # no limit, no question
    else:
        assert reply.headers["x-ratelimit-remaining-requests"] == "48"  # this host's own count went on
    store.start()
    rig.until(lambda: rig.status().get("counters") == "redis")
    assert rig.chat(key=RED).status == 200
