"""Pilothouse itself, with everything on: a key, routing, a price, and every call's whole content journalled.

Three ways: `pilothouse` is `pilothouse up` with the control process (projector, console) stopped while it is
measured; `pilothouse+control` lets it run on the core of the load; `pilothouse-gateway` is a gateway process
alone, for profiling, not in the table unless it is asked for.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench import interpreter, processes
from bench.peer import PeerUnavailableError, Place, Running, free_port, launch

if TYPE_CHECKING:
    from pilothouse.contracts.home import Home

ROOT = Path(__file__).resolve().parents[2]
ROOT_KEY = "ph_root_bench-0123456789abcdef0123456789abcdef"
CONFIGURATION = """
models:
  mock-model:
    deployments:
      - {provider: mock, model: mock-model, price: {input_usd: 0.15, output_usd: 0.6}}
    record: {content: full}
providers:
  mock: {dialect: openai, base_url: "http://127.0.0.1:UPSTREAM/v1"}
journal: {quota_bytes: 34359738368}
"""
READY_WITHIN_S = 60.0


class Pilothouse:
    """`pilothouse up` in a home of its own, with a member's API key."""

    name = "pilothouse"
    does = (
        "request path compiled (mypyc); key, routing, price, whole content sealed and journalled; control "
        "(projector, console) stopped while measured"
    )
    is_control_stopped = True
    configuration = CONFIGURATION
    variables: Mapping[str, str] = {}
    key_limits: tuple[str, ...] = ()
    """Flags of `keys create`."""
    key = ""
    """A key that the home knows already; empty: one is made."""

    def install(self, environment: Path) -> str:
        """Makes an environment of the fastest Python here, with the checkout's own packages."""
        return f"{version()}, Python {interpreter.version(str(interpreter.share_packages(environment)))}"

    def start(self, place: Place) -> Running:
        """Starts `up`; the root key asks until it answers, a member's key when it is measured."""
        port, home = free_port(), place.scratch / "home"
        configuration = place.scratch / "pilothouse.yaml"
        configuration.write_text(self.configuration.replace("UPSTREAM", str(place.upstream_port)))
        python = str(place.environment / "bin/python")
        command = [python, "-m", "pilothouse", "up", "--home", str(home)]
        process, log = launch(
            place,
            *command,
            *("--port", str(port), "--config", str(configuration)),
            environment={**os.environ, "PILOTHOUSE_ROOT_KEY": ROOT_KEY, **self.variables},
            cores=(place.gateway_core, place.load_core),
        )
        running = Running(process=process, port=port, log=log, headers=_bearer(ROOT_KEY))
        running.settle = lambda: self._settle(running, place, home)
        return running

    def _settle(self, running: Running, place: Place, home: Path) -> None:
        """Makes a member's key and puts each process on its core."""
        running.headers = _bearer(self.key or _key(running, home, *self.key_limits))
        for one in running.counted():
            is_gateway = "pilothouse.gateway" in processes.command(one)
            processes.pin(one, place.gateway_core if is_gateway else place.load_core)
            if self.is_control_stopped and "pilothouse.control" in processes.command(one):
                running.set_aside.append(one)


class PilothouseWithControl(Pilothouse):
    """The same, with the projector folding calls into the analytics meanwhile."""

    name = "pilothouse+control"
    does = "the same, with control running on the load's core (its CPU time and memory are counted)"
    is_control_stopped = False


class PilothouseWithAll(Pilothouse):
    """The same, with every policy of production traffic in force."""

    name = "pilothouse+all"
    does = (
        "the same, with limits and budgets on key, team and model, breakers, retries, and four deployments "
        "chosen among by weight"
    )
    configuration = """
models:
  mock-model:
    deployments:
      - {provider: m1, model: mock-model, weight: 4, price: {input_usd: 0.15, output_usd: 0.6}}
      - {provider: m2, model: mock-model, weight: 3, price: {input_usd: 0.15, output_usd: 0.6}}
      - {provider: m3, model: mock-model, weight: 2, price: {input_usd: 0.15, output_usd: 0.6}}
      - {provider: m4, model: mock-model, weight: 1, price: {input_usd: 0.15, output_usd: 0.6}}
    limits: {requests_per_minute: 100000000, tokens_per_minute: 100000000000}
    record: {content: full}
teams:
  bench: {limits: {requests_per_minute: 100000000, budget_month_usd: 1000000}}
providers:
  m1: {dialect: openai, base_url: "http://127.0.0.1:UPSTREAM/v1"}
  m2: {dialect: openai, base_url: "http://127.0.0.1:UPSTREAM/v1"}
  m3: {dialect: openai, base_url: "http://127.0.0.1:UPSTREAM/v1"}
  m4: {dialect: openai, base_url: "http://127.0.0.1:UPSTREAM/v1"}
journal: {quota_bytes: 34359738368}
"""
    key_limits = (
        *("--team", "bench", "--rpm", "100000000", "--tpm", "100000000000", "--concurrency", "100000"),
        *("--budget-day", "1000000", "--budget-month", "1000000", "--model", "mock-model"),
    )


