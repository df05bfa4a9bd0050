"""How fast telemetry is accepted and queryable, beside Phoenix and MLflow: `make bench-telemetry`.

For each receiver in turn, on all cores: spans are sent as fast as they are answered, until all are in the
database that its pages read; that is the queryable rate. Then Pilothouse alone is sent 5,000 spans a second,
and the time from a batch's answer until it is in the database is its lag.

Refuses to know how a receiver works inside. Invariant: a span counts when the receiver's own database
shows it.
"""

import argparse
import contextlib
import http.client
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import interpreter, processes
from bench.bars import at_least, at_most, shown
from bench.peer import free_port
from bench.telemetry_load import Order

ROOT = Path(__file__).resolve().parents[1]
KEY = "ph_root_bench-0123456789abcdef0123456789abcdef"
PHOENIX, MLFLOW = "arize-phoenix==20.26.1", "mlflow==3.17.2"
STARTED_WITHIN_S = 180.0
CONFIGURATION = """
models: {m: {deployments: [{provider: mock, model: m}]}}
providers: {mock: {base_url: "http://127.0.0.1:9/v1"}}
"""
PROTOBUF = {"content-type": "application/x-protobuf"}
BAR_RATE, BAR_RATIO = 15_000.0, 100.0
LAG_RATE, LAG_P95_S, LAG_P99_S = 5_000.0, 1.0, 3.0


