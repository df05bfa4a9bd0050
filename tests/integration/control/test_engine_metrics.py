"""A vLLM behind a deployment is asked for its metrics; a server without such a page is left alone."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from pilothouse.api.engine_metrics import EngineTarget, EngineTimes, Scrapes, engine_families, merged
from pilothouse.contracts.events import Attempt, RequestCompleted
from pilothouse.contracts.status import EngineStatus
from pilothouse.telemetry.prometheus import render

PAGE = b"""\
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="big"} 5
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{model_name="big"} 0.5
"""


class Server:
    """A server of models, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.page: bytes | None = PAGE
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                self.send_response(200 if server.page is not None else 404)
                self.end_headers()
                self.wfile.write(server.page or b"")

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/metrics"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = Thread(target=lambda: made.http.serve_forever(0.01), daemon=True)
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()
    thread.join(5)


def test_a_vllm_is_asked_without_credentials_and_stands_beside_our_engines(server: Server) -> None:
    scrapes = Scrapes(lambda: [EngineTarget("big/mine-0", server.url)])
    scrapes.tick(0)
    own = EngineStatus(deployment="small/llama_cpp-0", state="ready", slots_busy=2, queued=1)
    text = render(merged([*engine_families([own]), *scrapes.families()]))
    assert 'vllm:num_requests_running{deployment="small/llama_cpp-0",model_name="small"} 2\n' in text
    assert 'vllm:num_requests_running{model_name="big",deployment="big/mine-0"} 5\n' in text
    assert 'vllm:kv_cache_usage_perc{model_name="big",deployment="big/mine-0"} 0.5\n' in text
    assert text.count("# TYPE vllm:num_requests_running") == 1
    ((path, headers),) = server.asked
    assert path == "/metrics"
    assert "authorization" not in headers


def test_a_server_without_the_page_is_left_alone_for_minutes(server: Server) -> None:
    server.page = None
    scrapes = Scrapes(lambda: [EngineTarget("big/mine-0", server.url)])
    for at_ms in (0, 10_000, 299_000):
        scrapes.tick(at_ms)
    assert len(server.asked) == 1
    server.page = PAGE
    scrapes.tick(300_000)
    assert len(scrapes.families()) == 2


def test_a_deployment_that_is_gone_has_no_metrics_left(server: Server) -> None:
    targets = [EngineTarget("big/mine-0", server.url)]
    scrapes = Scrapes(lambda: targets)
    scrapes.tick(0)
    assert scrapes.families()
    targets.clear()
    scrapes.tick(10_000)
    assert scrapes.families() == []


def test_times_to_tokens_are_those_of_the_engine_alone() -> None:
    times = EngineTimes(10)
    call = RequestCompleted(
        call_id="c", request_id="r", at_ns=0, operation="chat", status=200, outcome="completed", model="m",
        provider="llama_cpp", deployment="m/llama_cpp-0", is_stream=True, first_token_ms=150.0,
        last_token_ms=250.0, output_tokens=11, duration_ms=260.0,
        attempts=(Attempt(deployment="m/llama_cpp-0", provider="llama_cpp", started_ms=100.0),),
    )  # fmt: skip
    times.add(call)
    text = render(times.families())
    labels = 'deployment="m/llama_cpp-0",model_name="m"'
    assert f"vllm:time_to_first_token_seconds_sum{{{labels}}} 0.05\n" in text
    assert f"vllm:inter_token_latency_seconds_sum{{{labels}}} 0.01\n" in text
