"""A gate: one key, team or model with its limits, and where its numbers stand; and what a call holds of it.

Refuses to know how numbers are shared. Invariant: a gate's place in the counters never changes; new limits
make a new gate at the same place.
"""

from typing import TYPE_CHECKING, Final, Literal, Protocol

from pilothouse.contracts.traffic import Limits
from pilothouse.gateway.limits.cells import Cells, row_halves, row_quads, row_words
from pilothouse.gateway.limits.layout import REQUEST_RING, TOKEN_RING

if TYPE_CHECKING:
    from collections.abc import Sequence

Scope = Literal["key", "team", "model"]
Kind = Literal["requests", "tokens", "concurrency", "day", "month"]

NO_LIMIT: Final = -1
NANO: Final = 1_000_000_000
MOST_IN_A_WINDOW: Final = 2**31 - 1
"""The highest limit a cell can hold; one above it is none."""
MOST_UNDER_WAY: Final = 60_000
"""The most calls under way that one worker's cell is let count."""


def nano_usd(usd: float | None) -> int:
    """Returns US dollars as whole billionths of one."""
    return NO_LIMIT if usd is None else round(usd * NANO)


def _bound(limit: int | None) -> int:
    return NO_LIMIT if limit is None or limit > MOST_IN_A_WINDOW else max(0, limit)


class Holding(Protocol):
    """What a call took from a lease."""

    def settle(self, used: int | None, *, is_made: bool) -> None:
        """Gives back what was not used; `None` when nobody said how much was."""


class Gate:
    """One limited key, team or model."""

    __slots__ = (
        "cells",
        "concurrency",
        "day",
        "full_since",
        "full_until",
        "has_money",
        "has_window",
        "is_open_ended",
        "limits",
        "month",
        "name",
        "own_half",
        "quads",
        "request_ring",
        "requests",
        "row_halves",
        "row_words",
        "scope",
        "token_ring",
        "tokens",
    )

    def __init__(self, scope: Scope, name: str, limits: Limits, cells: Cells, row: int) -> None:
        self.scope: Scope = scope
        self.name = name
        self.limits = limits
        self.cells = cells
        self.requests = _bound(limits.requests_per_minute)
        self.tokens = _bound(limits.tokens_per_minute)
        at_once = limits.concurrency
        self.concurrency = NO_LIMIT if at_once is None else min(at_once, MOST_UNDER_WAY)
        self.day = nano_usd(limits.budget_day_usd)
        self.month = nano_usd(limits.budget_month_usd)
        self.has_window = self.requests >= 0 or self.tokens >= 0
        self.has_money = self.day >= 0 or self.month >= 0
        self.is_open_ended = self.tokens >= 0 or self.concurrency >= 0 or self.has_money
        """Whether something is put right when a call has ended."""
        self.quads = row_quads(row)
        self.row_words = row_words(row)
        self.request_ring = self.row_words + REQUEST_RING
        self.token_ring = self.row_words + TOKEN_RING
        self.row_halves = row_halves(row)
        self.own_half = self.row_halves + cells.slot
        self.full_since = -1
        """The bucket in which its requests were found spent …"""
        self.full_until = 0
        """… and the bucket from which there is room again, as far as was known then."""


class Ticket:
    """What one call that was let in holds, until it is settled."""

    __slots__ = ("bucket", "gates", "held", "least", "wish")

    def __init__(self, gates: tuple[Gate, ...], bucket: int, least: int, wish: int) -> None:
        self.gates = gates
        self.bucket = bucket
        """Where its request and its tokens are counted."""
        self.least = least
        """The tokens it asked for …"""
        self.wish = wish
        """… and those it may well use."""
        self.held: Sequence[Holding] | None = None
        """What it took from leases."""


class Standing:
    """What a window still holds for the caller: the figures of the `x-ratelimit-*` headers."""

    __slots__ = ("requests_left", "requests_limit", "tokens_left", "tokens_limit")

    def __init__(self) -> None:
        self.requests_limit = NO_LIMIT
        self.requests_left = MOST_IN_A_WINDOW
        self.tokens_limit = NO_LIMIT
        self.tokens_left = MOST_IN_A_WINDOW

    def note_requests(self, limit: int, left: int) -> None:
        """Notes a gate; the one with the least left is told."""
        if left < self.requests_left:
            self.requests_limit, self.requests_left = limit, left

    def note_tokens(self, limit: int, left: int) -> None:
        """Notes a gate; the one with the least left is told."""
        if left < self.tokens_left:
            self.tokens_limit, self.tokens_left = limit, left


class Refusal:
    """Why a call was not let in."""

    __slots__ = ("asked", "gate", "kind", "limit", "used", "wait_s")

    def __init__(self, gate: Gate, kind: Kind, *, limit: int, used: int, asked: int, wait_s: float) -> None:
        self.gate = gate
        self.kind: Kind = kind
        self.limit = limit
        self.used = used
        self.asked = asked
        self.wait_s = wait_s
        """After how long there is room; 0 when there never will be."""
