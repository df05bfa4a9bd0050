"""Engines that run for the whole suite, on the bundled models' real weights."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pilothouse.contracts.snapshot import EngineName, EngineSpec
from pilothouse.network.sync import Response, request, stream
from pilothouse.registry.catalogue import BUNDLE
from pilothouse.registry.pull import pull
from pilothouse.serving.engine import Engine
from pilothouse.serving.engines import ENGINES
from pilothouse.serving.settings import EngineSettings
from pilothouse.store.artefacts import ArtefactStore

CHAT = "smollm2-135m-instruct"
EMBEDDING = "all-minilm-l6-v2"
PARALLEL = 3


@dataclass
class Running:
    """A running engine and how to talk to it."""

    engine: Engine
    spec: EngineSpec
    process: subprocess.Popen[bytes]

    def post(self, path: str, **body: Any) -> Response:
        return self.send(path, json.dumps(body).encode())

    def send(self, path: str, body: bytes) -> Response:
        return request("POST", self.url(path), body=body, timeout_s=120)

    def good(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.post(path, **body)
        assert answer.status == 200, answer.body
        return dict(json.loads(answer.body))

    def events(self, path: str, **body: Any) -> list[dict[str, Any]]:
        data = json.dumps({**body, "stream": True}).encode()
        with stream("POST", self.url(path), body=data, timeout_s=60, idle_timeout_s=60) as answer:
            assert answer.status == 200
            lines = [line.removeprefix("data: ") for line in answer.lines() if line.startswith("data: ")]
        assert lines[-1] == "[DONE]"
        return [json.loads(line) for line in lines[:-1]]

    def error(self, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        answer = self.post(path, **body)
        return answer.status, json.loads(answer.body)["error"]

    def url(self, path: str) -> str:
        return f"unix:{self.spec.socket}:{path}"


def weights(name: str) -> tuple[str, str]:
    """Pulls a bundled model once for all test runs of this machine."""
    cache = os.environ.get("PILOTHOUSE_TEST_CACHE") or "~/.cache/pilothouse-tests"
    store = ArtefactStore(f"{Path(cache).expanduser()}/artefacts")
    stored = pull(BUNDLE[name].source, BUNDLE[name].digest, store)
    return stored.path, stored.digest


def run(engine_name: EngineName, model: str, folder: Path, **options: Any) -> Iterator[Running]:
    path, digest = weights(model)
    engine = ENGINES[engine_name]
    spec = EngineSpec(
        engine=engine_name,
        kind=BUNDLE[model].kind,
        artefact=path,
        digest=digest,
        socket=str(folder / "engine.sock"),
        alias=model,
        parallel=PARALLEL,
        **options,
    )
    command, settings = engine.command(spec, EngineSettings())
    with (folder / "engine.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
    assert process.stdin is not None
    process.stdin.write(settings)
    process.stdin.close()
    try:
        asyncio.run(until_ready(engine, spec, process))
        yield Running(engine, spec, process)
    finally:
        process.terminate()
        assert process.wait(20) == 0
        assert not Path(spec.socket).exists()


async def until_ready(engine: Engine, spec: EngineSpec, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(60):
        while not await engine.is_ready(spec):
            assert process.poll() is None, "the engine ended"
            await asyncio.sleep(0.02)


@pytest.fixture(scope="session", params=sorted(ENGINES))
def chat(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Gives each engine with the bundled chat model."""
    yield from run(request.param, CHAT, tmp_path_factory.mktemp("chat"), context_tokens=1024)


@pytest.fixture(scope="session", params=sorted(ENGINES))
def embedding(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Gives each engine with the bundled embedding model."""
    yield from run(request.param, EMBEDDING, tmp_path_factory.mktemp("embedding"), context_tokens=512)
