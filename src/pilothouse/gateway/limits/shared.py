"""The limits of all hosts: leases from Valkey or Redis, asked for ahead by one task, never by a call.

A call takes from what is leased. When that is not enough it waits for the task's next answer, at most for the
deadline; when the store is gone, the configured choice is taken at once: `open` lets the call go on by this
host's own counters, `closed` refuses it. Refuses to know calls. Invariant: nothing here blocks the loop, and
each waiter is called back exactly once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from math import ceil
from time import perf_counter, time_ns
from typing import Any, Final, Literal

import redis.asyncio as valkey
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from pilothouse.gateway.limits.cells import digest_of
from pilothouse.gateway.limits.counting import Counting, needed
from pilothouse.gateway.limits.gate import MOST_IN_A_WINDOW, NO_LIMIT, Gate, Refusal
from pilothouse.gateway.limits.lease import Held, Lease, Pool
from pilothouse.gateway.limits.script import LEASE

Verdict = Literal["go", "wait", "alone"]

DEADLINE_S: Final = 0.25
"""How long one question may take; then the store counts as gone."""
RETRY_S: Final = 0.25
"""How often a store that is gone is tried."""
IDLE_S: Final = 1.0
"""How often a store is asked for a sign of life while there is nothing to lease."""
LEASES_A_WINDOW: Final = 60
"""A lease is good for this part of the window: 1 s of 60 s."""
SHORTEST_LEASE_S: Final = 0.2
QUESTIONS_A_LEASE: Final = 4
BUCKETS: Final = 120
SILENT_MS: Final = 10_000
"""How long the calls of a worker that no longer reports count as under way."""

logger = logging.getLogger(__name__)


class SharedLimits:
    """One worker's leases, and the task that renews them."""

    def __init__(self, url: str, *, namespace: str, window_s: float, host: str, worker: str) -> None:
        self._url = url
        self._namespace = namespace
        self._host = host
        self._worker = f"{host}/{worker}"
        self._width_ms = max(1, round(window_s * 1000 / BUCKETS))
        self._lease_s = max(window_s / LEASES_A_WINDOW, SHORTEST_LEASE_S)
        self._keep = ceil((window_s + self._lease_s) * 1000 / self._width_ms)
        self._leases: dict[tuple[str, str], Lease] = {}
        self._waiters: list[Callable[[], None]] = []
        self._wake = asyncio.Event()
        self._sha = ""
        self.loss: str | None = "it was not asked yet"
        """Why the store is gone; `None` while it answers."""
        self.asked = asyncio.Event()
        """Set once it has answered or was found gone."""

    # -- what a call asks ---------------------------------------------------------------------------

    def check(
        self, counting: Counting, gates: tuple[Gate, ...], least: int, wish: int, now_s: float
    ) -> Verdict | Refusal:
        """Says whether a call can go on by what is leased, waits, goes on without, or is refused."""
        if self.loss is not None and self.asked.is_set():
            return "alone"
        lacks = False
        for gate in gates:
            lease, tokens = self._lease(gate), needed(gate, least, wish)
            if gate.has_money and lease.heard_s > 0 and (refusal := _spent(counting, lease)) is not None:
                return refusal
            if lease.lacks(tokens, now_s):
                lacks = True
                refusal = _full(lease, tokens, now_s)
                if refusal is not None:
                    return refusal
        if lacks:
            self._wake.set()
        return "wait" if lacks else "go"

    def take(self, gates: tuple[Gate, ...], least: int, wish: int) -> list[Held]:
        """Takes what a call needs; `check` has just said that it can go on."""
        return [
            Held(self._lease(gate), needed(gate, least, wish) if gate.tokens != NO_LIMIT else 0)
            for gate in gates
        ]

    def refusal_after_answer(self, gates: tuple[Gate, ...], least: int, wish: int, now_s: float) -> Refusal:
        """Returns why a call that has waited for an answer cannot go on."""
        for gate in gates:
            lease, tokens = self._lease(gate), needed(gate, least, wish)
            if gate.requests != NO_LIMIT and lease.requests.left < 1:
                return _refusal(lease, lease.requests, "requests", 1, now_s)
            if gate.tokens != NO_LIMIT and lease.tokens.left < tokens:
                return _refusal(lease, lease.tokens, "tokens", tokens, now_s)
        gate = gates[0]
        for each in gates:
            if each.concurrency != NO_LIMIT and self._lease(each).under_way() >= self._lease(each).units:
                gate = each
        used = max(0, gate.concurrency)
        return Refusal(gate, "concurrency", limit=used, used=used, asked=1, wait_s=1.0)

    def wait(self, waiter: Callable[[], None]) -> None:
        """Calls `waiter` back when the store has answered, or is found gone."""
        self._waiters.append(waiter)
        self._wake.set()

    def _lease(self, gate: Gate) -> Lease:
        lease = self._leases.get((gate.scope, gate.name))
        if lease is None:
            lease = self._leases[gate.scope, gate.name] = Lease(gate)
        elif lease.gate is not gate:
            lease.relimit(gate)
        return lease

    # -- the task -----------------------------------------------------------------------------------

    async def run(self, counting: Callable[[], Counting]) -> None:
        """Renews the leases until cancelled; comes back by itself after a loss."""
        try:
            client = valkey.Redis.from_url(
                self._url,
                socket_timeout=DEADLINE_S,
                socket_connect_timeout=DEADLINE_S,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError:
            self._lost("its address is not one")
            return
        try:
            while True:
                try:
                    await self._serve(client, counting)
                except (RedisError, OSError, TimeoutError) as error:
                    self._lost(type(error).__name__)
                await asyncio.sleep(RETRY_S)
        finally:
            self._lost("its task has ended")
            await client.aclose()

    async def _serve(self, client: "valkey.Redis", counting: Callable[[], Counting]) -> None:
        async with asyncio.timeout(2 * DEADLINE_S):
            self._sha = str(await client.script_load(LEASE))
        if self.loss is not None:
            logger.info("the shared counters answer")
        self.loss = None
        self.asked.set()
        while True:
            leases = [lease for lease in self._leases.values() if lease.has_news(perf_counter())]
            async with asyncio.timeout(DEADLINE_S):
                if leases:
                    await self._ask(client, leases, counting())
                else:
                    await client.ping()
            self._release()
            pause_s = self._lease_s / QUESTIONS_A_LEASE if leases else IDLE_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            self._wake.clear()

    async def _ask(self, client: "valkey.Redis", leases: list[Lease], counting: Counting) -> None:
        asked_s = perf_counter()
        counting.calendar.turn(time_ns())
        pipe = client.pipeline(transaction=False)
        for lease in leases:
            pipe.evalsha(self._sha, 4, *self._question(lease, counting, asked_s))
        answers: list[Any] = await pipe.execute(raise_on_error=False)
        for lease, answer in zip(leases, answers, strict=True):
            if isinstance(answer, NoScriptError):
                self._sha = str(await client.script_load(LEASE))
            elif isinstance(answer, Exception):
                raise answer
            else:
                self._take_in(lease, [int(each) for each in answer], asked_s)

    def _question(self, lease: Lease, counting: Counting, now_s: float) -> list[str | int]:
        gate, requests, tokens = lease.gate, lease.requests, lease.tokens
        tag = f"{self._namespace}:{{{digest_of(gate.scope, gate.name).hex()}}}"
        calendar = counting.calendar
        day, month = counting.spent(gate) if gate.has_money else ("", "")
        is_active = lease.active_until_s > now_s
        owed, tokens.owed = tokens.owed, 0
        asked: list[str | int] = [
            f"{tag}:w", f"{tag}:c", f"{tag}:d{calendar.day}", f"{tag}:m{calendar.month}",
            self._width_ms, self._keep,
            gate.requests, requests.question() if is_active else 0,
            gate.tokens, tokens.question() if is_active else 0, owed,
            self._worker, gate.concurrency, lease.wanted_units(now_s), lease.under_way(), SILENT_MS,
            self._host, day, month,
        ]  # fmt: skip
        for kind, pool in (("r", requests), ("t", tokens)):
            for bucket, count in pool.returns.items():
                asked += (kind, bucket, count)
            pool.returns = {}
        return asked

    def _take_in(self, lease: Lease, answer: list[int], asked_s: float) -> None:
        bucket, requests, requests_wait, tokens, tokens_wait, units, day, month = answer
        until_s = asked_s + self._lease_s
        now_s = lease.heard_s = perf_counter()
        for pool, count, wait_ms in (
            (lease.requests, requests, requests_wait),
            (lease.tokens, tokens, tokens_wait),
        ):
            pool.grant(bucket, count, until_s)
            pool.room_at_s = now_s + wait_ms / 1000
            pool.full_until_s = now_s + min(wait_ms / 1000, self._lease_s / 2)
        lease.units, lease.day_elsewhere, lease.month_elsewhere = units, day, month

    def _lost(self, reason: str) -> None:
        if self.loss is None or not self.asked.is_set():
            logger.warning("the shared counters are gone: %s", reason)
        self.loss = reason
        self._release()

    def _release(self) -> None:
        self.asked.set()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter()


def _full(lease: Lease, tokens: int, now_s: float) -> Refusal | None:
    if lease.gate.requests != NO_LIMIT and lease.requests.is_full(1, now_s):
        return _refusal(lease, lease.requests, "requests", 1, now_s)
    if lease.gate.tokens != NO_LIMIT and lease.tokens.is_full(tokens, now_s):
        return _refusal(lease, lease.tokens, "tokens", tokens, now_s)
    return None


def _refusal(
    lease: Lease, pool: Pool, kind: Literal["requests", "tokens"], asked: int, now_s: float
) -> Refusal:
    limit = min(pool.limit, MOST_IN_A_WINDOW)
    wait_s = 0.0 if asked > limit else max(0.001, pool.room_at_s - now_s)
    return Refusal(lease.gate, kind, limit=limit, used=limit, asked=asked, wait_s=wait_s)


def _spent(counting: Counting, lease: Lease) -> Refusal | None:
    """Returns a refusal when all hosts together have spent a budget."""
    gate, now_ns = lease.gate, time_ns()
    counting.calendar.turn(now_ns)
    day, month = counting.spent(gate)
    if 0 <= gate.month <= month + lease.month_elsewhere:
        wait_s = counting.calendar.month_left_s(now_ns)
        return Refusal(
            gate, "month", limit=gate.month, used=month + lease.month_elsewhere, asked=0, wait_s=wait_s
        )
    if 0 <= gate.day <= day + lease.day_elsewhere:
        wait_s = counting.calendar.day_left_s(now_ns)
        return Refusal(gate, "day", limit=gate.day, used=day + lease.day_elsewhere, asked=0, wait_s=wait_s)
    return None
