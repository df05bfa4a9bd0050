"""What calls cost: by key, team, model, provider, deployment or conversation, over time and as a whole.

Refuses to know prices. Invariant: money whose price is not known is never shown as 0: how many calls have no
price stands beside every sum.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pilothouse.analytics.tallies import WHOLE, Asked, sums
from pilothouse.store.call_classes import SERVED, UNPRICED, UPSTREAM
from pilothouse.store.dialects.reader import Question, Readable

__all__ = ["QUESTIONS", "Cost", "CostBy", "CostRow", "cost"]

CostBy = Literal["key", "team", "model", "provider", "deployment", "conversation"]
CONVERSATIONS = "cost.by_conversation"
QUESTIONS = (CONVERSATIONS,)
COUNTERS = ("cost_usd", "unpriced", "saved_usd", "input_tokens", "output_tokens", "cached")
MOST_ROWS = 50
NS = 1_000_000


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one key, team, model … cost."""

    label: str
    name: str | None
    """A key's name."""
    cost_usd: float | None
    """`None` where no price is known."""
    share: float | None
    """Of the whole, as far as prices are known."""
    calls: int
    unpriced_calls: int
    unpriced_share: float | None
    saved_usd: float | None
    """What answers from the cache would have cost."""
    input_tokens: int
    output_tokens: int
    cost_per_call_usd: float | None
    series: list[float | None]


@dataclass(frozen=True, slots=True)
class Cost:
    """The dearest of a dimension, and the whole."""

    by: str
    start_ms: int
    end_ms: int
    step_ms: int
    whole: CostRow
    data: list[CostRow]
    sql: str
    """How the rows were asked of the record."""
    parameters: dict[str, Any]


def cost(
    record: Readable,
    *,
    by: CostBy,
    start_ms: int,
    end_ms: int,
    points: int = 30,
    only: Mapping[str, str] | None = None,
    key_names: Mapping[str, str] | None = None,
) -> Cost:
    """Returns what calls cost over a stretch of time, the dearest first, at most 50."""
    step_ms = max(1000, -(-(end_ms - start_ms) // max(1, points)))
    steps = -(-(end_ms - start_ms) // step_ms)
    narrowed = dict(only or {})
    whole, _ = sums(record, Asked(start_ms, end_ms, step_ms, only=narrowed), COUNTERS)
    if by == "conversation":
        found, shown = _conversations(record, start_ms, end_ms, step_ms)
    else:
        asked = Asked(start_ms, end_ms, step_ms, by=by, only=narrowed, most_labels=200)
        found, shown = sums(record, asked, COUNTERS)
    total = _row(WHOLE, None, [row for _, row in sorted(whole.items())], list(whole), steps, None)
    places: dict[str, list[tuple[str, int]]] = {}
    for place in found:
        places.setdefault(place[0], []).append(place)
    names = key_names or {}
    rows = [
        _row(label, names.get(label), [found[place] for place in own], own, steps, total.cost_usd)
        for label, own in places.items()
    ]
    rows.sort(key=lambda row: (-(row.cost_usd or 0.0), -row.calls, row.label))
    return Cost(by, start_ms, end_ms, step_ms, total, rows[:MOST_ROWS], shown.sql, shown.given())


def _conversations(
    record: Readable, start_ms: int, end_ms: int, step_ms: int
) -> tuple[dict[tuple[str, int], dict[str, float | None]], Question]:
    """Returns the same of the dearest conversations, from the calls themselves: no roll-up has them."""
    with record.reader() as reader:
        step = reader.dialect.bucket("at_ns", "$start_ns", "$step_ns")
        unpriced = reader.dialect.count_if(UNPRICED)
        cached = reader.dialect.count_if(f"NOT {UPSTREAM}")
        where = f"WHERE at_ns >= $start_ns AND at_ns < $end_ns AND {SERVED} AND conversation_id IS NOT NULL"
        sql = (
            f"WITH top AS (SELECT conversation_id FROM calls {where} GROUP BY 1 "  # noqa: S608 - our own words
            f"ORDER BY coalesce(sum(cost_usd), 0) DESC, count(*) DESC, 1 LIMIT {MOST_ROWS}) "
            f"SELECT conversation_id, {step} AS step, count(*), sum(cost_usd), {unpriced}, sum(saved_usd), "
            f"coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), {cached} FROM calls {where} "
            "AND conversation_id IN (SELECT conversation_id FROM top) GROUP BY 1, 2 ORDER BY 1, 2"
        )
        given = {"start_ns": start_ms * NS, "end_ns": end_ms * NS, "step_ns": step_ms * NS}
        question = Question(CONVERSATIONS, sql, given)
        rows = reader.rows(question)
    names = ("calls", *COUNTERS)
    return {
        (str(row[0]), int(row[1])): {
            name: None if value is None else float(value) for name, value in zip(names, row[2:], strict=True)
        }
        for row in rows
    }, question


def _row(
    label: str,
    name: str | None,
    rows: list[dict[str, float | None]],
    places: list[tuple[str, int]],
    steps: int,
    whole_usd: float | None,
) -> CostRow:
    calls = int(_sum(rows, "calls") or 0)
    unpriced = int(_sum(rows, "unpriced") or 0)
    spent = _sum(rows, "cost_usd")
    series: list[float | None] = [0.0] * steps
    for (_, step), row in zip(sorted(places), rows, strict=True):
        if 0 <= step < steps:
            series[step] = row["cost_usd"] if row["cost_usd"] is not None or row["unpriced"] else 0.0
    if spent is None and not unpriced:
        spent = 0.0
    priced = calls - unpriced
    return CostRow(
        label=label,
        name=name,
        cost_usd=spent,
        share=1.0 if label == WHOLE else spent / whole_usd if spent is not None and whole_usd else None,
        calls=calls,
        unpriced_calls=unpriced,
        unpriced_share=unpriced / calls if calls else None,
        saved_usd=_sum(rows, "saved_usd"),
        input_tokens=int(_sum(rows, "input_tokens") or 0),
        output_tokens=int(_sum(rows, "output_tokens") or 0),
        cost_per_call_usd=spent / priced if spent is not None and priced else None,
        series=series,
    )


def _sum(rows: list[dict[str, float | None]], name: str) -> float | None:
    known = [value for row in rows if (value := row[name]) is not None]
    return sum(known) if known else None
