"""The meter of one worker: which gates a call must pass, the counters behind them, and their upkeep.

Refuses to know HTTP. Invariant: what a call holds is settled in the counters that are in force when it ends,
also when their file was replaced in the meantime; a snapshot without limits opens no file.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pilothouse.contracts.errors import SnapshotError
from pilothouse.contracts.home import Home
from pilothouse.contracts.snapshot import Snapshot
from pilothouse.contracts.status import LimitUsage
from pilothouse.contracts.traffic import NO_LIMITS, Counters, Limits
from pilothouse.gateway.limits import books
from pilothouse.gateway.limits.cells import digest_of
from pilothouse.gateway.limits.counting import LOCK, UNLOCK, Counting
from pilothouse.gateway.limits.gate import NANO, Gate, Scope
from pilothouse.gateway.limits.layout import BUCKETS_A_WINDOW, KEPT
from pilothouse.gateway.limits.recount import Ended, ended_since
from pilothouse.gateway.limits.refill import is_wanted, refill
from pilothouse.gateway.limits.table import Table, open_table
from pilothouse.gateway.limits.wording import duration

if TYPE_CHECKING:
    from pilothouse.gateway.limits.shared import SharedLimits

NO_COUNTING: Final = Counters()
logger = logging.getLogger(__name__)
Limited = tuple[Scope, str, Limits]


class Moment:
    """Now, on both clocks."""

    __slots__ = ("mono_s", "unix_ns")

    def __init__(self, mono_s: float, unix_ns: int) -> None:
        self.mono_s = mono_s
        """Seconds since the host started: the clock that all its processes share."""
        self.unix_ns = unix_ns


class Meter:
    """One worker's limits."""

    def __init__(self, home: Home, *, window_s: float) -> None:
        self._home = home
        self.window_s = window_s
        self.longest_s = window_s * KEPT / BUCKETS_A_WINDOW
        """How long a call counts, at the most …"""
        self.longest_text = duration(self.longest_s)
        """… as OpenAI writes it."""
        self.is_on = False
        """Whether the snapshot in force limits anything."""
        self.keys: dict[str, Gate] = {}
        self.teams: dict[str, Gate] = {}
        self.models: dict[str, Gate] = {}
        self.counters = NO_COUNTING
        self.limited_total = 0
        self.shared: SharedLimits | None = None
        """The limits of all hosts, where they are counted together."""
        self.counted_as: dict[str, str] = {}
        """Sessions and rotated keys by the key as which they are counted."""
        self._wanted: list[Limited] = []
        self._table: Table | None = None
        self._counting: Counting | None = None

    @property
    def counting(self) -> Counting:
        """The counters; they are there from the first limit on."""
        assert self._counting is not None
        return self._counting

    @property
    def table(self) -> Table | None:
        """The file of counters, once there was a limit."""
        return self._table

    def gates_of(self, key_id: str | None, team: str | None, model: str | None) -> tuple[Gate, ...]:
        """Returns what a call must pass."""
        found: tuple[Gate, ...] = ()
        if self.counted_as and key_id is not None:
            key_id = self.counted_as.get(key_id, key_id)
        for gates, name in ((self.keys, key_id), (self.teams, team), (self.models, model)):
            if gates and name is not None:
                gate = gates.get(name)
                if gate is not None:
                    found += (gate,)
        return found

    def obey(self, snapshot: Snapshot, now: Moment) -> None:
        """Puts the limits of a snapshot in force; what was counted stays.

        Raises:
            SnapshotError: There are more limited keys, teams and models than the file has rows for.
            ConfigurationError: The file cannot be made.
        """
        self._wanted = limited(snapshot)
        self.counted_as = {key.id: key.counted_as for key in snapshot.keys if key.counted_as is not None}
        self.counters = snapshot.counters
        if self._wanted and self._table is None:
            self.open(now)
        elif self._table is not None:
            self._make_gates(now)
        self.is_on = bool(self._wanted)

    def open(self, now: Moment, calls: list[Ended] | None = None) -> None:
        """Opens the file of counters, again if need be, and fills the windows of a new one.

        Sums of money are made whole later, in a thread (`books`).

        Args:
            now: The moment.
            calls: Those of the last minute; read from the journal here when they are not given, which is
                right only before the worker serves.
        """
        before = self._table
        self._table = open_table(self._home.counters, self.window_s, now_ns=now.unix_ns)
        self._counting = Counting(self._table.cells, self.window_s)
        self.keys, self.teams, self.models = {}, {}, {}
        self._make_gates(now)
        if is_wanted(self._counting):
            calls = self.recent(now) if calls is None else calls
            gates: dict[books.Name, Gate] = {(gate.scope, gate.name): gate for gate in self.gates()}
            refill(self._counting, gates, calls, now_s=now.mono_s, now_ns=now.unix_ns)
            logger.info("a new file of counters was filled with %d calls of the last minute", len(calls))
        if before is not None:
            before.close()

    def recent(self, now: Moment) -> list[Ended]:
        """Returns the calls of the last minute, as the journal has them. May run in a thread."""
        since_ns = now.unix_ns - round((self.window_s + 1) * NANO)
        return list(ended_since(self._home.journal, since_ns, counted_as=self.counted_as))

    def gates(self) -> list[Gate]:
        """Returns all gates."""
        return [*self.keys.values(), *self.teams.values(), *self.models.values()]

    def current(self, gates: tuple[Gate, ...]) -> tuple[Gate, ...]:
        """Returns the gates in force in the place of ones whose file was replaced."""
        found = [self._of(gate.scope).get(gate.name) for gate in gates]
        return tuple([gate for gate in found if gate is not None])

    def usage(self, now: Moment) -> tuple[LimitUsage, ...]:
        """Returns how much of each limit is used."""
        return tuple([self._usage_of(gate, now) for gate in self.gates()])

    # -- upkeep -------------------------------------------------------------------------------------

    def is_in_place(self) -> bool:
        """Says whether the file of counters, if there is one, is where it should be."""
        return self._table is None or self._table.is_in_place()

    def tidy(self) -> bool:
        """Gives back what dead workers held, if this worker is the one that keeps the books for all.

        Returns whether it is.
        """
        if self._table is None or not self._table.be_keeper():
            return False
        self._table.free_dead_slots()
        return True

    def unfinished(self) -> list[Gate]:
        """Returns the gates whose sums of money are not whole yet."""
        return [] if self._counting is None else books.unfinished(self._counting, self.gates())

    def sums(self, clock_ns: Callable[[], int]) -> tuple[books.Sum, ...]:
        """Returns the sums of money to be kept beside the file."""
        return () if self._counting is None else books.sums_of(self._counting, self.gates(), clock_ns)

    def close(self) -> None:
        """Lets go of the file."""
        if self._table is not None:
            self._table.close()

    # -- inside -------------------------------------------------------------------------------------

    def _of(self, scope: Scope) -> dict[str, Gate]:
        return self.keys if scope == "key" else self.teams if scope == "team" else self.models

    def _make_gates(self, now: Moment) -> None:
        made: dict[Scope, dict[str, Gate]] = {"key": {}, "team": {}, "model": {}}
        known: dict[books.Name, books.Sum] | None = None
        for scope, name, limits in self._wanted:
            old = self._of(scope).get(name)
            if old is not None and old.limits == limits:
                made[scope][name] = old
                continue
            gate = Gate(scope, name, limits, self.counting.cells, self._row_of(scope, name))
            made[scope][name] = gate
            if known is None:
                known = books.read_book(self._home.budgets)
            books.begin(self.counting, gate, known, now.unix_ns)
        self.keys, self.teams, self.models = made["key"], made["team"], made["model"]

    def _row_of(self, scope: Scope, name: str) -> int:
        cells = self.counting.cells
        cells.flock(cells.handle, LOCK)
        try:
            made = cells.make_row(digest_of(scope, name))
        finally:
            cells.flock(cells.handle, UNLOCK)
        if made is None:
            raise SnapshotError(
                f"there are more limited keys, teams and models than the counters' {cells.rows} rows can hold"
            )
        return made[0]

    def _usage_of(self, gate: Gate, now: Moment) -> LimitUsage:
        counting = self.counting
        requests, tokens, resets_s = counting.totals(gate, now.mono_s)
        counting.calendar.turn(now.unix_ns)
        day, month = counting.spent(gate)
        limits = gate.limits
        return LimitUsage(
            scope=gate.scope,
            name=gate.name,
            limits=limits,
            requests=requests if gate.requests >= 0 else None,
            tokens=tokens if gate.tokens >= 0 else None,
            under_way=counting.cells.under_way(gate.row_halves) if gate.concurrency >= 0 else None,
            day_usd=day / NANO if gate.has_money else None,
            month_usd=month / NANO if gate.has_money else None,
            window_resets_s=round(resets_s, 3),
            day_resets_s=round(counting.calendar.day_left_s(now.unix_ns), 3),
            month_resets_s=round(counting.calendar.month_left_s(now.unix_ns), 3),
        )


def limited(snapshot: Snapshot) -> list[Limited]:
    """Returns the keys, teams and models of a snapshot that have limits."""
    keys = {key.counted_as or key.id: key.limits for key in snapshot.keys if key.limits != NO_LIMITS}
    # Of a key and the one it is rotated to, the word of the key that is counted holds, while it is there.
    keys |= {key.id: key.limits for key in snapshot.keys if key.id in keys and key.limits != NO_LIMITS}
    found: list[Limited] = [("key", name, limits) for name, limits in keys.items()]
    found += [("team", name, limits) for name, limits in snapshot.teams.items() if limits != NO_LIMITS]
    found += [("model", model.name, model.limits) for model in snapshot.models if model.limits != NO_LIMITS]
    return found
