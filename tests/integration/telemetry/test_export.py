"""Calls in a journal reach a receiver over OTLP: whole, at least once, content only where wanted."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from tests.integration.telemetry.otlp_receiver import Receiver, named, receiving

from pilothouse.contracts.events import Attempt, Content, RequestCompleted, RequestStarted
from pilothouse.telemetry.export.exporter import MetricsExporter, SpansExporter, Tally, export_families
from pilothouse.telemetry.export.histograms import Book
from pilothouse.telemetry.export.sender import Sender
from pilothouse.telemetry.export.spool import Spool
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.prometheus import render
from pilothouse.telemetry.segments import first_offset, list_segments, read_chunk
from pilothouse.telemetry.settings import ExportSettings, JournalSettings

NEEDLE = "a secret that nobody else may read"
SECOND = 1000
T0 = 1_800_000_000_000
OK = ExportTraceServiceResponse().SerializeToString()


@dataclass
class World:
    """A journal, a keyring, and a receiver."""

    folder: Path
    journal: Journal
    keyring: Keyring
    receiver: Receiver

    def reached(self) -> dict[str, int]:
        """Says that everything written is on record."""
        ends = {}
        for name in list_segments(str(self.folder)):
            end = first_offset(f"{self.folder}/{name}")
            while (chunk := read_chunk(f"{self.folder}/{name}", end)).end > end:
                end = chunk.end
            ends[name] = end
        return ends

    def exporter(self, **settings: Any) -> tuple[SpansExporter, Spool, Tally]:
        """Starts an exporter, as a process does."""
        chosen = ExportSettings(**{"endpoint": self.receiver.url} | settings)
        spool = Spool(str(self.folder), str(self.folder / "cursor.json"), self.reached)
        tally = Tally.empty()
        sender = Sender(chosen, {"Authorization": "Bearer x"}, "traces")
        return SpansExporter(chosen, spool, sender, self.keyring, tally), spool, tally

    def record(self, number: int, content: Content | None = None, **fields: Any) -> str:
        """Puts a call into the journal."""
        call = completed(number, **fields)
        self.journal.append(call, content)
        return call.call_id


def completed(number: int, **fields: Any) -> RequestCompleted:
    known: dict[str, Any] = {
        "call_id": f"{number:016x}" * 2, "request_id": "r", "at_ns": T0 * 1_000_000, "operation": "chat",
        "status": 200, "outcome": "completed", "model": "m", "provider": "openai", "deployment": "m/openai-0",
        "duration_ms": 20.0, "trace_id": f"{number:032x}", "span_id": f"{number:016x}", "subject": "s1",
    }  # fmt: skip
    return RequestCompleted(**known | fields)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Gives a world whose journal has one call on record already."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "master").write_bytes(os.urandom(32))
    keyring = Keyring(str(tmp_path / "keys" / "ring"), str(tmp_path / "keys" / "master"))
    small = JournalSettings(segment_bytes=1 << 16, quota_bytes=1 << 24, reserve_bytes=0)
    folder = tmp_path / "journal"
    folder.mkdir()
    journal = Journal.open(str(folder), writer="0", keyring=keyring, settings=small)
    with receiving() as receiver:
        made = World(folder, journal, keyring, receiver)
        made.record(1)
        yield made
    journal.close()


def drained(tick: Callable[[int], bool], now_ms: int = T0) -> int:
    """Ticks until there is no more; returns how often."""
    ticks = 1
    while tick(now_ms):
        ticks += 1
    return ticks


def test_calls_arrive_whole_from_the_first_start_on(world: World) -> None:
    exporter, _, tally = world.exporter(resource={"deployment.environment.name": "test"})
    drained(exporter.tick)
    assert world.receiver.got == [], "what was on record before is not sent"
    world.record(2, parent_span_id="ab" * 8, input_tokens=7, finish_reasons=("stop",), team="red")
    world.record(3, status=502, outcome="failed", error_type="upstream_error", error_message="It broke.")
    drained(exporter.tick)
    (got,) = world.receiver.got
    assert got.path == "/v1/traces"
    assert got.headers["content-type"] == "application/x-protobuf"
    assert (got.headers["content-encoding"], got.headers["authorization"]) == ("gzip", "Bearer x")
    resource = named(got.message.resource_spans[0].resource.attributes)
    assert resource["service.name"] == "pilothouse"
    assert resource["deployment.environment.name"] == "test"
    second, third = got.spans
    assert (second.trace_id.hex(), second.span_id.hex()) == (f"{2:032x}", f"{2:016x}")
    assert second.parent_span_id.hex() == "ab" * 8
    assert second.end_time_unix_nano - second.start_time_unix_nano == 20_000_000
    said = named(second.attributes)
    assert said["gen_ai.operation.name"] == "chat"
    assert said["gen_ai.usage.input_tokens"] == 7
    assert said["pilothouse.team"] == "red"
    assert [one.string_value for one in said["gen_ai.response.finish_reasons"].values] == ["stop"]
    assert (third.status.code, third.status.message) == (2, "It broke.")
    assert tally.items["traces", "sent"] == 2


def test_tries_are_spans_below_their_call(world: World) -> None:
    exporter, _, _ = world.exporter()
    drained(exporter.tick)
    failed = Attempt(deployment="a", provider="p", status=503, error_code="upstream_failed", duration_ms=5.0)
    good = Attempt(deployment="b", provider="q", started_ms=5.0, duration_ms=9.0, reason="fallback")
    world.record(2, attempts=(failed, good))
    drained(exporter.tick)
    whole, first, second = world.receiver.spans
    assert first.parent_span_id == second.parent_span_id == whole.span_id
    assert len({whole.span_id, first.span_id, second.span_id}) == 3
    assert (first.status.code, second.name) == (2, "fallback b")
    assert second.start_time_unix_nano - whole.start_time_unix_nano == 5_000_000
    assert not any(name.startswith("gen_ai.usage") for name in named(second.attributes))


def test_a_busy_receiver_is_left_alone_and_gets_all_later(world: World) -> None:
    exporter, spool, tally = world.exporter()
    drained(exporter.tick)
    world.record(2)
    world.receiver.answers.append((503, {"retry-after": "30"}, b""))
    assert drained(exporter.tick) == 1
    world.record(3)
    drained(exporter.tick, T0 + 29 * SECOND)
    assert len(world.receiver.got) == 1, "it asked for half a minute"
    assert spool.backlog_bytes > 0
    drained(exporter.tick, T0 + 31 * SECOND)
    assert [int(span.span_id.hex(), 16) for span in world.receiver.got[-1].spans] == [2, 3]
    assert tally.requests == {("traces", "later"): 1, ("traces", "sent"): 1}
    assert spool.backlog_bytes == 0


def test_waits_grow_while_nobody_answers(world: World) -> None:
    exporter, _, tally = world.exporter(endpoint="http://127.0.0.1:1", timeout_s=2.0)
    drained(exporter.tick)
    world.record(2)
    times = [at for at in range(0, 20 * SECOND, 500) if _tried(exporter, tally, T0 + at)]
    assert [late - early for early, late in itertools.pairwise(times)] == [1000, 2000, 4000, 8000]


def _tried(exporter: SpansExporter, tally: Tally, now_ms: int) -> bool:
    before = tally.requests.total()
    exporter.tick(now_ms)
    return tally.requests.total() > before


def test_what_was_not_acknowledged_is_sent_by_the_next_process(world: World) -> None:
    exporter, _, _ = world.exporter()
    drained(exporter.tick)
    world.record(2)
    drained(exporter.tick)
    world.receiver.answers.append((502, {}, b""))
    world.record(3)
    drained(exporter.tick)
    world.record(4)
    again, _, _ = world.exporter()
    drained(again.tick)
    assert [int(span.span_id.hex(), 16) for span in world.receiver.got[-1].spans] == [3, 4]
    third, _, _ = world.exporter()
    drained(third.tick)
    assert len(world.receiver.got) == 3, "and what was acknowledged is not sent again"


def test_many_calls_go_in_batches_across_segments_each_once(world: World) -> None:
    exporter, spool, tally = world.exporter(batch_spans=100)
    drained(exporter.tick)
    for number in range(2, 1002):
        world.record(number)
    assert len(world.reached()) > 2
    assert drained(exporter.tick) >= 10
    numbers = [int(span.span_id.hex(), 16) for span in world.receiver.spans]
    assert sorted(numbers) == list(range(2, 1002))
    assert max(len(got.spans) for got in world.receiver.got) == 100
    assert (tally.items["traces", "sent"], spool.lost_bytes) == (1000, 0)


def test_a_refused_batch_is_counted_and_holds_nobody_up(world: World) -> None:
    exporter, _, tally = world.exporter()
    drained(exporter.tick)
    world.record(2)
    world.receiver.answers.append((400, {}, b""))
    drained(exporter.tick)
    world.record(3)
    drained(exporter.tick)
    assert [int(span.span_id.hex(), 16) for span in world.receiver.got[-1].spans] == [3]
    assert tally.items == {("traces", "refused"): 1, ("traces", "sent"): 1}


def test_a_batch_that_is_too_large_is_halved(world: World) -> None:
    exporter, _, tally = world.exporter()
    drained(exporter.tick)
    for number in range(2, 6):
        world.record(number)
    world.receiver.answers.extend([(413, {}, b"")] * 2)
    drained(exporter.tick)
    sizes = [len(got.spans) for got in world.receiver.got]
    assert sizes[:3] == [4, 2, 1]
    assert sorted(int(span.span_id.hex(), 16) for got in world.receiver.got[2:] for span in got.spans) == [
        2, 3, 4, 5,
    ]  # fmt: skip
    assert tally.items["traces", "refused"] == 0


def test_a_receiver_that_takes_only_some_is_believed(world: World) -> None:
    exporter, _, tally = world.exporter()
    drained(exporter.tick)
    world.record(2)
    world.record(3)
    partly = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=1))
    world.receiver.answers.append((200, {}, partly.SerializeToString()))
    drained(exporter.tick)
    assert tally.items == {("traces", "sent"): 1, ("traces", "rejected"): 1}


def test_content_stays_here_unless_it_is_wanted(world: World) -> None:
    said = Content(
        request=b'{"messages":[{"role":"user","content":"%s"}]}' % NEEDLE.encode(),
        response=b'{"choices":[{"message":{"role":"assistant","content":"no"},"finish_reason":"stop"}]}',
    )
    without, _, _ = world.exporter()
    drained(without.tick)
    world.record(2, said)
    drained(without.tick)
    assert NEEDLE.encode() not in world.receiver.got[-1].body
    assert "messages" not in world.receiver.got[-1].body.decode("latin-1")
    wanted, _, _ = world.exporter(content=True)
    world.record(3, said)
    started = RequestStarted(
        call_id=completed(4).call_id, request_id="r", at_ns=1, operation="chat", model="m", subject="s1"
    )
    world.journal.append(started, Content(request=said.request))
    world.record(4, Content(response=said.response), is_stream=True)
    drained(wanted.tick)
    for span in world.receiver.got[-1].spans:
        told = named(span.attributes)
        assert NEEDLE in told["gen_ai.input.messages"]
        assert "stop" in told["gen_ai.output.messages"]
    world.record(5, said)
    world.keyring.destroy("s1")
    drained(wanted.tick)
    assert NEEDLE.encode() not in world.receiver.got[-1].body
    assert len(world.receiver.got[-1].spans) == 1


def test_a_stream_that_died_with_its_process_is_told(world: World) -> None:
    exporter, _, _ = world.exporter()
    drained(exporter.tick)
    exporter.tell([completed(9, outcome="cut", error_code="process_ended", span_id=None), completed(10)])
    drained(exporter.tick)
    drained(exporter.tick)
    (span,) = world.receiver.spans
    assert span.trace_id.hex() == f"{9:032x}"


def test_what_was_deleted_before_it_was_sent_is_counted(world: World) -> None:
    exporter, spool, tally = world.exporter(batch_spans=10)
    drained(exporter.tick)
    for number in range(2, 400):
        world.record(number)
    world.receiver.answers.append((503, {}, b""))
    drained(exporter.tick)
    oldest = list_segments(str(world.folder))[0]
    (world.folder / oldest).unlink()
    drained(exporter.tick, T0 + 10 * SECOND)
    assert spool.lost_bytes > 0
    assert 0 < len({span.span_id for span in world.receiver.spans}) < 398
    page = render(export_families(tally, spool))
    assert f"pilothouse_export_lost_bytes_total {spool.lost_bytes}\n" in page


def test_a_private_address_may_be_forbidden(world: World) -> None:
    exporter, _, tally = world.exporter(allow_private=False)
    drained(exporter.tick)
    world.record(2)
    drained(exporter.tick)
    assert world.receiver.got == []
    assert tally.requests == {("traces", "later"): 1}


@pytest.mark.parametrize(
    ("conventions", "names"),
    [
        ("1.41", {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"}),
        (
            "latest",
            {
                "gen_ai.client.inference.duration",
                "gen_ai.client.inference.operation.input_tokens",
                "gen_ai.client.inference.operation.output_tokens",
            },
        ),
    ],
)
def test_histograms_arrive_under_the_names_that_are_wanted(
    world: World, conventions: Any, names: set[str]
) -> None:
    settings = ExportSettings(endpoint=world.receiver.url, conventions=conventions)
    book, tally = Book(), Tally.empty()
    metrics = MetricsExporter(
        settings, book, Lock(), Sender(settings, {}, "metrics"), tally=tally, now_ms=T0 - 5 * SECOND
    )
    metrics.tick(T0)
    assert world.receiver.got == [], "nothing has been counted"
    tried = Attempt(deployment="d", provider="openai", status=200, duration_ms=15.0)
    book.add(completed(1, attempts=(tried,), input_tokens=3, output_tokens=2, first_token_ms=5.0))
    metrics.tick(T0)
    (got,) = world.receiver.got
    assert got.path == "/v1/metrics"
    scope = got.message.resource_metrics[0].scope_metrics[0]
    by_name = {metric.name: metric for metric in scope.metrics}
    server = {"gen_ai.server.request.duration", "gen_ai.server.time_to_first_token"}
    assert set(by_name) == names | server
    (point,) = by_name["gen_ai.server.request.duration"].histogram.data_points
    assert (point.count, point.sum, point.bucket_counts[1]) == (1, 0.02, 1)
    assert (point.start_time_unix_nano, point.time_unix_nano) == ((T0 - 5000) * 10**6, T0 * 10**6)
    assert point.exemplars[0].trace_id.hex() == f"{1:032x}"
    types = [
        named(point.attributes).get("gen_ai.token.type")
        for name, metric in by_name.items()
        if "token" in name and "client" in name
        for point in metric.histogram.data_points
    ]
    assert types == (["input", "output"] if conventions == "1.41" else [None, None])
    assert tally.items["metrics", "sent"] == 5
