"""What is known of a deployment, and that a new snapshot does not forget it."""

from pilothouse.contracts.snapshot import Deployment
from pilothouse.contracts.traffic import Breaker, Retries, Routing
from pilothouse.gateway.routing.book import MOST_WILDCARDS, Book
from pilothouse.gateway.routing.vitals import LONGEST_HOLD_S, Vitals


class Waiting:
    is_stream = False

    def overdue(self, now_s: float) -> bool:
        return now_s < 0


def _failed(vitals: Vitals, times: int, now_s: float = 100.0) -> None:
    for _ in range(times):
        waiter = Waiting()
        vitals.begin(waiter, now_s)
        vitals.failed(waiter, now_s, now_s)


def test_attempts_are_counted_while_they_last() -> None:
    vitals, waiter = Vitals("d", Breaker()), Waiting()
    vitals.begin(waiter, 100.0)
    assert (vitals.in_flight, vitals.waiting) == (1, {waiter: 100.0})
    assert vitals.heard(waiter, 100.25) == 250.0
    assert vitals.waiting == {}
    vitals.succeeded(waiter, 100.0, 101.0)
    assert (vitals.in_flight, vitals.ok_total) == (0, 1)


def test_a_429_closes_it_for_as_long_as_it_asks_and_no_longer() -> None:
    vitals, waiter = Vitals("d", Breaker()), Waiting()
    vitals.begin(waiter, 100.0)
    vitals.limited(waiter, 100.0, 100.0, 7.0)
    assert not vitals.allows(106.9)
    assert vitals.breaker.state == "closed", "it is not broken"
    assert vitals.allows(107.0)
    assert not vitals.is_troubled
    vitals.begin(waiter, 200.0)
    vitals.limited(waiter, 200.0, 200.0, 86_400.0)
    assert vitals.allows(200.0 + LONGEST_HOLD_S)


def test_429s_without_a_time_close_it_for_longer_each_time() -> None:
    vitals, waits = Vitals("d", Breaker(open_ms=1_000, max_open_ms=4_000)), []
    for number in range(4):
        waiter, now_s = Waiting(), 100.0 * (number + 1)
        vitals.begin(waiter, now_s)
        vitals.limited(waiter, now_s, now_s, None)
        waits.append(vitals.held_until_s - now_s)
    assert waits == [1, 2, 4, 4]


def test_an_engine_that_is_back_is_used_at_once() -> None:
    vitals = Vitals("d", Breaker())
    _failed(vitals, 5)
    vitals.checked(100.1, is_ready=False)
    assert not vitals.allows(200.0), "not even a probe is sent to an engine that is not there"
    vitals.checked(200.0, is_ready=True)
    assert vitals.allows(200.0)
    assert not vitals.is_troubled


def test_room_is_what_the_snapshot_gives() -> None:
    vitals = Vitals("d", Breaker())
    vitals.obey(Deployment(id="d", provider="p", upstream_model="m", max_concurrency=1), Breaker())
    assert vitals.has_room
    vitals.begin(Waiting(), 100.0)
    assert not vitals.has_room


def test_the_book_keeps_what_it_knows_over_snapshots() -> None:
    book, routing = Book(), Routing()
    deployment = Deployment(id="d", provider="p", upstream_model="m")
    vitals, budget = book.vitals(deployment, routing), book.budget("model", routing)
    _failed(vitals, 5)
    budget.called(100.0)
    other = Routing(breaker=Breaker(consecutive=50), retries=Retries(budget_floor=0))
    book.keep({"d"}, {"model"})
    assert book.vitals(deployment, other) is vitals
    assert vitals.breaker.state == "open"
    assert vitals.breaker.policy.consecutive == 50, "told the new policy"
    assert book.budget("model", other) is budget
    assert not budget.take(100.0)
    book.keep((), ())
    assert book.vitals(deployment, routing) is not vitals


def test_the_status_says_what_a_person_asks() -> None:
    vitals = Vitals("d", Breaker())
    waiter = Waiting()
    vitals.begin(waiter, 100.0)
    vitals.stream.add(vitals.heard(waiter, 100.5), 100.5)
    vitals.succeeded(waiter, 100.0, 101.0)
    vitals.eject(101.0, 10.0)
    status = vitals.status("model", 101.0)
    assert (status.breaker, status.cause, status.is_ejected) == ("open", "outlier", True)
    assert (status.deployment, status.model, status.ok_total) == ("d", "model", 1)


def test_what_is_known_of_wildcard_models_outlives_a_snapshot_too() -> None:
    book, routing = Book(), Routing()
    ids = [f"vendor/model-{number}" for number in range(MOST_WILDCARDS + 1)]
    known = {
        each: book.vitals(Deployment(id=each, provider="vendor", upstream_model="m"), routing) for each in ids
    }
    closed = book.vitals(Deployment(id="other/m", provider="other", upstream_model="m"), routing)
    book.keep((), (), {"vendor"})
    last, first = ids[-1], ids[0]
    assert book.vitals(Deployment(id=last, provider="vendor", upstream_model="m"), routing) is known[last]
    assert (
        book.vitals(Deployment(id=first, provider="vendor", upstream_model="m"), routing) is not known[first]
    )
    assert book.vitals(Deployment(id="other/m", provider="other", upstream_model="m"), routing) is not closed
