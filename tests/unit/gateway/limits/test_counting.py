"""Windows that never let more in than the limit, tokens put right, budgets by the UTC calendar."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.contracts.traffic import Limits
from pilothouse.gateway.limits.cells import Cells, digest_of, row_quads
from pilothouse.gateway.limits.counting import Counting
from pilothouse.gateway.limits.gate import NANO, Gate, Ticket
from pilothouse.gateway.limits.layout import HIGH_SLOT, LAST, REQUESTS, file_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

NOW_NS = 1_795_392_000_000_000_000  # 2026-11-23T00:00:00Z


def fresh() -> Counting:
    cells = Cells(memoryview(bytearray(file_bytes(8))), rows=8, flock=lambda _handle, _operation: None)
    cells.quads[HIGH_SLOT] = 2
    return Counting(cells, 60.0)


def gate_of(counting: Counting, name: str = "key_a", **limits: float) -> Gate:
    made = counting.cells.make_row(digest_of("key", name))
    assert made is not None
    return Gate("key", name, Limits(**limits), counting.cells, made[0])  # type: ignore[arg-type] # a test's words


def enter(
    counting: Counting,
    *gates: Gate,
    at_s: float,
    tokens: int = 10,
    wish: int | None = None,
    at_ns: int = NOW_NS,
) -> Ticket | None:
    wish = tokens if wish is None else wish
    refusal, bucket, _ = counting.enter(gates, tokens, wish, now_s=at_s, now_ns=at_ns)
    return None if refusal is not None else Ticket(gates, bucket, tokens, wish)


def settle(
    counting: Counting,
    ticket: Ticket,
    *,
    at_s: float,
    used: int | None,
    usd: float = 0.0,
    at_ns: int = NOW_NS,
) -> None:
    counting.settle(
        ticket.gates, ticket, used=used, is_made=True, nano_usd=round(usd * NANO), now_s=at_s, now_ns=at_ns
    )


@given(st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=200), st.integers(1, 12))
def test_no_window_holds_more_than_the_limit(gaps: list[float], limit: int) -> None:
    counting = fresh()
    gate = gate_of(counting, requests_per_minute=limit)
    now_s, accepted = 1000.0, []
    for gap in gaps:
        now_s += gap / 5
        if enter(counting, gate, at_s=now_s):
            accepted.append(now_s)
    for begin in accepted:
        assert sum(begin <= at < begin + 60.25 for at in accepted) <= limit


@given(st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=300), st.integers(1, 12))
def test_a_limit_is_no_stricter_than_half_a_second_more(gaps: list[float], limit: int) -> None:
    counting = fresh()
    gate = gate_of(counting, requests_per_minute=limit)
    now_s, accepted = 1000.0, []
    for gap in gaps:
        now_s += gap
        if enter(counting, gate, at_s=now_s):
            accepted.append(now_s)
        else:
            assert sum(at > now_s - 60.5 for at in accepted) >= limit


def test_a_refusal_says_when_there_is_room_again() -> None:
    counting = fresh()
    gate = gate_of(counting, requests_per_minute=2)
    assert enter(counting, gate, at_s=1000.0)
    assert enter(counting, gate, at_s=1010.0)
    refusal, _, _ = counting.enter((gate,), 1, 1, now_s=1020.0, now_ns=NOW_NS)
    assert refusal is not None
    assert (refusal.kind, refusal.used, refusal.limit) == ("requests", 2, 2)
    assert 40.25 <= refusal.wait_s <= 40.5
    assert enter(counting, gate, at_s=1020.0 + refusal.wait_s)


def test_a_call_passes_all_gates_or_is_counted_at_none() -> None:
    counting = fresh()
    wide = gate_of(counting, "wide", requests_per_minute=10, concurrency=10)
    narrow = gate_of(counting, "narrow", requests_per_minute=1)
    assert enter(counting, wide, narrow, at_s=1000.0)
    assert not enter(counting, wide, narrow, at_s=1000.0)
    assert counting.totals(wide, 1000.0)[0] == 1
    assert counting.cells.under_way(wide.row_halves) == 1


def test_tokens_not_used_go_back_to_their_bucket() -> None:
    counting = fresh()
    gate = gate_of(counting, tokens_per_minute=1000)
    ticket = enter(counting, gate, at_s=1000.0, tokens=600)
    assert ticket is not None
    assert not enter(counting, gate, at_s=1001.0, tokens=600)
    settle(counting, ticket, at_s=1030.0, used=100)
    assert counting.totals(gate, 1030.0)[1] == 100
    assert counting.totals(gate, 1060.6)[1] == 0  # forgotten with the call, not with its end


def test_tokens_used_beyond_the_estimate_count_from_the_end() -> None:
    counting = fresh()
    gate = gate_of(counting, tokens_per_minute=1000)
    ticket = enter(counting, gate, at_s=1000.0, tokens=100, wish=300)
    assert ticket is not None
    settle(counting, ticket, at_s=1030.0, used=500)
    assert counting.totals(gate, 1030.0)[1] == 500
    assert counting.totals(gate, 1060.6)[1] == 200
    assert counting.totals(gate, 1091.0)[1] == 0


def test_tokens_whose_bucket_has_gone_are_not_taken_from_others() -> None:
    counting = fresh()
    gate = gate_of(counting, tokens_per_minute=1000)
    ticket = enter(counting, gate, at_s=1000.0, tokens=600)
    assert ticket is not None
    assert enter(counting, gate, at_s=1061.0, tokens=500)
    settle(counting, ticket, at_s=1062.0, used=0)
    assert counting.totals(gate, 1062.0)[1] == 500


def test_a_wish_beyond_the_limit_is_cut_to_it_and_a_demand_is_refused_for_good() -> None:
    counting = fresh()
    gate = gate_of(counting, tokens_per_minute=100)
    assert enter(counting, gate, at_s=1000.0, tokens=10, wish=300)
    assert counting.totals(gate, 1000.0)[1] == 100
    refusal, _, _ = counting.enter((gate,), 101, 101, now_s=2000.0, now_ns=NOW_NS)
    assert refusal is not None
    assert refusal.wait_s == 0


def test_calls_under_way_are_summed_over_workers_and_given_back() -> None:
    counting = fresh()
    gate = gate_of(counting, concurrency=2)
    counting.cells.halves[gate.row_halves + 1] = 1  # another worker's
    assert enter(counting, gate, at_s=1000.0)
    assert not enter(counting, gate, at_s=1000.0)
    counting.leave(gate)
    counting.leave(gate)  # more often than it came: below 0 there is nothing
    assert counting.cells.under_way(gate.row_halves) == 1
    counting.cells.clear_slot(1)
    assert counting.cells.under_way(gate.row_halves) == 0


@pytest.mark.parametrize(
    ("budget", "end", "then"),
    [
        ("budget_day_usd", "2026-11-23T23:59:59Z", "2026-11-24T00:00:00Z"),
        ("budget_month_usd", "2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z"),
        ("budget_month_usd", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
        ("budget_month_usd", "2028-02-28T12:00:00Z", "2028-03-01T00:00:00Z"),
    ],
)
def test_budgets_are_whole_again_with_the_utc_day_and_month(budget: str, end: str, then: str) -> None:
    counting = fresh()
    gate = gate_of(counting, "key_a", **{budget: 1.0})
    end_ns, then_ns = (round(datetime.fromisoformat(each).timestamp() * 1e9) for each in (end, then))
    ticket = enter(counting, gate, at_s=1000.0, at_ns=end_ns)
    assert ticket is not None
    settle(counting, ticket, at_s=1000.0, used=1, usd=1.0, at_ns=end_ns)
    refusal, _, _ = counting.enter((gate,), 1, 1, now_s=1000.0, now_ns=end_ns)
    assert refusal is not None
    assert refusal.wait_s == pytest.approx((then_ns - end_ns) / 1e9)
    assert enter(counting, gate, at_s=1000.0, at_ns=then_ns)


def test_a_months_budget_outlives_midnight() -> None:
    counting = fresh()
    gate = gate_of(counting, budget_day_usd=1.0, budget_month_usd=1.5)
    for day in (23, 24):
        at_ns = round(datetime(2026, 11, day, 12, tzinfo=UTC).timestamp() * 1e9)
        ticket = enter(counting, gate, at_s=1000.0, at_ns=at_ns)
        assert ticket is not None
        settle(counting, ticket, at_s=1000.0, used=1, usd=0.8, at_ns=at_ns)
    refusal, _, _ = counting.enter((gate,), 1, 1, now_s=1000.0, now_ns=at_ns)
    assert refusal is not None
    assert refusal.kind == "month"


def test_what_a_killed_worker_left_half_done_is_put_right_with_the_next_bucket() -> None:
    counting = fresh()
    gate = gate_of(counting, requests_per_minute=5)
    assert enter(counting, gate, at_s=1000.0)
    counting.cells.quads[gate.quads + REQUESTS] = 5  # a total without its buckets
    assert not enter(counting, gate, at_s=1000.0)
    assert enter(counting, gate, at_s=1000.25)
    assert counting.totals(gate, 1000.25)[0] == 2


def test_a_row_from_the_future_is_emptied_rather_than_trusted() -> None:
    counting = fresh()
    gate = gate_of(counting, requests_per_minute=1)
    counting.cells.quads[gate.quads + LAST] = 10**12
    counting.cells.quads[gate.quads + REQUESTS] = 10**9
    assert enter(counting, gate, at_s=1000.0)


def test_rows_are_found_again_and_run_out(make_gate: "Callable[..., Gate]", counting: Counting) -> None:
    cells = counting.cells
    rows = {make_gate(f"key_{number}").quads for number in range(48)}
    assert len(rows) == 48
    assert cells.make_row(digest_of("key", "one more")) is None
    row = cells.row_of(digest_of("key", "key_7"))
    assert row is not None
    assert row_quads(row) == make_gate("key_7").quads
    assert cells.row_of(digest_of("team", "key_7")) is None
