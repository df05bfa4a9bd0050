"""Engines that follow the snapshot: real processes, most of them small stand-ins for a model server."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from pilothouse.contracts.home import Home
from pilothouse.contracts.snapshot import SNAPSHOT_VERSION, Deployment, EngineSpec, ModelRoute, Snapshot
from pilothouse.contracts.status import EngineStatus
from pilothouse.registry.catalogue import BUNDLE
from pilothouse.registry.pull import pull
from pilothouse.serving.engine import Gauges
from pilothouse.serving.fleet import Fleet
from pilothouse.serving.settings import EngineSettings
from pilothouse.store.artefacts import ArtefactStore

QUICK = EngineSettings(restart_first_s=0.01, restart_most_s=0.02, gauges_every_s=0.01)

STAND_IN = """
import json, socket, sys, time
spec = json.load(sys.stdin)
listening = socket.socket(socket.AF_UNIX)
listening.bind(spec["socket"])
listening.listen()
time.sleep(600)
"""


class StandIn:
    """An engine without a model: it is ready when its socket is there."""

    def command(self, spec: EngineSpec, settings: EngineSettings) -> tuple[tuple[str, ...], bytes]:
        del settings
        Path(spec.socket).unlink(missing_ok=True)
        return (sys.executable, "-c", STAND_IN), msgspec.json.encode({"socket": spec.socket})

    async def is_ready(self, spec: EngineSpec) -> bool:
        return Path(spec.socket).exists()  # noqa: ASYNC240 - one look

    async def gauges(self, spec: EngineSpec) -> Gauges:
        return Gauges(
            slots=spec.parallel, slots_busy=1, queued=2, prompt_tokens_total=3, output_tokens_total=4
        )


class Watched:
    """A fleet whose changes can be awaited."""

    def __init__(self, tmp_path: Path, **more: object) -> None:
        self.home = Home(str(tmp_path))
        for folder in (self.home.logs, self.home.run):
            Path(folder).mkdir(exist_ok=True)
        self.changes: asyncio.Queue[EngineStatus] = asyncio.Queue()
        engines: dict[str, object] = {"engines": {"llama_cpp": StandIn()}, **more}
        self.fleet = Fleet(self.home, QUICK, changed=self.changes.put_nowait, **engines)  # type: ignore[arg-type]  # a test's mixture

    async def until(self, deployment: str, state: str) -> EngineStatus:
        async with asyncio.timeout(60):
            while True:
                status = await self.changes.get()
                if (status.deployment, status.state) == (deployment, state):
                    return status

    def spec(self, number: int, **more: object) -> EngineSpec:
        values: dict[str, object] = {
            "artefact": "/nowhere",
            "digest": "sha256:0",
            "kind": "chat",
            "alias": "m",
        }
        values |= {"engine": "llama_cpp", "socket": self.home.engine_socket(number), **more}
        return msgspec.convert(values, EngineSpec)


def snapshot(**specs: EngineSpec) -> Snapshot:
    deployments = tuple(
        Deployment(id=name, provider="p", upstream_model="m", engine=spec) for name, spec in specs.items()
    )
    elsewhere = Deployment(id="elsewhere", provider="openai", upstream_model="x")
    route = ModelRoute("m", "chat", (*deployments, elsewhere))
    return Snapshot(SNAPSHOT_VERSION, 1, 0, (), (route,), ())


def with_fleet(test: Callable[[Watched], Awaitable[None]], tmp_path: Path, **more: object) -> None:
    async def run() -> None:
        watched = Watched(tmp_path, **more)
        try:
            await test(watched)
        finally:
            await watched.fleet.stop()
            assert watched.fleet.statuses() == ()

    asyncio.run(run())


def is_alive(pid: int | None) -> bool:
    return pid is not None and Path(f"/proc/{pid}").exists()


def environment_of(pid: int | None) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def test_engines_follow_the_snapshot(tmp_path: Path) -> None:
    async def test(watched: Watched) -> None:
        fleet = watched.fleet
        await fleet.apply(snapshot(a=watched.spec(0), b=watched.spec(1)))
        assert await fleet.wait_ready(30)
        first, second = fleet.statuses()
        assert {first.deployment, second.deployment} == {"a", "b"}
        assert is_alive(first.pid)
        await fleet.apply(snapshot(a=watched.spec(0), c=watched.spec(2)))
        assert not is_alive(second.pid)
        assert await fleet.wait_ready(30)
        kept, new = fleet.statuses()
        assert (kept.deployment, kept.pid) == ("a", first.pid)
        assert new.deployment == "c"
        await fleet.apply(snapshot(a=watched.spec(0, parallel=3), c=watched.spec(2)))
        assert await fleet.wait_ready(30)
        changed = next(status for status in fleet.statuses() if status.deployment == "a")
        assert changed.pid != first.pid
        await fleet.apply(snapshot())
        assert fleet.statuses() == ()

    with_fleet(test, tmp_path)


def test_a_dying_engine_is_started_again(tmp_path: Path) -> None:
    async def test(watched: Watched) -> None:
        await watched.fleet.apply(snapshot(a=watched.spec(0)))
        ready = await watched.until("a", "ready")
        assert ready.pid is not None
        os.unlink(watched.home.engine_socket(0))  # noqa: PTH108 - Path has no place in a coroutine
        os.kill(ready.pid, signal.SIGKILL)
        died = await watched.until("a", "restarting")
        assert died.reason == "was killed by SIGKILL"
        again = await watched.until("a", "ready")
        assert again.pid != ready.pid
        assert again.restarts == 1

    with_fleet(test, tmp_path)


def test_gauges_are_read_without_being_asked(tmp_path: Path) -> None:
    async def test(watched: Watched) -> None:
        await watched.fleet.apply(snapshot(a=watched.spec(0)))
        await watched.until("a", "ready")
        async with asyncio.timeout(30):
            while True:
                (status,) = watched.fleet.statuses()
                if status.slots is not None:
                    break
                await asyncio.sleep(0)
        assert (status.slots, status.slots_busy, status.queued) == (8, 1, 2)
        assert (status.prompt_tokens_total, status.output_tokens_total) == (3, 4)
        assert (status.resident_bytes or 0) > 1_000_000
        assert status.ready_after_s is not None

    with_fleet(test, tmp_path)


def test_providers_keys_do_not_reach_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-needle")

    async def test(watched: Watched) -> None:
        await watched.fleet.apply(snapshot(a=watched.spec(0)))
        ready = await watched.until("a", "ready")
        environment = environment_of(ready.pid)
        assert b"PATH=" in environment
        assert b"needle" not in environment

    with_fleet(test, tmp_path)


def real_spec(watched: Watched, **more: object) -> EngineSpec:
    cache = os.environ.get("PILOTHOUSE_TEST_CACHE") or "~/.cache/pilothouse-tests"
    row = BUNDLE["all-minilm-l6-v2"]
    stored = pull(row.source, row.digest, ArtefactStore(f"{Path(cache).expanduser()}/artefacts"))
    values: dict[str, object] = {"artefact": stored.path, "digest": stored.digest, "kind": "embedding"}
    return watched.spec(0, **{**values, "alias": row.name, "context_tokens": 512, "parallel": 2, **more})


def real_engines() -> dict[str, object]:
    from pilothouse.serving.engines import ENGINES

    return {"engines": ENGINES}


@pytest.mark.engine
def test_weights_with_another_digest_do_not_load(tmp_path: Path) -> None:
    async def test(watched: Watched) -> None:
        await watched.fleet.apply(snapshot(a=real_spec(watched, digest="sha256:" + "0" * 64)))
        failed = await watched.until("a", "failed")
        assert "have the digest sha256:" in str(failed.reason)
        assert failed.restarts == 0

    with_fleet(test, tmp_path, **real_engines())


@pytest.mark.engine
def test_a_real_engine_dies_and_comes_back(tmp_path: Path) -> None:
    async def test(watched: Watched) -> None:
        await watched.fleet.apply(snapshot(a=real_spec(watched)))
        ready = await watched.until("a", "ready")
        assert ready.pid is not None
        os.kill(ready.pid, signal.SIGKILL)
        await watched.until("a", "restarting")
        again = await watched.until("a", "ready")
        assert again.pid != ready.pid

    with_fleet(test, tmp_path, **real_engines())


SUPERVISOR = """
import asyncio, os, sys
from pathlib import Path
import msgspec
from pilothouse.contracts.home import Home
from pilothouse.contracts.snapshot import Snapshot
from pilothouse.serving.fleet import Fleet
from pilothouse.serving.settings import EngineSettings

async def main():
    fleet = Fleet(Home(sys.argv[1]), EngineSettings())
    await fleet.apply(msgspec.json.decode(sys.stdin.buffer.read(), type=Snapshot))
    assert await fleet.wait_ready(60)
    print(fleet.statuses()[0].pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.engine
def test_no_engine_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    watched_home = asyncio.run(made_watched(tmp_path))
    data = msgspec.json.encode(snapshot(a=real_spec(watched_home)))
    parent = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    try:
        parent.stdin.write(data)
        parent.stdin.close()
        engine = int(parent.stdout.readline())
        handle = os.pidfd_open(engine)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    gone, _, _ = select.select([handle], [], [], 20)
    os.close(handle)
    assert gone


async def made_watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)
