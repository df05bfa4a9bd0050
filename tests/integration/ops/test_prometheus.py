"""A real Prometheus reads our page; every query of the dashboards and every alert rule finds data there."""

import asyncio
import json
import re
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import dashboards
import msgspec
import pytest

from pilothouse.api.counters import Counters
from pilothouse.api.engine_metrics import engine_families, merged
from pilothouse.api.machine import machine_families
from pilothouse.api.metrics import IngestState, Instruments, families_of
from pilothouse.api.resources import Reading
from pilothouse.api.status import StatusReader
from pilothouse.contracts.events import Attempt, RequestCompleted
from pilothouse.contracts.home import Home
from pilothouse.contracts.status import (
    CacheStatus,
    DeploymentStatus,
    EngineStatus,
    GatewayStatus,
    ProcessStatus,
    SupervisorStatus,
)
from pilothouse.telemetry.export.exporter import Tally, export_families
from pilothouse.telemetry.export.sender import Answer
from pilothouse.telemetry.exposition import read_families
from pilothouse.telemetry.machine import Process, read_machine
from pilothouse.telemetry.machine_gpus import Gpu
from pilothouse.telemetry.prometheus import (
    CONTENT_TYPE,
    OPENMETRICS_TYPE,
    render,
    render_openmetrics,
    wants_openmetrics,
)
from pilothouse.telemetry.status import serve_status

ROOT = Path(__file__).resolve().parents[3]
OPS = ROOT / "ops"
RULES = OPS / "prometheus" / "pilothouse.rules.yml"
READY_WITHIN_S = 20.0
FOUND_WITHIN_S = 25.0
VLLM = """\
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{model_name="big"} 0.5
"""
ENGINE = EngineStatus(
    deployment="own/llama_cpp-0", state="ready", slots=8, slots_busy=2, queued=1, prompt_tokens_total=9,
    output_tokens_total=9, resident_bytes=1000,
)  # fmt: skip
GATEWAY = GatewayStatus(
    worker="0", pid=1, version="0", snapshot_revision=1, started_at_ms=1, is_accepting=True, shed_total=1,
    limited_total=1, retries_total=1,
    deployments=(DeploymentStatus(deployment="m/openai-0", model="m", breaker="open", ewma_ms=5.0),),
)  # fmt: skip
SUPERVISOR = SupervisorStatus(
    version="0", started_at_ms=1, address="http://127.0.0.1:1", snapshot_revision=1, engines=(ENGINE,),
    processes=(ProcessStatus(name="gateway-0", state="ready", pid=1, resident_bytes=1000),),
)  # fmt: skip


def gateway_now() -> GatewayStatus:
    """Returns a gateway that has looked up more answers each time it is asked."""
    looked_up = CacheStatus(model="m", exact_total=int(time.monotonic() * 10), misses_total=1)
    return msgspec.structs.replace(GATEWAY, caches=(looked_up,))


class Ingest:
    """A projector that is on time."""

    def state(self, now_ms: int) -> IngestState:
        del now_ms
        return IngestState(12.0, 1, 100, 5, 0, 0)


def call(**fields: Any) -> RequestCompleted:
    known: dict[str, Any] = {
        "call_id": "c", "request_id": "r", "at_ns": time.time_ns(), "operation": "chat", "status": 200,
        "outcome": "completed", "model": "m", "provider": "openai", "deployment": "m/openai-0", "team": "red",
        "duration_ms": 90.0, "first_token_ms": 20.0, "last_token_ms": 80.0, "is_stream": True,
        "input_tokens": 20, "output_tokens": 10, "cached_tokens": 5, "cost_usd": 0.01, "trace_id": "ab" * 16,
        "attempts": (Attempt(deployment="m/openai-0", provider="openai", status=200, duration_ms=88.0),),
    }  # fmt: skip
    return RequestCompleted(**known | fields)


def load() -> list[RequestCompleted]:
    """Returns a second's calls, one of each kind."""
    own = Attempt(deployment="own/llama_cpp-0", provider="llama_cpp", status=200, duration_ms=80.0)
    return [
        call(),
        call(model="own", provider="llama_cpp", deployment="own/llama_cpp-0", cost_usd=None, attempts=(own,)),
        call(status=502, outcome="failed", error_type="upstream_error"),
        call(status=400, outcome="refused", attempts=(), error_code="invalid_request"),
        call(cache="exact", saved_usd=0.01, cost_usd=0.0, attempts=(), deployment=None),
        call(shadow_of="x"),
    ]