class PilothouseGateway:
    """One gateway process on a home and a snapshot made here."""

    name = "pilothouse-gateway"
    does = "one gateway process alone, with everything on: for profiling"

    def install(self, environment: Path) -> str:
        """Makes an environment of the fastest Python here, with the checkout's own packages."""
        return f"{version()}, Python {interpreter.version(str(interpreter.share_packages(environment)))}"

    def start(self, place: Place) -> Running:
        """Makes a home, publishes a snapshot with one key, and starts the gateway on an inherited socket."""
        import socket

        from pilothouse.contracts.home import Home
        from pilothouse.gateway.settings import GatewayProcess
        from pilothouse.supervise.home import prepare
        from pilothouse.telemetry.settings import JournalSettings

        home = Home(root=str(place.scratch / "home"))
        prepare(home)
        key = publish(home, place.upstream_port)
        listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        settings = GatewayProcess(
            home=home.root,
            worker="0",
            version=version(),
            listen_fd=listening.fileno(),
            journal=JournalSettings(quota_bytes=32 << 30),
        )
        process, log = launch(
            place,
            *(str(place.environment / "bin/python"), "-m", "pilothouse.gateway"),
            stdin=msgspec.json.encode(settings),
            pass_fds=(listening.fileno(),),
        )
        port = int(listening.getsockname()[1])
        listening.close()
        return Running(process=process, port=port, log=log, headers=_bearer(key))


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def version() -> str:
    """Returns the checkout's version and commit."""
    import pilothouse

    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return f"{pilothouse.__version__} ({commit or 'no git'})"


def _key(running: Running, home: Path, *limits: str) -> str:
    """Makes a member's key, as soon as control answers.

    Raises:
        PeerUnavailableError: control does not answer, or `up` has ended.
    """
    command = [sys.executable, "-m", "pilothouse", "keys", "create", "bench", "--json", "--home", str(home)]
    command += limits
    started, said = time.monotonic(), ""
    while time.monotonic() - started < READY_WITHIN_S and running.process.poll() is None:
        if any(home.glob("run/admin.sock")) or time.monotonic() - started > READY_WITHIN_S / 2:
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            with contextlib.suppress(ValueError, KeyError):
                return str(json.loads(made.stdout)["key"])
            said = made.stdout + made.stderr
        time.sleep(0.05)
    log = running.log.read_text(errors="replace")[-500:] if running.log else ""
    raise PeerUnavailableError(f"`pilothouse up` did not become ready: {said[-300:]} {log}")


def publish(home: "Home", upstream_port: int) -> str:
    """Writes a signed snapshot with the mock behind one model, and returns an API key that it knows."""
    from pilothouse.access.tokens import new_token
    from pilothouse.contracts.snapshot import (
        SNAPSHOT_VERSION,
        Deployment,
        KeyRecord,
        ModelRoute,
        Price,
        Provider,
        Snapshot,
    )
    from pilothouse.rollout.sign import sign

    token = new_token("key", Path(home.pepper).read_bytes())
    deployment = Deployment(
        id="mock-model/mock",
        provider="mock",
        upstream_model="mock-model",
        price=Price(input_usd=0.15, output_usd=0.6),
    )
    snapshot = Snapshot(
        version=SNAPSHOT_VERSION,
        revision=1,
        created_at_ms=int(time.time() * 1000),
        keys=(KeyRecord(id=token.id, digest=token.digest, name="bench"),),
        models=(ModelRoute(name="mock-model", kind="chat", deployments=(deployment,)),),
        providers=(Provider(name="mock", base_url=f"http://127.0.0.1:{upstream_port}/v1"),),
    )
    Path(home.snapshot).write_bytes(sign(snapshot, Path(home.signing_key).read_bytes()))
    return token.text
