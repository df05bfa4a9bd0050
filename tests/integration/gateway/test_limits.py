"""Limits of keys, teams and models, as clients of a real gateway meet them."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pilothouse.contracts.traffic import NO_LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway.conftest import Reply, Rig

WINDOW_S = 3.0
READ_TO_COUNTED_S = 0.1
"""The record says when a call was read: on a busy machine it is counted so much later at the most."""
RED = "ph_red_0123456789"


def limit(
    rig: "Rig", limits: Limits = NO_LIMITS, *, team: Limits | None = None, model: Limits | None = None
) -> str:
    """Publishes a snapshot with one limited key, its team and the model `quiet`; returns the key's name."""
    plain = rig.snapshot()
    name = f"key_{plain.revision}"  # counted apart from other tests'
    key = rig.key(RED, name, team=f"team_{plain.revision}", limits=limits)
    models = tuple(
        each if each.name != "quiet" or model is None else type(each)(**{**fields(each), "limits": model})
        for each in plain.models
    )
    teams = {} if team is None else {f"team_{plain.revision}": team}
    fresh = type(plain)(**{**fields(plain), "keys": (*plain.keys, key), "teams": teams, "models": models})
    rig.publish(fresh)
    rig.until(lambda: rig.status()["snapshot_revision"] == plain.revision)
    return name