class Page:
    """Our page as `/metrics` makes it, with more calls on it each time it is asked for."""

    def __init__(self, home: Home) -> None:
        self.counters = Counters()
        tally = Tally.empty()
        tally.note("traces", Answer("sent"), 3, 1)
        gpu = Gpu(0, "NVIDIA H200", 0.5, 1000, 500, 300.0, 700.0, 50.0, ((79, 1),))
        process = Process(cpu_s=1.0, resident_bytes=1000, threads=3, open_files=9, open_files_most=99)

        def reading() -> Reading:
            return Reading(0, read_machine("/"), {"control": (1, process)}, (ENGINE,), (gpu,))

        vllm = read_families(VLLM, prefix="vllm:", labels={"deployment": "big/mine-0"}, most_samples=10)
        self.instruments = Instruments(
            ingest=Ingest(), status=StatusReader(home), counters=self.counters, without_key="always"
        )
        self.instruments.further.extend(
            [
                lambda _: machine_families(reading()),
                lambda _: export_families(tally, None),
                lambda _: merged(
                    [*engine_families((ENGINE,)), *self.counters.engine_families(), *vllm],
                ),
            ]
        )
        self.read = Event()

    def answer(self, accept: str) -> tuple[str, str]:
        """Returns the page and its type, as the scraper wants it."""
        self.counters.add(load())
        families = families_of(self.instruments, 0)
        if wants_openmetrics(accept):
            self.read.set()
            return render_openmetrics(families), OPENMETRICS_TYPE
        return render(families), CONTENT_TYPE


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Gives the page, behind which a gateway and a supervisor answer on their status sockets."""
    home = Home(str(tmp_path_factory.mktemp("h")))
    Path(home.run).mkdir()
    started: Future[Callable[[], object]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        gateway = await serve_status(home.gateway_status_socket("0"), gateway_now)
        supervisor = await serve_status(home.supervisor_status_socket, lambda: SUPERVISOR)
        started.set_result(lambda: loop.call_soon_threadsafe(stop.set))
        async with gateway, supervisor:
            await stop.wait()

    thread = Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    stop = started.result(10)
    yield Page(home)
    stop()
    thread.join(10)


@pytest.fixture(scope="module")
def address(page: Page) -> Iterator[str]:
    """Gives `host:port` where the page is served."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text, kind = page.answer(self.headers.get("accept", ""))
            self.send_response(200)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@dataclass
class Prometheus:
    """A running Prometheus."""

    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        """Returns the data of an answer of its API."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as answer:
            said = json.load(answer)
        assert said["status"] == "success", said
        return said["data"]

    def has_data(self, query: str) -> bool:
        """Says whether a query gives at least one number."""
        found = self.ask("query", query=query)["result"]
        return any(one["value"][1] != "NaN" for one in found)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, address: str) -> Iterator[Prometheus]:
    """Runs Prometheus on a free port, reading the page each second."""
    import shutil

    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is missing; `make test` installs it as root on Debian")
    folder = tmp_path_factory.mktemp("prometheus")
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "pilothouse", "static_configs": [{"targets": [address]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={listen}",
                "--enable-feature=exemplar-storage",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        running = Prometheus(f"http://{listen}")
        until(lambda: _answers(running), READY_WITHIN_S, (folder / "log").read_text)
        yield running
    finally:
        process.terminate()
        process.wait(10)


def _answers(running: Prometheus) -> bool:
    try:
        return bool(running.ask("query", query="1"))
    except OSError:
        return False


def until(is_true: Callable[[], bool], within_s: float, said: Callable[[], object]) -> None:
    ends = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < ends, said()
        time.sleep(0.2)


def queries() -> Iterator[tuple[str, str]]:
    """Yields each query of the shipped dashboards with the place it stands at."""
    for file in sorted((OPS / "grafana").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", "5s").replace("$__range", "10s")
                yield f"{file.stem}: {panel['title']}", query.replace("$model", ".*")


def test_every_query_of_the_dashboards_finds_data(prometheus: Prometheus) -> None:
    wanted = dict.fromkeys(queries())
    assert len(wanted) > 60

    def missing() -> list[tuple[str, str]]:
        for place in [place for place in wanted if prometheus.has_data(place[1])]:
            del wanted[place]
        return list(wanted)

    until(lambda: not missing(), FOUND_WITHIN_S, missing)


def test_every_rule_is_evaluated_and_names_metrics_that_there_are(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]

    until(lambda: all(rule["health"] == "ok" for rule in rules()), FOUND_WITHIN_S, rules)
    assert [rule["lastError"] for rule in rules() if rule.get("lastError")] == []
    names = {name for rule in rules() for name in re.findall(r"pilothouse_\w+", rule["query"])}
    assert len(names) > 10

    def missing() -> list[str]:
        return [name for name in sorted(names) if not prometheus.has_data(f"count({name})")]

    until(lambda: not missing(), FOUND_WITHIN_S, missing)

    def active() -> set[str]:
        return {alert["labels"]["alertname"] for alert in prometheus.ask("alerts")["alerts"]}

    until(lambda: {"PilothouseBreakerOpen", "PilothouseErrors"} <= active(), FOUND_WITHIN_S, active)
    assert "PilothouseDown" not in active()


def test_a_bucket_leads_to_a_trace(prometheus: Prometheus, page: Page) -> None:
    assert page.read.wait(READY_WITHIN_S), "Prometheus asks for OpenMetrics by itself"
    now = time.time()

    def found() -> list[Any]:
        asked = {"query": "pilothouse_request_duration_seconds_bucket", "start": str(now - 60)}
        result: list[Any] = prometheus.ask("query_exemplars", end=str(now + 60), **asked)
        return result

    until(lambda: bool(found()), FOUND_WITHIN_S, found)
    assert found()[0]["exemplars"][0]["labels"] == {"trace_id": "ab" * 16}


def test_the_page_and_the_rules_pass_prometheus_own_checks(page: Page, require: Callable[[str], str]) -> None:
    promtool = require("promtool")
    text, _ = page.answer("text/plain")
    # vLLM's own names have a colon, which the check keeps for rules.
    ours = "".join(line for line in text.splitlines(keepends=True) if "vllm:" not in line)
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=ours.encode(), capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    subprocess.run([promtool, "check", "rules", str(RULES)], check=True, capture_output=True)


def test_the_dashboards_are_those_of_the_tables() -> None:
    assert dashboards.stale(OPS / "grafana") == {}
