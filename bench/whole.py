"""Measures the whole of Pilothouse with its own engine: start to first token, memory, tokens a second.

`python -m bench.whole`, or as the last part of `python -m bench`. The weights are pulled once into a home
that is kept in `.envs/bench/home`.

Refuses to know peers. Invariant: the engine's rate without and with the gateway comes from the same process,
in turn, with the same questions.
"""

import argparse
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bench import processes
from bench.measure import disturbance, wait_for_calm
from bench.peer import free_port
from bench.peers.pilothouse import ROOT, ROOT_KEY

MODEL = "smollm2-135m-instruct"
TOKENS = 96
IDLE_S = 5.0
OUR_MAKE = frozenset({"ARGS", "MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL"})
"""What `make bench ARGS=…` leaves in the environment, and another `make` must not take for its own."""
FIRST_TOKEN_WITHIN_S = 600.0
"""The first start pulls 150 MB of weights."""
Figures = dict[str, float | str]


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=120)
        self._path = path

    def connect(self) -> None:
        """Connects to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


class Target:
    """Where a question is asked: the engine's own socket, or the gateway."""

    def __init__(self, address: str | int, model: str) -> None:
        self._address = address
        self._model = model

    def connect(self) -> http.client.HTTPConnection:
        """Returns a fresh connection."""
        if isinstance(self._address, str):
            return UnixConnection(self._address)
        return http.client.HTTPConnection("127.0.0.1", self._address, timeout=120)

    def ask(self, question: str, tokens: int) -> tuple[int, float]:
        """Streams one answer; returns its tokens and when the first came (`time.perf_counter`).

        Raises:
            RuntimeError: the answer is not a whole stream.
        """
        connection = self.connect()
        document = {
            "model": self._model,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "ignore_eos": True,
        }
        headers = {"content-type": "application/json", "authorization": f"Bearer {ROOT_KEY}"}
        first, counted, is_done = 0.0, 0, False
        with contextlib.closing(connection):
            connection.request("POST", "/v1/chat/completions", json.dumps(document), headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"status {answer.status}: {answer.read()[:300]!r}")
            for line in answer:
                if line.startswith(b"data: [DONE]"):
                    is_done = True
                elif line.startswith(b"data: "):
                    event = json.loads(line[6:])
                    if any(choice["delta"].get("content") for choice in event["choices"]):
                        first = first or time.perf_counter()
                    counted = (event.get("usage") or {}).get("completion_tokens", counted)
        if not is_done or not first or not counted:
            raise RuntimeError("the stream is not whole")
        return counted, first


def rate(target: Target, streams: int) -> float:
    """Returns the tokens a second of `streams` answers made at the same time.

    Raises:
        RuntimeError: one of them failed.
    """
    counted: list[int] = []
    faults: list[str] = []

    def ask(number: int) -> None:
        try:
            counted.append(target.ask(f"Tell me a long story about ship number {number}.", TOKENS)[0])
        except (OSError, RuntimeError, http.client.HTTPException) as problem:
            faults.append(f"{problem!r}")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(streams)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise RuntimeError(faults[0])
    return sum(counted) / (time.perf_counter() - started)


