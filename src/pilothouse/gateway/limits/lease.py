"""Leases: what one worker may let through before it asks the shared store again.

A block of requests or tokens is taken from the limit of all hosts ahead of its use, and is good for a short
time from before it was asked for. The store counts it for the window and that time, so however late it is
used, in no window more is used than the limit: the overshoot is 0. What is left of a block that runs out goes
back. Refuses to know the store. Invariant: what is taken was leased, and is given back at most once.
"""

from typing import Final

from pilothouse.gateway.limits.gate import NO_LIMIT, Gate

SHARE: Final = 8
"""One lease is at most this part of the limit, so that one worker cannot hold it all unused …"""
AHEAD: Final = 1.5
"""… and this many times what was used during the last one."""
ACTIVE_S: Final = 2.0
"""How long after its last call a gate's leases are renewed."""


class Block:
    """What is left of one lease."""

    __slots__ = ("bucket", "left", "until_s")

    def __init__(self, bucket: int, left: int, until_s: float) -> None:
        self.bucket = bucket
        self.left = left
        self.until_s = until_s


class Pool:
    """The leases of one worker from one limit."""

    __slots__ = (
        "blocks",
        "full_until_s",
        "left",
        "limit",
        "owed",
        "rate",
        "returns",
        "room_at_s",
        "used",
        "wanted",
    )

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.blocks: list[Block] = []
        self.left = 0
        self.used = 0
        """Taken since the last question."""
        self.rate = 0.0
        """Taken between two questions, smoothed."""
        self.wanted = 0
        """Asked for by calls that wait."""
        self.owed = 0
        """Used without a lease; told to the store as it is."""
        self.returns: dict[int, int] = {}
        """What goes back, by the store's bucket."""
        self.full_until_s = 0.0
        """Until when the store, which had nothing to lease, is not asked again …"""
        self.room_at_s = 0.0
        """… and when it said that it will have some."""

    def drop_expired(self, now_s: float) -> None:
        """Gives back what was not used in time."""
        blocks = self.blocks
        while blocks and blocks[0].until_s <= now_s:
            gone = blocks.pop(0)
            self.give_back(gone.bucket, gone.left)
            self.left -= gone.left

    def take(self, count: int) -> int:
        """Takes from the blocks, which hold as many. Returns the bucket of the oldest."""
        bucket = self.blocks[0].bucket
        self.used += count
        self.left -= count
        while count:
            block = self.blocks[0]
            part = min(count, block.left)
            block.left -= part
            count -= part
            if not block.left:
                self.blocks.pop(0)
        return bucket

    def give_back(self, bucket: int, count: int) -> None:
        """Notes that something leased was not used."""
        if count > 0:
            self.returns[bucket] = self.returns.get(bucket, 0) + count

    def grant(self, bucket: int, count: int, until_s: float) -> None:
        """Takes in what the store leased."""
        if count:
            self.blocks.append(Block(bucket, count, until_s))
            self.left += count

    def is_full(self, count: int, now_s: float) -> bool:
        """Says whether a call must be refused, since the store had nothing a moment ago."""
        return self.left < count and now_s < self.full_until_s

    def question(self) -> int:
        """Returns how much to lease now, and begins to count anew."""
        self.rate = max(self.used, (self.rate + self.used) / 2)
        self.used = 0
        ahead = min(int(self.rate * AHEAD) + 1, max(1, self.limit // SHARE))
        wanted, self.wanted = self.wanted, 0
        return max(0, max(wanted, ahead) - self.left)


class Lease:
    """All that one worker has leased for one gate."""

    __slots__ = (
        "active_until_s",
        "calls_wanted",
        "day_elsewhere",
        "gate",
        "heard_s",
        "month_elsewhere",
        "requests",
        "tokens",
        "units",
    )

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.requests = Pool(gate.requests)
        self.tokens = Pool(gate.tokens)
        self.units = 0
        """How many calls this worker may have under way; 0 until it asked."""
        self.calls_wanted = 0
        """Calls that wait for a unit."""
        self.day_elsewhere = 0
        """What other hosts spent today, in billionths of a US dollar …"""
        self.month_elsewhere = 0
        """… and this month."""
        self.heard_s = -ACTIVE_S
        """When the store last said so."""
        self.active_until_s = 0.0

    def relimit(self, gate: Gate) -> None:
        """Goes on with new limits."""
        self.gate = gate
        self.requests.limit = gate.requests
        self.tokens.limit = gate.tokens

    def lacks(self, tokens: int, now_s: float) -> bool:
        """Says whether a call must wait for more to be leased, and asks for it."""
        gate, requests, pool = self.gate, self.requests, self.tokens
        self.active_until_s = now_s + ACTIVE_S
        lacking = gate.has_money and now_s - self.heard_s >= ACTIVE_S
        if gate.requests != NO_LIMIT:
            requests.drop_expired(now_s)
            if requests.left < 1:
                requests.wanted += 1
                lacking = True
        if gate.tokens != NO_LIMIT:
            pool.drop_expired(now_s)
            if pool.left < tokens:
                pool.wanted += tokens
                lacking = True
        if gate.concurrency != NO_LIMIT and self.under_way() >= self.units:
            self.calls_wanted += 1
            lacking = True
        return lacking

    def take(self, tokens: int) -> tuple[int, int]:
        """Takes what one call needs. Returns the buckets of its request and its tokens, -1 for none."""
        gate, request_bucket, token_bucket = self.gate, -1, -1
        if gate.requests != NO_LIMIT:
            request_bucket = self.requests.take(1)
        if gate.tokens != NO_LIMIT and tokens:
            token_bucket = self.tokens.take(tokens)
        return request_bucket, token_bucket

    def under_way(self) -> int:
        """Returns how many calls this worker has under way."""
        under_way: int = self.gate.cells.halves[self.gate.own_half]
        return under_way

    def wanted_units(self, now_s: float) -> int:
        """Returns how many calls this worker would like to have under way: those it has, and one more."""
        waiting, self.calls_wanted = self.calls_wanted, 0
        return self.under_way() + max(waiting, 1 if self.active_until_s > now_s else 0)

    def has_news(self, now_s: float) -> bool:
        """Says whether there is something to ask or tell."""
        requests, tokens = self.requests, self.tokens
        requests.drop_expired(now_s)
        tokens.drop_expired(now_s)
        return bool(
            self.active_until_s > now_s or requests.returns or tokens.returns or tokens.owed or self.units
        )


class Held:
    """What one call took from one lease."""

    __slots__ = ("_lease", "_request_bucket", "_token_bucket", "_tokens")

    def __init__(self, lease: Lease, tokens: int) -> None:
        self._lease = lease
        self._tokens = tokens
        self._request_bucket, self._token_bucket = lease.take(tokens)

    def settle(self, used: int | None, *, is_made: bool) -> None:
        """Gives back what was not used, and owes what was used beyond it; `None`: nobody said."""
        pool = self._lease.tokens
        if not is_made and self._request_bucket >= 0:
            self._lease.requests.give_back(self._request_bucket, 1)
        if used is None or pool.limit == NO_LIMIT:
            return
        if used > self._tokens:
            pool.owed += used - self._tokens
        elif self._token_bucket >= 0:
            pool.give_back(self._token_bucket, self._tokens - used)