@dataclass
class Receiver:
    """A running receiver."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    path: str
    headers: dict[str, str]
    queryable: Callable[[], int]
    """How many spans its database shows."""
    facts: dict[str, float] = field(default_factory=dict)

    def cpu_s(self) -> float:
        """Returns the CPU seconds of its processes so far."""
        return processes.cpu_seconds(processes.tree(self.process.pid))

    def resident_mb(self) -> float:
        """Returns the memory of its processes."""
        return processes.resident_bytes(processes.tree(self.process.pid)) / 2**20


def _installed(name: str, package: str) -> Path:
    folder = ROOT / ".envs/bench" / f"telemetry-{name}"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin/pip"), "install", "-q", package], check=True)
        (folder / "complete").touch()
    return folder / "bin"


@contextlib.contextmanager
def _running(command: list[str], scratch: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with (scratch / "out").open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, cwd=scratch, env={**environment, **variables}, process_group=0
        )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _get(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def _wait(ready: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < ends:
        with contextlib.suppress(OSError, http.client.HTTPException, sqlite3.Error):
            if ready():
                return
        time.sleep(0.2)
    raise RuntimeError(f"{what} did not start")


def _metric(port: int, name: str) -> int:
    status, page = _get(port, "/metrics", authorization=f"Bearer {KEY}")
    for line in page.decode().splitlines() if status == http.client.OK else ():
        if line.startswith(name + " "):
            return int(float(line.rpartition(" ")[2]))
    raise OSError(f"no {name}")


@contextlib.contextmanager
def pilothouse(scratch: Path) -> Iterator[Receiver]:
    """Runs `pilothouse up`; a span counts once its transaction is committed."""
    port = free_port()
    python = interpreter.share_packages(ROOT / ".envs/bench/pilothouse")
    (scratch / "pilothouse.yaml").write_text(CONFIGURATION)
    command = [str(python), "-m", "pilothouse", "up", "--home", str(scratch / "home")]
    command += ["--config", str(scratch / "pilothouse.yaml"), "--port", str(port)]
    with _running(command, scratch, PILOTHOUSE_ROOT_KEY=KEY) as process:
        _wait(lambda: _metric(port, "pilothouse_telemetry_items_total") >= 0, "pilothouse")
        headers = {**PROTOBUF, "authorization": f"Bearer {KEY}"}
        yield Receiver(
            "pilothouse",
            process,
            port,
            "/v1/traces",
            headers,
            lambda: _metric(port, "pilothouse_telemetry_items_total"),
        )


def _rows(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        return int(connection.execute("SELECT count(*) FROM spans").fetchone()[0])


@contextlib.contextmanager
def phoenix(scratch: Path) -> Iterator[Receiver]:
    """Runs Phoenix with its SQLite database."""
    binaries = _installed("phoenix", PHOENIX)
    port, grpc = free_port(), free_port()
    variables = {
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(grpc),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_WORKING_DIR": str(scratch),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    with _running([str(binaries / "phoenix"), "serve"], scratch, **variables) as process:
        _wait(lambda: _get(port, "/healthz")[0] == http.client.OK, "phoenix")
        database = scratch / "phoenix.db"
        yield Receiver("phoenix", process, port, "/v1/traces", PROTOBUF, lambda: _rows(database))


@contextlib.contextmanager
def mlflow(scratch: Path) -> Iterator[Receiver]:
    """Runs MLflow's tracking server with its SQLite database."""
    binaries = _installed("mlflow", MLFLOW)
    port, database = free_port(), scratch / "mlflow.db"
    command = [str(binaries / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{database}", "--workers", "1"]
    with _running(command, scratch) as process:
        _wait(lambda: _get(port, "/health")[0] == http.client.OK, "mlflow")
        headers = {**PROTOBUF, "x-mlflow-experiment-id": "0"}
        yield Receiver("mlflow", process, port, "/v1/traces", headers, lambda: _rows(database))


RECEIVERS = {"pilothouse": pilothouse, "phoenix": phoenix, "mlflow": mlflow}


def _sending(order: Order) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.telemetry_load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(vars_of(order)).encode())
    process.stdin.close()
    process.stdin = None
    return process


def vars_of(order: Order) -> dict[str, object]:
    """Returns an order's members."""
    return {name: getattr(order, name) for name in Order.__slots__}


class Watch(threading.Thread):
    """Notes when how many spans were queryable."""

    def __init__(self, receiver: Receiver, wanted: int, within_s: float, pause_s: float) -> None:
        super().__init__(daemon=True)
        self.receiver, self.wanted, self.within_s, self.pause_s = receiver, wanted, within_s, pause_s
        self.seen: list[tuple[float, int]] = []

    def run(self) -> None:
        """Looks until all are there, or the time is over."""
        ends = time.time() + self.within_s
        while time.time() < ends:
            with contextlib.suppress(OSError, sqlite3.Error, http.client.HTTPException):
                self.seen.append((time.time(), self.receiver.queryable()))
                if self.seen[-1][1] >= self.wanted:
                    return
            time.sleep(self.pause_s)


def measure(
    receiver: Receiver, spans: int, *, batch: int, within_s: float, rate: float = 0.0
) -> dict[str, float]:
    """Sends spans and waits until they are queryable; returns the figures."""
    before, cpu_s = receiver.queryable(), receiver.cpu_s()
    order = Order(receiver.port, receiver.path, receiver.headers, spans, batch, 4, rate)
    watch = Watch(receiver, before + spans, within_s, 0.05 if rate else 0.25)
    sending = _sending(order)
    watch.start()
    out, _ = sending.communicate()
    said = json.loads(out)
    if said["refused"]:
        raise RuntimeError(f"{receiver.name} refused: {said['refused'][0]}")
    watch.join()
    began = said["began_s"]
    accepted = len(said["answered_s"]) * batch
    ended, found = watch.seen[-1]
    figures = {
        "accepted": accepted / said["answered_s"][-1],
        "queryable": (found - before) / (ended - began),
        "missing": spans - (found - before),
        "cpu_us": (receiver.cpu_s() - cpu_s) / max(1, found - before) * 1e6,
        "resident_mb": receiver.resident_mb(),
    }
    if rate:
        lags = sorted(_lags(said["answered_s"], began, batch, before, watch.seen))
        figures |= {"p95_s": lags[int(len(lags) * 0.95)], "p99_s": lags[int(len(lags) * 0.99)]}
    return figures


def _lags(
    answered: list[float], began: float, batch: int, before: int, seen: list[tuple[float, int]]
) -> Iterator[float]:
    """Yields for each batch how long after its answer as many spans as were answered by then were there."""
    at = 0
    for number, moment in enumerate(answered, 1):
        while at < len(seen) - 1 and seen[at][1] - before < number * batch:
            at += 1
        yield max(0.0, seen[at][0] - (began + moment))


def _print(lines: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f"{name.ljust(width)}  {value}")


def main() -> int:
    """Measures what the flags name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--receivers", default=",".join(RECEIVERS))
    parser.add_argument("--spans", type=int, default=300_000, help="spans that Pilothouse is sent")
    parser.add_argument("--peer-spans", type=int, default=4_000, help="spans that each peer is sent")
    parser.add_argument("--lag-seconds", type=float, default=30.0)
    options = parser.parse_args()
    lines: list[tuple[str, str]] = []
    rates: dict[str, float] = {}
    for name in options.receivers.split(","):
        scratch = Path(tempfile.mkdtemp(prefix=f"bench-telemetry-{name}-"))
        try:
            with RECEIVERS[name](scratch) as receiver:
                is_ours = name == "pilothouse"
                if is_ours:
                    measure(receiver, 8 * 512, batch=512, within_s=60)  # starts the decoders
                spans = options.spans if is_ours else options.peer_spans
                found = measure(receiver, spans - spans % 500, batch=500 if is_ours else 100, within_s=300)
                rates[name] = found["queryable"]
                bar = at_least(BAR_RATE, found["queryable"]) if is_ours else shown(found["queryable"])
                lines += [
                    (f"{name}: accepted, spans/s", shown(found["accepted"])),
                    (f"{name}: queryable, spans/s", bar),
                    (f"{name}: CPU a span, µs", shown(found["cpu_us"])),
                    (f"{name}: resident after it, MB", shown(found["resident_mb"])),
                ]
                if found["missing"]:
                    lines.append((f"{name}: not queryable in time", shown(found["missing"])))
                if is_ours:
                    count = int(LAG_RATE * options.lag_seconds)
                    lag = measure(receiver, count - count % 100, batch=100, within_s=120, rate=LAG_RATE)
                    lines += [
                        ("pilothouse: lag at 5,000/s, p95 s", at_most(LAG_P95_S, lag["p95_s"])),
                        ("pilothouse: lag at 5,000/s, p99 s", at_most(LAG_P99_S, lag["p99_s"])),
                    ]
        except (RuntimeError, subprocess.CalledProcessError) as error:
            lines.append((f"{name}: not measured", str(error)))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    if {"pilothouse", "phoenix"} <= rates.keys():
        ratio = rates["pilothouse"] / rates["phoenix"]
        lines.append(("queryable, times Phoenix's", at_least(BAR_RATIO, ratio)))
    _print(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
