"""Counting in the cells: letting a call in, and putting right what it used when it has ended.

Refuses to know callers and HTTP. Invariant: a call is let in by all of its gates or counted at none, and what
it holds is given back once.
"""

from time import gmtime
from typing import Final

from pilothouse.gateway.limits.cells import Cells
from pilothouse.gateway.limits.gate import MOST_IN_A_WINDOW, Gate, Refusal, Standing, Ticket
from pilothouse.gateway.limits.layout import (
    BUCKETS_A_WINDOW,
    CLOCK,
    DAY,
    DAY_NANO_USD,
    KEPT,
    LAST,
    MONTH,
    MONTH_NANO_USD,
    NEWEST,
    REQUESTS,
    TOKENS,
)

LOCK: Final = 2
"""`fcntl.LOCK_EX`, as a constant that costs no look-up."""
UNLOCK: Final = 8
"""`fcntl.LOCK_UN`."""
DAY_NS: Final = 86_400_000_000_000
DAY_S: Final = 86_400
CONCURRENCY_WAIT_S: Final = 1.0
"""When to come back when too many calls are under way: nobody knows when one will end."""


class Calendar:
    """The UTC day and month of a moment."""

    __slots__ = ("day", "month")

    def __init__(self) -> None:
        self.day = -1
        self.month = -1

    def turn(self, now_ns: int) -> None:
        """Brings it up to date."""
        day = now_ns // DAY_NS
        if day != self.day:
            self.day = day
            date = gmtime(day * DAY_S)
            self.month = date.tm_year * 12 + date.tm_mon - 1

    def day_left_s(self, now_ns: int) -> float:
        """Returns the seconds until midnight."""
        return ((self.day + 1) * DAY_NS - now_ns) / 1e9

    def month_left_s(self, now_ns: int) -> float:
        """Returns the seconds until the next month begins."""
        day, month = self.day, self.month
        while month == self.month:
            day += 1
            date = gmtime(day * DAY_S)
            month = date.tm_year * 12 + date.tm_mon - 1
        return (day * DAY_NS - now_ns) / 1e9