@contextlib.contextmanager
def serving(home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Runs `make serve` (or `pilothouse up`, without make) in a home."""
    variables = {
        **{name: value for name, value in os.environ.items() if name not in OUR_MAKE},
        "PILOTHOUSE_HOME": str(home),
        "PILOTHOUSE_PORT": str(port),
        "PILOTHOUSE_ROOT_KEY": ROOT_KEY,
    }
    command = (
        ["make", "--silent", "serve"] if shutil.which("make") else [sys.executable, "-m", "pilothouse", "up"]
    )
    home.mkdir(parents=True, exist_ok=True)
    with (home / "bench.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        processes.send(processes.tree(process.pid), signal.SIGTERM)
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            processes.send(processes.tree(process.pid), signal.SIGKILL)
            process.wait()


def first_token(process: subprocess.Popen[bytes], port: int) -> float:
    """Asks until an answer begins; returns when its first token came (`time.perf_counter`).

    Raises:
        RuntimeError: none came in time, or the process ended.
    """
    target, started, last = Target(port, MODEL), time.perf_counter(), ""
    while time.perf_counter() - started < FIRST_TOKEN_WITHIN_S and process.poll() is None:
        try:
            return target.ask("Say hello.", 4)[1]
        except (OSError, RuntimeError, http.client.HTTPException) as problem:
            last = f"{problem!r}"
            time.sleep(0.05)
    raise RuntimeError(f"`make serve` gave no answer: {last}")


def engine_target(home: Path) -> Target:
    """Returns the chat engine's own socket, as the snapshot names it."""
    from pilothouse.contracts.home import Home
    from pilothouse.gateway.follow import open_snapshot

    at = Home(root=str(home))
    snapshot = open_snapshot(Path(at.snapshot).read_bytes(), Path(at.verifying_key).read_bytes())
    model = next(model for model in snapshot.models if model.name == MODEL)
    engine = next(one.engine for one in model.deployments if one.engine is not None)
    return Target(engine.socket, engine.alias)


def memory(process: subprocess.Popen[bytes]) -> Figures:
    """Returns the memory of everything but the engines, by process."""
    found: Figures = {}
    total = shared_once = 0
    for one in processes.tree(process.pid):
        command = processes.command(one)
        if "pilothouse" not in command or "pilothouse.serving" in command:
            continue
        name = next(
            (part for part in ("gateway", "control") if f"pilothouse.{part}" in command), "supervisor"
        )
        resident = processes.resident_set_bytes(one)
        total, shared_once = total + resident, shared_once + processes.resident_bytes([one])
        found[f"{name}, resident, MB"] = resident / 1e6
    found["together, resident, MB"] = total / 1e6
    found["together, shared pages once (PSS), MB"] = shared_once / 1e6
    return found


def measure(rounds: int) -> dict[str, Figures]:
    """Takes all figures."""
    home, port = ROOT / ".envs/bench/home", free_port()
    with serving(home, port) as process:
        first_token(process, port)  # pulls the weights and sets up what is missing, the first time
    starts = []
    for _ in range(min(rounds, 3)):
        wait_for_calm(within_s=10)
        started = time.perf_counter()
        with serving(home, port) as process:
            starts.append(first_token(process, port) - started)
    with serving(home, port) as process:
        first_token(process, port)
        time.sleep(IDLE_S)
        whole = {"first token after the command, s": statistics.median(starts), **memory(process)}
        ratios = _ratios(engine_target(home), Target(port, MODEL), rounds)
    return {"Start and memory": whole, "The engine through the gateway": ratios}


def _ratios(engine: Target, gateway: Target, rounds: int) -> Figures:
    figures: Figures = {}
    for streams in (1, 4):
        for target in (engine, gateway):
            rate(target, streams)  # the questions' prefixes are cached from here on, for both
        pairs: list[tuple[float, float]] = []
        disturbed: list[float] = []
        for number in range(rounds):
            wait_for_calm(within_s=10)
            with disturbance(disturbed):
                order = (engine, gateway) if number % 2 == 0 else (gateway, engine)
                taken = {target: rate(target, streams) for target in order}
            pairs.append((taken[engine], taken[gateway]))
        without, through = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        figures |= {
            f"{streams} at once, without it, tokens/s": statistics.median(without),
            f"{streams} at once, through it, tokens/s": statistics.median(through),
            f"{streams} at once, ratio": statistics.median(pair[1] / pair[0] for pair in pairs),
            f"{streams} at once, best of each, ratio": max(pair[1] for pair in pairs)
            / max(pair[0] for pair in pairs),
            f"{streams} at once, others had of the machine": statistics.median(disturbed),
        }
    return figures


def main() -> None:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.whole", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    for name, figures in measure(parser.parse_args().rounds).items():
        print(name)
        for key, value in figures.items():
            print(f"  {key}: {value if isinstance(value, str) else f'{value:,.3f}'}")


if __name__ == "__main__":
    main()