def fields(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


@pytest.fixture(scope="module")
def worker(start_rig: "Callable[..., Rig]") -> "Rig":
    return start_rig({"window_s": WINDOW_S})


def test_calls_without_limits_say_nothing_of_them(rig: "Rig") -> None:
    limit(rig, Limits(requests_per_minute=1))
    assert not [name for name in rig.chat().headers if "ratelimit" in name]
    assert rig.status().get("counters") == "host"


def test_requests_a_minute_are_counted_told_and_refused(rig: "Rig") -> None:
    name = limit(rig, Limits(requests_per_minute=3))
    replies = [rig.chat(key=RED) for _ in range(5)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429, 429]
    assert [reply.headers["x-ratelimit-remaining-requests"] for reply in replies] == ["2", "1", "0", "0", "0"]
    assert {reply.headers["x-ratelimit-limit-requests"] for reply in replies} == {"3"}
    refused = replies[-1]
    assert refused.error["code"] == "rate_limit_exceeded"
    assert name in refused.error["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= WINDOW_S + 1
    assert refused.headers["x-ratelimit-reset-requests"].endswith("s")
    assert rig.recorded(refused).end.outcome == "refused"


def test_a_session_and_a_rotated_key_are_counted_as_the_key_they_came_from(rig: "Rig") -> None:
    plain, limits = rig.snapshot(), Limits(requests_per_minute=3)
    name = f"key_{plain.revision}"
    blue, green = "ph_blue_0123456789", "ph_green_0123456789"
    keys = (
        rig.key(RED, name, limits=limits),
        rig.key(blue, f"{name}_next", limits=limits, counted_as=name),
        rig.key(green, f"ses_{plain.revision}", limits=limits, counted_as=name),
    )
    fresh = type(plain)(**{**fields(plain), "keys": (*plain.keys, *keys)})
    rig.publish(fresh)
    rig.until(lambda: rig.status()["snapshot_revision"] == plain.revision)
    assert [rig.chat(key=key).status for key in (RED, blue, green, RED, blue, green)] == [200] * 3 + [429] * 3
    assert [each["name"] for each in rig.usage() if each["scope"] == "key" and each["name"] == name] == [name]
    assert not [each for each in rig.usage() if each["name"] in {f"{name}_next", f"ses_{plain.revision}"}]


def test_a_window_slides(rig: "Rig") -> None:
    limit(rig, Limits(requests_per_minute=2))
    assert [rig.chat(key=RED).status for _ in range(3)] == [200, 200, 429]
    begun = time.monotonic()
    rig.until(lambda: rig.chat(key=RED).status == 200)
    assert time.monotonic() - begun > WINDOW_S / 2


def test_tokens_are_reserved_and_settled_by_usage(rig: "Rig") -> None:
    limit(rig, Limits(tokens_per_minute=1000))
    reply = rig.chat(key=RED, max_tokens=500)
    reserved = 1000 - int(reply.headers["x-ratelimit-remaining-tokens"])
    assert reserved > 500
    reply = rig.chat(key=RED, max_tokens=500)  # 110 were used, so that there is room for it
    assert reply.status == 200
    assert 1000 - int(reply.headers["x-ratelimit-remaining-tokens"]) == 110 + reserved


def test_a_call_that_asks_for_more_than_the_limit_is_told_so(rig: "Rig") -> None:
    limit(rig, Limits(tokens_per_minute=100))
    reply = rig.chat(key=RED, max_tokens=500)
    assert reply.status == 429
    assert "max_tokens" in reply.error["hint"]
    assert "retry-after" not in reply.headers
    assert rig.chat(key=RED, max_tokens=20).status == 200


def test_team_and_model_bound_their_keys_together(rig: "Rig") -> None:
    limit(rig, team=Limits(requests_per_minute=1))
    assert [rig.chat(key=RED).status for _ in range(2)] == [200, 429]
    limit(rig, model=Limits(requests_per_minute=1))
    assert [rig.chat(key=key).status for key in (RED, RED)] == [200, 429]


def test_calls_under_way_are_bounded_however_they_end(rig: "Rig") -> None:
    limit(rig, Limits(concurrency=1))
    usual, inside, go = rig.upstream.behave, threading.Event(), threading.Event()

    def slow(connection: Any, request: bytes) -> None:
        inside.set()
        go.wait(10)
        usual(connection, request)

    for ending in ("answered", "hung up", "failed"):
        rig.upstream.behave = slow
        inside.clear()
        go.clear()
        body = json.dumps({"model": "quiet", "messages": [{"role": "user", "content": "x"}]}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {RED}\r\n"
        connection = rig.raw(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        assert inside.wait(10)
        refused = rig.chat(key=RED)
        assert refused.status == 429, ending
        assert refused.headers["retry-after"] == "1"
        if ending == "hung up":
            connection.close()
        elif ending == "failed":
            rig.upstream.behave = lambda connection, _: connection.close()
            connection.close()
        go.set()
        rig.upstream.behave = usual
        rig.until(lambda: rig.chat(key=RED).status == 200)


def test_a_budget_is_spent_and_then_refused(rig: "Rig") -> None:
    limit(rig, Limits(budget_day_usd=0.0002))  # a call costs 0.0001: 60 tokens at $1, 40 at $0.5, 10 at $2
    replies = [rig.chat(key=RED) for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 429, 429]
    refused = replies[-1]
    assert refused.error["code"] == "insufficient_quota"
    assert "budget" in refused.error["message"]
    assert int(refused.headers["retry-after"]) <= 86_400


def test_usage_can_be_read(rig: "Rig") -> None:
    name = limit(rig, Limits(requests_per_minute=5, budget_month_usd=1.0))
    rig.chat(key=RED)
    (entry,) = [each for each in rig.usage() if each["name"] == name]
    assert entry["requests"] == 1
    assert entry["month_usd"] == pytest.approx(0.0001)
    assert entry["limits"]["requests_per_minute"] == 5


def test_64_clients_never_pass_a_limit_in_any_window(rig: "Rig") -> None:
    limit(rig, Limits(requests_per_minute=200))
    end = time.monotonic() + 2.5 * WINDOW_S

    def client(_: int) -> "list[Reply]":
        replies = []
        while time.monotonic() < end:
            replies.append(rig.chat(key=RED))
            if replies[-1].status == 429:
                time.sleep(0.02)
        return replies

    with ThreadPoolExecutor(64) as pool:
        replies = [reply for found in pool.map(client, range(64)) for reply in found]
    assert {reply.status for reply in replies} == {200, 429}
    record = rig.record()
    moments = sorted(record[r.headers["x-request-id"]].end.at_ns for r in replies if r.status == 200)
    assert most_in_a_window(moments) <= 200
    assert len(moments) >= 400


def most_in_a_window(moments: list[int]) -> int:
    """Returns the most calls that lie within any one window."""
    most = start = 0
    for number, moment in enumerate(moments):
        while moment - moments[start] >= (WINDOW_S - READ_TO_COUNTED_S) * 1e9:
            start += 1
        most = max(most, number - start + 1)
    return most
