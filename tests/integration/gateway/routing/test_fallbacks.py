"""Fallbacks by kind of error, hedges, mirrors, arms, and what keeps calls together."""

import json
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from pilothouse.contracts.snapshot import Deployment, ModelRoute, Provider
from pilothouse.contracts.traffic import Arm, Breaker, Experiment, Retries, Routing, Shadow

if TYPE_CHECKING:
    from tests.integration.gateway.conftest import Rig
    from tests.integration.gateway.routing.conftest import Fleet

NO_RETRIES = Retries(attempts=0)


def _error(message: str, code: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "code": code}}).encode()


FAULTS: dict[str, tuple[str, bytes]] = {
    "outage": ("500 No", _error("down")),
    "rate_limit": ("429 No", _error("slow down")),
    "context_length": ("400 No", _error("too long", "context_length_exceeded")),
    "content_filter": ("400 No", _error("no", "content_filter")),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", list(FAULTS))
def test_each_kind_has_its_own_list(fleet: "Fleet", kind: str, stream: bool) -> None:  # noqa: FBT001 - a parameter
    others = {name: (f"for-{name}",) for name in FAULTS}
    more = tuple(fleet.other(f"for-{name}", "b" if name == kind else "c") for name in FAULTS)
    fleet.steer(Routing(retries=NO_RETRIES, fallbacks=others), "a", more=more)  # type: ignore[arg-type] # literals
    status, body = FAULTS[kind]
    fleet["a"].behave = fleet.refuses(status, body)
    reply = fleet.ask(stream=stream)
    assert fleet.text(reply) == "b"
    assert [(name, reason) for name, reason, _ in fleet.attempts(reply)] == [
        ("a", "first"),
        ("b", "fallback"),
    ]
    assert fleet.model.encode() in reply.body, "under the name that was asked for"
    end = fleet.rig.recorded(reply).end
    assert (end.model, end.provider) == (fleet.model, "b")
    assert end.cost_usd is not None, "at the price of who answered"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_a_filter_emptied_counts_as_filtered(fleet: "Fleet", stream: bool) -> None:  # noqa: FBT001 - a parameter
    def filtered(connection: socket.socket, _: bytes) -> None:
        if stream:
            pieces = [
                fleet.wire.chunk({"role": "assistant", "content": ""}),
                fleet.wire.chunk({}, "content_filter"),
            ]
            fleet.stream(connection, *pieces, b"data: [DONE]\n\n")
            connection.sendall(b"0\r\n\r\n")
            return
        choice = {"index": 0, "message": {"content": ""}, "finish_reason": "content_filter"}
        fleet.wire.answer_json(connection, json.dumps({**fleet.wire.CHAT, "choices": [choice]}).encode())

    fleet["a"].behave = filtered
    fleet.steer(Routing(fallbacks={"content_filter": ("free",)}), "a", more=(fleet.other("free", "b"),))
    assert fleet.text(fleet.ask(stream=stream)) == "b"
    fleet.steer(Routing(), "a")
    reply = fleet.ask(stream=stream)
    assert b"content_filter" in reply.body, "without a fallback it is passed on"
    assert fleet.rig.recorded(reply).end.outcome == "completed"


def test_the_list_is_tried_in_order_and_each_by_its_own_strategy(fleet: "Fleet") -> None:
    more = (fleet.other("second", "b"), fleet.other("third", "c"))
    routing = Routing(retries=NO_RETRIES, fallbacks={"outage": ("absent", "second", "third")})
    fleet.steer(routing, "a", more=more)
    fleet["a"].behave = fleet["b"].behave = fleet.refuses("500 No")
    reply = fleet.ask()
    assert fleet.text(reply) == "c"
    assert [name for name, *_ in fleet.attempts(reply)][:2] == ["a", "b"]
    assert fleet.attempts(reply)[-1][:2] == ("c", "fallback")


def test_when_the_fallbacks_fail_the_caller_learns_what_it_can_mend(fleet: "Fleet") -> None:
    fleet.steer(Routing(fallbacks={"context_length": ("longer",)}), "a", more=(fleet.other("longer", "b"),))
    fleet["a"].behave = fleet.refuses(*FAULTS["context_length"])
    fleet["b"].behave = fleet.refuses("500 No")
    reply = fleet.ask()
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")


def test_a_broken_model_goes_to_its_fallback_at_once(fleet: "Fleet") -> None:
    breaker = Breaker(consecutive=1, open_ms=60_000, max_open_ms=60_000)
    routing = Routing(retries=NO_RETRIES, breaker=breaker, fallbacks={"outage": ("spare",)})
    fleet.steer(routing, "a", more=(fleet.other("spare", "b"),))
    fleet["a"].behave = fleet.refuses("500 No")
    assert fleet.text(fleet.ask()) == "b"
    before = len(fleet["a"].requests)
    reply = fleet.ask()
    assert fleet.attempts(reply) == [("b", "fallback", None)]
    assert len(fleet["a"].requests) == before


@pytest.mark.parametrize("stream", [False, True])
def test_a_hedge_answers_when_the_first_is_slow(fleet: "Fleet", stream: bool) -> None:  # noqa: FBT001 - a parameter
    fleet.steer(Routing(hedge_after_ms=50), "a", "b", a={"weight": 1_000_000})
    fleet["a"].behave = fleet.hangs("a")
    reply = fleet.ask(stream=stream)
    assert fleet.text(reply) == "b"
    assert fleet.attempts(reply) == [("a", "first", "overtaken"), ("b", "hedge", None)]
    assert fleet["a"].gone.wait(10), "the slow one is cancelled"
    gauges = fleet.vitals("a")
    assert (gauges["in_flight"], gauges["breaker"]) == (0, "closed")


def test_hedges_come_out_of_the_retry_budget(fleet: "Fleet") -> None:
    retries = Retries(attempts=0, budget_ratio=0.0, budget_floor=1)
    fleet.steer(Routing(hedge_after_ms=20, retries=retries), "a", "b", a={"weight": 1_000_000})

    def slow(connection: socket.socket, request: bytes) -> None:
        time.sleep(0.2)
        fleet.says("a")(connection, request)

    fleet["a"].behave = slow
    assert [fleet.text(fleet.ask()) for _ in range(3)] == ["b", "a", "a"]


def test_the_faster_deployment_is_found(fleet: "Fleet") -> None:
    fleet.steer(Routing(strategy="lowest_latency"), "a", "b")

    def slow(connection: socket.socket, request: bytes) -> None:
        time.sleep(0.3)
        fleet.says("a")(connection, request)

    fleet["a"].behave = slow
    fleet.rig.until(lambda: fleet.text(fleet.ask()) and fleet.vitals("a").get("ok_total"))
    assert Counter(fleet.text(fleet.ask()) for _ in range(20))["b"] >= 15


def test_a_hedge_that_is_not_needed_or_fails_changes_nothing(fleet: "Fleet") -> None:
    fleet.steer(Routing(hedge_after_ms=30), "a", "b", a={"weight": 1_000_000})
    assert fleet.attempts(fleet.ask()) == [("a", "first", None)]
    asked = fleet["b"].requests

    def when_b_was_asked(connection: socket.socket, request: bytes) -> None:
        fleet.rig.until(lambda: asked)
        fleet.says("a")(connection, request)

    fleet["a"].behave = when_b_was_asked
    fleet["b"].behave = fleet.refuses("500 No")
    reply = fleet.ask()
    assert fleet.text(reply) == "a"
    assert {name for name, *_ in fleet.attempts(reply)} == {"a", "b"}


def test_a_first_attempt_that_fails_leaves_the_call_to_its_hedge(fleet: "Fleet") -> None:
    fleet.steer(Routing(hedge_after_ms=30), "a", "b", a={"weight": 1_000_000})
    asked = fleet["b"].requests

    def dies_when_b_was_asked(connection: socket.socket, _: bytes) -> None:
        fleet.rig.until(lambda: asked)
        connection.close()

    def waits_for_a(connection: socket.socket, request: bytes) -> None:
        fleet.rig.until(lambda: fleet.vitals("a").get("failed_total"))
        fleet.says("b")(connection, request)

    fleet["a"].behave, fleet["b"].behave = dies_when_b_was_asked, waits_for_a
    reply = fleet.ask()
    assert fleet.text(reply) == "b"
    assert fleet.attempts(reply) == [("a", "first", "upstream_reset"), ("b", "hedge", None)]


@pytest.mark.parametrize("stream", [False, True])
def test_a_mirrored_call_is_recorded_beside_the_original(fleet: "Fleet", stream: bool) -> None:  # noqa: FBT001 - a parameter
    routing = Routing(shadows=(Shadow(model="candidate"),))
    fleet.steer(routing, "a", more=(fleet.other("candidate", "b"),))
    reply = fleet.ask(stream=stream)
    assert fleet.text(reply) == "a"
    original = fleet.rig.recorded(reply).end

    def mirror() -> Any:
        calls = [call for call in fleet.rig.record().values() if call.completed]
        return next((call for call in calls if call.end.shadow_of == original.call_id), None)

    shadow = fleet.rig.until(mirror)
    assert (shadow.end.model, shadow.end.purpose, shadow.end.outcome) == ("candidate", "shadow", "completed")
    assert shadow.end.cost_usd is not None
    assert b"Say hello." in shadow.request
    assert b'"b"' in shadow.response
    fleet.rig.until(lambda: fleet.rig.status().get("in_flight", 0) == 0)


def test_a_mirror_that_hangs_or_fails_is_never_noticed(fleet: "Fleet") -> None:
    fleet.steer(
        Routing(shadows=(Shadow(model="candidate"), Shadow(model="absent"))),
        "a",
        more=(fleet.other("candidate", "b"),),
    )
    fleet["b"].behave = fleet.hangs("b")
    assert {fleet.text(reply) for reply in fleet.many(6)} == {"a"}
    fleet["b"].behave = fleet.refuses("500 No")
    assert {fleet.text(reply) for reply in fleet.many(6)} == {"a"}


def test_a_mirror_under_way_is_on_record_when_the_worker_stops(fresh: "Rig") -> None:
    other = type(fresh.upstream)()
    other.behave = lambda connection, _: other.hold(connection)
    deployments = [
        Deployment(id=f"{name}/0", provider=name, upstream_model="m") for name in ("vendor", "other")
    ]
    routing = Routing(shadows=(Shadow(model="other"),))
    fresh.publish(
        fresh.snapshot(
            models=(
                ModelRoute(name="quiet", kind="chat", deployments=(deployments[0],), routing=routing),
                ModelRoute(name="other", kind="chat", deployments=(deployments[1],)),
            ),
            providers=(
                Provider(name="vendor", base_url=fresh.upstream.url),
                Provider(name="other", base_url=other.url),
            ),
            wildcard_providers=(),
        )
    )
    fresh.start()
    original = fresh.chat()
    fresh.until(lambda: other.requests)
    assert fresh.stop() == 0
    other.close()
    calls = [call.end for call in fresh.record().values()]
    assert sorted((end.purpose, end.outcome) for end in calls) == [("serve", "completed"), ("shadow", "cut")]
    assert original.status == 200


def test_arms_go_to_their_own_deployments_and_are_on_record(fleet: "Fleet") -> None:
    experiment = Experiment(name="prompts", arms=(Arm("control", 1), Arm("new", 1)))
    fleet.steer(Routing(experiment=experiment), "a", "b", a={"arm": "control"}, b={"arm": "new"})
    seen: dict[str, set[str]] = {}
    for number in range(30):
        metadata = {"conversation_id": f"conversation-{number % 10}"}
        reply = fleet.ask(metadata=metadata)
        end = fleet.rig.recorded(reply).end
        assert (end.experiment, end.arm) == ("prompts", {"a": "control", "b": "new"}[fleet.text(reply)])
        seen.setdefault(metadata["conversation_id"], set()).add(fleet.text(reply))
    assert all(len(arms) == 1 for arms in seen.values()), "a conversation stays in its arm"
    assert len(set.union(*seen.values())) == 2


@pytest.mark.parametrize("strategy", ["sticky", "prefix_affinity"])
def test_a_conversation_stays_where_it_began(fleet: "Fleet", strategy: Any) -> None:
    fleet.steer(Routing(strategy=strategy), "a", "b", "c")
    places: Counter[str] = Counter()
    for number in range(12):
        turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": f"Question {number}"}]
        ask = {"model": fleet.model, "messages": turns}
        first = fleet.text(fleet.rig.post("/v1/chat/completions", ask))
        turns += [{"role": "assistant", "content": first}, {"role": "user", "content": "And then?"}]
        assert fleet.text(fleet.rig.post("/v1/chat/completions", ask)) == first
        places[first] += 1
    assert len(places) == 3
