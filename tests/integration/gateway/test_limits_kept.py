"""What was counted outlives workers and files: two workers on one port, killed, restarted, and robbed."""

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pilothouse.contracts.traffic import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway.conftest import Reply, Rig

RED = "ph_red_0123456789"
MINUTE_NS = 60_000_000_000


def limit(rig: "Rig", limits: Limits, name: str = "key_red") -> None:
    plain = rig.snapshot()
    rig.publish(msgspec.structs.replace(plain, keys=(*plain.keys, rig.key(RED, name, limits=limits))))
    workers = range(len(rig.processes))
    rig.until(lambda: all(rig.status(each)["snapshot_revision"] == plain.revision for each in workers))


def usage(rig: "Rig", name: str = "key_red") -> dict[str, Any]:
    return next((each for each in rig.usage() if each["name"] == name), {})


def ask_from_many(rig: "Rig", clients: int, end_s: float) -> "list[Reply]":
    def client(_: int) -> "list[Reply]":
        replies = []
        while time.monotonic() < end_s:
            replies.append(rig.chat(key=RED))
            if replies[-1].status == 429:
                time.sleep(0.05)
        return replies

    with ThreadPoolExecutor(clients) as pool:
        return [reply for found in pool.map(client, range(clients)) for reply in found]


def test_two_workers_and_64_clients_never_pass_a_limit_in_a_true_minute(
    start_rig: "Callable[..., Rig]",
) -> None:
    """A thousand a minute: for nine seconds around the moment when the first are forgotten."""
    rig = start_rig(workers=2)
    limit(rig, Limits(requests_per_minute=1000))
    begun_s = time.monotonic()
    first = ask_from_many(rig, 64, begun_s + 6)
    assert sum(reply.status == 200 for reply in first) == 1000
    time.sleep(max(0.0, begun_s + 57 - time.monotonic()))
    second = ask_from_many(rig, 64, begun_s + 66)
    record = rig.record()
    accepted = [reply for reply in (*first, *second) if reply.status == 200]
    moments = sorted(record[reply.headers["x-request-id"]].end.at_ns for reply in accepted)
    assert most_within(moments, MINUTE_NS) <= 1000
    assert len(moments) > 1500


def most_within(moments: list[int], window_ns: int) -> int:
    most = start = 0
    for number, moment in enumerate(moments):
        while moment - moments[start] >= window_ns:
            start += 1
        most = max(most, number - start + 1)
    return most


def test_a_killed_workers_calls_under_way_are_given_back(start_rig: "Callable[..., Rig]") -> None:
    rig = start_rig(workers=2)
    limit(rig, Limits(concurrency=1))
    inside = threading.Event()

    def hang(connection: Any, request: bytes) -> None:
        inside.set()
        rig.upstream.hold(connection)

    usual, rig.upstream.behave = rig.upstream.behave, hang
    body = json.dumps({"model": "quiet", "messages": []}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {RED}\r\n"
    rig.raw(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    assert inside.wait(10)
    rig.upstream.behave = usual
    assert rig.chat(key=RED).status == 429
    assert usage(rig)["under_way"] == 1
    busy = next(n for n in (0, 1) if rig.status(n).get("in_flight"))
    os.kill(rig.processes[busy].pid, signal.SIGKILL)
    rig.processes[busy].wait()
    rig.until(lambda: answers(rig) == 200)


def answers(rig: "Rig") -> int:
    try:
        return rig.chat(key=RED).status
    except OSError:
        return 0


def test_windows_and_budgets_outlive_workers(start_rig: "Callable[..., Rig]") -> None:
    rig = start_rig()
    limit(rig, Limits(requests_per_minute=10, budget_month_usd=1.0))
    for _ in range(3):
        assert rig.chat(key=RED).status == 200
    for process in rig.processes:
        process.kill()
        process.wait()
    Path(rig.home.gateway_status_socket("0")).unlink()
    rig.start()
    assert usage(rig)["requests"] == 3
    assert round(usage(rig)["month_usd"], 6) == 0.0003


def test_a_lost_file_is_made_again_from_the_journal(start_rig: "Callable[..., Rig]") -> None:
    rig = start_rig()
    limit(rig, Limits(requests_per_minute=10, tokens_per_minute=10_000, budget_day_usd=1.0))
    for _ in range(3):
        assert rig.chat(key=RED).status == 200
    Path(rig.home.counters).unlink()
    rig.until(Path(rig.home.counters).exists)  # the worker that runs notices
    rig.until(lambda: round(usage(rig)["day_usd"], 6) == 0.0003)
    found = usage(rig)
    assert (found["requests"], found["tokens"]) == (3, 330)
    assert rig.chat(key=RED).status == 200
    assert rig.stop() == 0
    Path(rig.home.counters).write_bytes(b"not counters")
    Path(rig.home.budgets).unlink()
    rig.start()
    found = usage(rig)
    assert (found["requests"], found["tokens"]) == (4, 440)
    rig.until(lambda: round(usage(rig)["day_usd"], 6) == 0.0004)


def test_what_was_spent_before_there_was_a_budget_counts(start_rig: "Callable[..., Rig]") -> None:
    rig = start_rig()
    limit(rig, Limits())
    for _ in range(3):
        assert rig.chat(key=RED).status == 200
    limit(rig, Limits(budget_month_usd=0.00025))
    rig.until(lambda: rig.chat(key=RED).status == 429)
