"""The bars of production traffic: windows, rows, and what a missed bar looks like."""

from typing import Any

from bench.bars import at_least, at_most
from bench.faults import FAULTS, Row, Timing, cells, page
from bench.limits import figures, most_in_a_window
from bench.machine import Machine
from bench.pace import Answer

MACHINE = Machine(
    at="now", processor="p", cores=2, memory_gb=1, kernel="k", system="s", python="3", load_average=0.1
)


def right(due_s: float, took_s: float = 0.01) -> Answer:
    return Answer(due_s, took_s * 1e6, took_s * 1e6, "right", 200)


def found(**more: Any) -> Row:
    plain: dict[str, Any] = {
        "fault": "a: refusing",
        "asked": 1000,
        "right": 999,
        "told": 1,
        "false_ends": 0,
        "outcomes": {"right": 999, "error event": 1},
        "healthy_p99_ms": 50.0,
        "fault_p99_ms": 80.0,
        "holds_p99": True,
        "recovery_s": 2.0,
        "worst_ms": 90.0,
    }
    return Row(**{**plain, **more})


def test_calls_of_one_window_are_counted_together() -> None:
    assert most_in_a_window([right(0), right(30), right(59.5)]) == 3
    assert most_in_a_window([right(0), right(30), right(60.5)]) == 2


def test_a_call_across_the_windows_edge_is_not_an_overshoot() -> None:
    assert most_in_a_window([right(0, 0.5), right(59.9, 0.5)]) == 1
    assert most_in_a_window([right(0), Answer(1, 1, 1, "refused", 429), right(2)]) == 2


def test_what_was_neither_let_in_nor_refused_misses_the_bar() -> None:
    answers = [right(0), Answer(1, 1, 1, "refused", 429), Answer(1, 1, 1, "refused", 503)]
    assert figures(answers, 1000, 10)["neither let in nor refused with 429"] == "1 (bar: at most 0; MISSED)"


def test_a_figure_stands_beside_its_bar() -> None:
    assert at_most(40, 15.04) == "15 (bar: at most 40)"
    assert at_most(1.1, 1.2) == "1.2 (bar: at most 1.1; MISSED)"
    assert at_least(180, 12000) == "12,000 (bar: at least 180)"


def test_a_row_names_each_bar_that_it_misses() -> None:
    assert found().missed() == []
    assert found(right=900).missed() == ["success 90.100%"]
    assert found(false_ends=1).missed() == ["1 false ends"]
    assert found(fault_p99_ms=150.0).missed() == ["p99 3.0 times the healthy run's"]
    assert found(fault_p99_ms=150.0, holds_p99=False).missed() == []
    assert found(recovery_s=None).missed() == found(recovery_s=6.0).missed() == ["recovery"]


def test_the_page_has_a_row_a_fault() -> None:
    rows = [found(fault=fault.name) for fault in FAULTS]
    text = page(rows, Timing(), MACHINE)
    for one in rows:
        assert f"| {one.fault} | " + " | ".join(cells(one)) + " |" in text
    assert "What was not right" not in text
    assert "the first: `why`" in page([found(example="why")], Timing(), MACHINE)
