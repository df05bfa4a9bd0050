"""Who answered, and who did not: calls, errors by whose fault they are, and availability.

Refuses to know objectives. Invariant: ours, the providers' and the callers' errors and the answered calls add
up to all calls.
"""

from dataclasses import dataclass

from pilothouse.analytics.tallies import WHOLE, Asked, sums
from pilothouse.store.dialects.reader import Readable

__all__ = ["Availability", "AvailabilityList", "availability"]

COUNTERS = ("server_errors", "provider_errors", "client_errors", "guardrail_blocks", "cut")


@dataclass(frozen=True, slots=True)
class Availability:
    """One model, deployment, provider, key, team or operation; or all, under the label ``."""

    label: str
    name: str | None
    """A key's name."""
    calls: int
    answered: int
    our_errors: int
    provider_errors: int
    client_errors: int
    """The callers' own, guardrails apart."""
    guardrail_blocks: int
    cut: int
    """Answers that broke off midway; among the errors."""
    availability: float | None
    """1 less the share of our and the providers' errors in the calls that could be answered."""
    our_error_rate: float | None
    provider_error_rate: float | None
    client_error_rate: float | None
    guardrail_rate: float | None


@dataclass(frozen=True, slots=True)
class AvailabilityList:
    """All of a dimension, those with the most calls first, and the whole."""

    by: str
    start_ms: int
    end_ms: int
    whole: Availability
    data: list[Availability]


def availability(
    record: Readable, *, by: str, start_ms: int, end_ms: int, names: dict[str, str] | None = None
) -> AvailabilityList:
    """Returns calls and errors over a stretch of time, told apart by `by` (a dimension of `measures.BY`).

    Raises:
        InvalidRequestError: there is no such dimension.
    """
    given = names or {}
    rows = _rows(record, Asked(start_ms, end_ms, end_ms - start_ms, by=by, most_labels=200), given)
    whole = _rows(record, Asked(start_ms, end_ms, end_ms - start_ms), given)
    return AvailabilityList(
        by=by,
        start_ms=start_ms,
        end_ms=end_ms,
        whole=whole[0] if whole else _view(WHOLE, None, dict.fromkeys(("calls", *COUNTERS), 0.0)),
        data=sorted(rows, key=lambda row: (-row.calls, row.label)),
    )


def _rows(record: Readable, asked: Asked, names: dict[str, str]) -> list[Availability]:
    found, _ = sums(record, asked, COUNTERS)
    return [
        _view(label, names.get(label), {name: value or 0.0 for name, value in row.items()})
        for (label, _), row in found.items()
    ]


def _view(label: str, name: str | None, row: dict[str, float]) -> Availability:
    calls, ours, theirs = int(row["calls"]), int(row["server_errors"]), int(row["provider_errors"])
    blocked = int(row["guardrail_blocks"])
    clients = int(row["client_errors"]) - blocked
    could = calls - clients - blocked
    return Availability(
        label=label,
        name=name,
        calls=calls,
        answered=could - ours - theirs,
        our_errors=ours,
        provider_errors=theirs,
        client_errors=clients,
        guardrail_blocks=blocked,
        cut=int(row["cut"]),
        availability=1 - (ours + theirs) / could if could else None,
        our_error_rate=ours / calls if calls else None,
        provider_error_rate=theirs / calls if calls else None,
        client_error_rate=clients / calls if calls else None,
        guardrail_rate=blocked / calls if calls else None,
    )
