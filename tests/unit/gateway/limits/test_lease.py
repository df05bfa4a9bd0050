"""Leases: what is taken was leased, what runs out goes back, and what is wanted is asked for."""

from typing import TYPE_CHECKING

from pilothouse.gateway.limits.lease import Held, Lease, Pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from pilothouse.gateway.limits.gate import Gate


def test_a_pool_is_taken_from_its_oldest_blocks() -> None:
    pool = Pool(100)
    pool.grant(7, 3, until_s=10.0)
    pool.grant(8, 5, until_s=11.0)
    assert pool.take(4) == 7
    assert (pool.left, pool.blocks[0].bucket, pool.blocks[0].left) == (4, 8, 4)


def test_what_runs_out_goes_back_to_its_bucket() -> None:
    pool = Pool(100)
    pool.grant(7, 3, until_s=10.0)
    pool.grant(8, 5, until_s=11.0)
    pool.take(1)
    pool.drop_expired(10.0)
    assert (pool.left, pool.returns) == (5, {7: 2})
    pool.drop_expired(12.0)
    assert (pool.left, pool.returns) == (0, {7: 2, 8: 5})


def test_a_question_covers_those_that_wait_and_what_will_be_used() -> None:
    pool = Pool(1000)
    assert pool.question() == 1
    pool.wanted = 200
    assert pool.question() == 200  # though one lease is no more than an eighth of the limit
    pool.grant(7, 400, until_s=10.0)
    pool.take(300)
    assert pool.question() == 125 - 100


def test_a_call_without_a_lease_waits_and_asks(make_gate: "Callable[..., Gate]") -> None:
    gate = make_gate(requests_per_minute=10, tokens_per_minute=100, concurrency=5)
    lease = Lease(gate)
    assert lease.lacks(30, now_s=1.0)
    assert (lease.requests.wanted, lease.tokens.wanted, lease.calls_wanted) == (1, 30, 1)
    lease.requests.grant(7, 1, until_s=2.0)
    lease.tokens.grant(7, 30, until_s=2.0)
    lease.units = 1
    assert not lease.lacks(30, now_s=1.0)


def test_what_was_not_used_goes_back_and_what_was_beyond_is_owed(make_gate: "Callable[..., Gate]") -> None:
    lease = Lease(make_gate(requests_per_minute=10, tokens_per_minute=100))
    for bucket in (7, 8, 9):
        lease.requests.grant(bucket, 1, until_s=2.0)
        lease.tokens.grant(bucket, 30, until_s=2.0)
    helds = [Held(lease, 30) for _ in range(3)]
    helds[0].settle(10, is_made=True)
    helds[1].settle(50, is_made=True)
    helds[2].settle(0, is_made=False)
    assert lease.tokens.returns == {7: 20, 9: 30}
    assert lease.tokens.owed == 20
    assert lease.requests.returns == {9: 1}
