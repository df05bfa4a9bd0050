"""Counters in plain memory, whose lock is only checked."""

from collections.abc import Callable

import pytest

from pilothouse.contracts.traffic import Limits
from pilothouse.gateway.limits.cells import Cells, digest_of
from pilothouse.gateway.limits.counting import LOCK, Counting
from pilothouse.gateway.limits.gate import Gate
from pilothouse.gateway.limits.layout import HIGH_SLOT, file_bytes

ROWS = 64
WINDOW_S = 60.0
MakeGate = Callable[..., Gate]


@pytest.fixture
def memory() -> memoryview:
    return memoryview(bytearray(file_bytes(ROWS)))


@pytest.fixture
def counting(memory: memoryview) -> Counting:
    locks: list[int] = []

    def flock(handle: int, operation: int) -> None:
        assert (operation == LOCK) != bool(locks), "locked twice, or unlocked without being locked"
        locks.append(handle) if operation == LOCK else locks.pop()

    cells = Cells(memory, rows=ROWS, flock=flock)
    cells.quads[HIGH_SLOT] = 2
    return Counting(cells, WINDOW_S)


@pytest.fixture
def make_gate(counting: Counting) -> MakeGate:
    def make(name: str = "key_a", **limits: float) -> Gate:
        made = counting.cells.make_row(digest_of("key", name))
        assert made is not None
        return Gate("key", name, Limits(**limits), counting.cells, made[0])  # type: ignore[arg-type] # a test's words

    return make
