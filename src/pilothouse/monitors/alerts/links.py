"""The console's page of the calls behind an alert: a filter and a time, as an address.

Refuses to know alerts' states. Invariant: what is a label's value is quoted, so that it cannot change the
filter.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

__all__ = ["filter_of", "link_to"]

FAILED = "(status >= 500 or outcome in (failed, cut))"
"""As `store.call_classes.SERVER_ERROR`: a stream that broke off began with 200."""
BEHIND = {
    "error_rate": FAILED,
    "availability": FAILED,
    "provider_error_rate": FAILED,
    "client_error_rate": "status >= 400 and status < 500",
}
"""Which calls a measure counts, where it is some of them."""
SERVED = "shadow = false"
"""Measures count calls that somebody made; applications' own spans, which have no such field, are none."""
SLOWER = {"latency_": "latency_ms", "first_token_": "first_token_ms"}
FIELDS = ("model", "provider", "deployment", "key", "team", "operation")


def filter_of(measure: str | None, labels: Mapping[str, str], threshold: float | None) -> str:
    """Returns the filter of the calls behind an alert."""
    parts = [f"{name} = {_quoted(labels[name])}" for name in FIELDS if labels.get(name)]
    behind = BEHIND.get(measure or "")
    if behind:
        parts.append(behind)
    for prefix, field in SLOWER.items():
        if measure and measure.startswith(prefix) and threshold is not None and threshold > 0:
            parts.append(f"{field} > {threshold:g}")
    return " and ".join([*parts, SERVED])


def link_to(address: str, filter_text: str, *, start_ms: int, end_ms: int) -> str:
    """Returns the address of a page of traces."""
    query = {"filter": filter_text, "from_ms": start_ms, "to_ms": end_ms}
    return f"{address.rstrip('/')}/traces?{urlencode(query)}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