class Counting:
    """One worker's hand on the cells."""

    __slots__ = ("calendar", "cells", "per_second")

    def __init__(self, cells: Cells, window_s: float) -> None:
        self.cells = cells
        self.calendar = Calendar()
        self.per_second = BUCKETS_A_WINDOW / window_s

    def enter(
        self, gates: tuple[Gate, ...], least: int, wish: int, *, now_s: float, now_ns: int
    ) -> tuple[Refusal | None, int, Standing]:
        """Lets a call in, or says why not.

        Args:
            gates: All that it must pass.
            least: The tokens it asks for.
            wish: The tokens it may well use; reserved where the limit ever allows as many.
            now_s: The moment on the clock that all processes of this host share.
            now_ns: The moment in Unix nanoseconds.

        Returns:
            Why not, or `None`; the bucket it is counted in; and what is left then.
        """
        cells, standing = self.cells, Standing()
        bucket = int(now_s * self.per_second)
        cells.flock(cells.handle, LOCK)
        try:
            if cells.quads[CLOCK] != bucket:
                bucket = cells.clock(bucket)
            for gate in gates:
                refusal = self._shortage(gate, bucket, needed(gate, least, wish), now_s, now_ns)
                if refusal is not None:
                    return refusal, bucket, standing
            for gate in gates:
                self._add(gate, bucket, needed(gate, least, wish), standing)
        finally:
            cells.flock(cells.handle, UNLOCK)
        return None, bucket, standing

    @staticmethod
    def leave(gate: Gate) -> None:
        """Ends a call where calls under way are bounded. Needs no lock: the cell is this worker's alone."""
        halves = gate.cells.halves
        if halves[gate.own_half] > 0:
            halves[gate.own_half] -= 1

    def settle(
        self,
        gates: tuple[Gate, ...],
        ticket: Ticket,
        *,
        used: int | None,
        is_made: bool,
        nano_usd: int,
        now_s: float,
        now_ns: int,
    ) -> None:
        """Puts right what a call holds in the windows and budgets.

        Args:
            gates: The gates it passed, as they are now.
            ticket: What it holds there.
            used: The tokens it used; `None` when nobody said, and what was reserved stays.
            is_made: Whether the call was made; else its request is given back.
            nano_usd: What it cost, in billionths of a US dollar.
            now_s: The moment on the clock that all processes of this host share.
            now_ns: The moment in Unix nanoseconds.
        """
        self.calendar.turn(now_ns)
        cells = self.cells
        cells.flock(cells.handle, LOCK)
        try:
            bucket = cells.clock(int(now_s * self.per_second))
            for gate in gates:
                if gate.has_window:
                    if cells.quads[gate.quads + LAST] != bucket:
                        cells.roll(gate.quads, gate.row_words, bucket)
                    if not is_made:
                        self._give_back_request(gate, ticket.bucket, bucket)
                    if used is not None and gate.tokens >= 0:
                        over = used - needed(gate, ticket.least, ticket.wish)
                        self._put_right(gate, ticket.bucket, bucket, over)
                if nano_usd and gate.has_money:
                    self.spend(gate, nano_usd)
        finally:
            cells.flock(cells.handle, UNLOCK)

    def spend(self, gate: Gate, nano_usd: int) -> None:
        """Adds to what was spent today and this month. Under the lock, with the calendar up to date."""
        quads, at, calendar = self.cells.quads, gate.quads, self.calendar
        if quads[at + DAY] != calendar.day:
            quads[at + DAY] = calendar.day
            quads[at + DAY_NANO_USD] = 0
        if quads[at + MONTH] != calendar.month:
            quads[at + MONTH] = calendar.month
            quads[at + MONTH_NANO_USD] = 0
        quads[at + DAY_NANO_USD] += nano_usd
        quads[at + MONTH_NANO_USD] += nano_usd

    def spent(self, gate: Gate) -> tuple[int, int]:
        """Returns what was spent today and this month, with the calendar up to date."""
        quads, at, calendar = self.cells.quads, gate.quads, self.calendar
        return (
            quads[at + DAY_NANO_USD] if quads[at + DAY] == calendar.day else 0,
            quads[at + MONTH_NANO_USD] if quads[at + MONTH] == calendar.month else 0,
        )

    def totals(self, gate: Gate, now_s: float) -> tuple[int, int, float]:
        """Returns the requests and tokens in a gate's window, and the seconds until it is empty."""
        cells, at = self.cells, gate.quads
        cells.flock(cells.handle, LOCK)
        try:
            bucket = cells.clock(int(now_s * self.per_second))
            if cells.quads[at + LAST] != bucket:
                cells.roll(at, gate.row_words, bucket)
        finally:
            cells.flock(cells.handle, UNLOCK)
        quads = cells.quads
        newest_ends_s = (quads[at + NEWEST] + KEPT) / self.per_second
        requests, tokens = quads[at + REQUESTS], quads[at + TOKENS]
        return requests, tokens, max(0.0, newest_ends_s - now_s) if requests or tokens else 0.0

    def standing(self, gates: tuple[Gate, ...], now_s: float) -> tuple[Standing, float]:
        """Returns what is left to a caller who was refused, and the seconds until all is."""
        standing, resets_s = Standing(), 0.0
        for gate in gates:
            if gate.has_window:
                requests, tokens, gate_resets_s = self.totals(gate, now_s)
                resets_s = max(resets_s, gate_resets_s)
                if gate.requests >= 0:
                    standing.note_requests(gate.requests, max(0, gate.requests - requests))
                if gate.tokens >= 0:
                    standing.note_tokens(gate.tokens, max(0, gate.tokens - tokens))
        return standing, resets_s

    # -- inside -------------------------------------------------------------------------------------

    def _shortage(self, gate: Gate, bucket: int, tokens: int, now_s: float, now_ns: int) -> Refusal | None:
        cells, at = self.cells, gate.quads
        quads = cells.quads
        if gate.has_window:
            if quads[at + LAST] != bucket:
                cells.roll(at, gate.row_words, bucket)
            if gate.requests >= 0 and quads[at + REQUESTS] >= gate.requests:
                return self._spent_requests(gate, bucket, now_s)
            if gate.tokens >= 0 and quads[at + TOKENS] + tokens > gate.tokens:
                return self._spent_tokens(gate, bucket, tokens, now_s)
            if not gate.is_open_ended:
                return None
        if gate.has_money:
            refusal = self._spent_money(gate, now_ns)
            if refusal is not None:
                return refusal
        if gate.concurrency >= 0:
            under_way = cells.under_way(gate.row_halves)
            if under_way >= gate.concurrency:
                return Refusal(
                    gate,
                    "concurrency",
                    limit=gate.concurrency,
                    used=under_way,
                    asked=1,
                    wait_s=CONCURRENCY_WAIT_S,
                )
        return None

    def _add(self, gate: Gate, bucket: int, tokens: int, standing: Standing) -> None:
        cells, at = self.cells, gate.quads
        quads, words = cells.quads, cells.words
        if gate.has_window:
            quads[at + NEWEST] = bucket
            if gate.requests >= 0:
                words[gate.request_ring + bucket % KEPT] += 1
                total = quads[at + REQUESTS] + 1
                quads[at + REQUESTS] = total
                standing.note_requests(gate.requests, gate.requests - total)
            if gate.tokens >= 0:
                words[gate.token_ring + bucket % KEPT] += tokens
                total = quads[at + TOKENS] + tokens
                quads[at + TOKENS] = total
                standing.note_tokens(gate.tokens, gate.tokens - total)
        if gate.concurrency >= 0:
            cells.halves[gate.own_half] += 1

    def _give_back_request(self, gate: Gate, then: int, bucket: int) -> None:
        """Takes a request that was not made out of the bucket it is counted in, if that still counts."""
        words, cell = self.cells.words, gate.request_ring + then % KEPT
        if gate.requests >= 0 and bucket - then < KEPT and words[cell]:
            words[cell] -= 1
            self.cells.quads[gate.quads + REQUESTS] -= 1

    def _put_right(self, gate: Gate, then: int, bucket: int, over: int) -> None:
        """Gives back tokens where they were reserved, and adds those used beyond that to this moment's."""
        quads, words, at = self.cells.quads, self.cells.words, gate.quads
        if over > 0:
            cell = gate.token_ring + bucket % KEPT
            over = min(over, MOST_IN_A_WINDOW - words[cell])
            quads[at + NEWEST] = bucket
        elif bucket - then < KEPT:
            cell = gate.token_ring + then % KEPT
            over = -min(-over, words[cell])
        else:
            return
        words[cell] += over
        quads[at + TOKENS] += over

    def _spent_requests(self, gate: Gate, bucket: int, now_s: float) -> Refusal:
        used = self.cells.quads[gate.quads + REQUESTS]
        if gate.full_since != bucket:  # searched for once a bucket, however many are refused in it
            excess = used + 1 - gate.requests
            gate.full_since = bucket
            gate.full_until = bucket + self.cells.buckets_until_room(gate.request_ring, bucket, excess)
        wait_s = max(0.0, gate.full_until / self.per_second - now_s)
        return Refusal(
            gate,
            "requests",
            limit=gate.requests,
            used=used,
            asked=1,
            wait_s=wait_s if gate.requests else 0.0,
        )

    def _spent_tokens(self, gate: Gate, bucket: int, tokens: int, now_s: float) -> Refusal:
        used, wait_s = self.cells.quads[gate.quads + TOKENS], 0.0
        if tokens <= gate.tokens:
            excess = used + tokens - gate.tokens
            buckets = self.cells.buckets_until_room(gate.token_ring, bucket, excess)
            wait_s = max(0.0, (bucket + buckets) / self.per_second - now_s)
        return Refusal(gate, "tokens", limit=gate.tokens, used=used, asked=tokens, wait_s=wait_s)

    def _spent_money(self, gate: Gate, now_ns: int) -> Refusal | None:
        calendar = self.calendar
        calendar.turn(now_ns)
        day, month = self.spent(gate)
        if 0 <= gate.month <= month:
            wait_s = calendar.month_left_s(now_ns)
            return Refusal(gate, "month", limit=gate.month, used=month, asked=0, wait_s=wait_s)
        if 0 <= gate.day <= day:
            wait_s = calendar.day_left_s(now_ns)
            return Refusal(gate, "day", limit=gate.day, used=day, asked=0, wait_s=wait_s)
        return None


def needed(gate: Gate, least: int, wish: int) -> int:
    """Returns the tokens to reserve at a gate: the wish, or what it asks for when no wish could be met."""
    return wish if wish <= gate.tokens else max(least, gate.tokens)
