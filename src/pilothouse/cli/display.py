"""How the command line shows numbers, times and tables.

Refuses to know where the values come from. Invariant: a value that is not known is shown as a dash, never as
a zero.
"""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

DASH = "-"
KIB = 1024
PIPE_WIDTH = 240
MS_IN_S = 1000


def console() -> Console:
    """Returns a console on standard output; what goes to a file or a pipe is as wide as it needs to be."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def print_json(value: object) -> None:
    """Prints a value as JSON for other programs."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def table(*columns: str, right: Sequence[str] = (), title: str | None = None) -> Table:
    """Returns an empty table with these columns; those named in `right` are aligned to the right."""
    made = Table(title=title, box=None, pad_edge=False, header_style="bold", title_justify="left")
    for column in columns:
        made.add_column(
            column, justify="right" if column in right else "left", no_wrap=column == "ID", overflow="fold"
        )
    return made


def clock(at_ms: float | None) -> str:
    """Returns a UTC time to the second."""
    if at_ms is None:
        return DASH
    return datetime.fromtimestamp(at_ms / MS_IN_S, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def duration(value_ms: float | None) -> str:
    """Returns a duration in the unit that reads best."""
    if value_ms is None:
        return DASH
    if value_ms >= MS_IN_S:
        return f"{value_ms / MS_IN_S:.2f} s"
    return f"{value_ms:.1f} ms"


def dollars(value_usd: float | None) -> str:
    """Returns a cost; an unknown one says so."""
    if value_usd is None:
        return "unpriced"
    return f"${value_usd:.6f}".rstrip("0").rstrip(".") if value_usd else "$0"


def size(value_bytes: float | None) -> str:
    """Returns a size in bytes in the unit that reads best."""
    if value_bytes is None:
        return DASH
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value_bytes < KIB or unit == "GiB":
            return f"{value_bytes:.0f} {unit}" if unit == "B" else f"{value_bytes:.1f} {unit}"
        value_bytes /= KIB
    return DASH


def count(value: float | None) -> str:
    """Returns a whole number with separators."""
    return DASH if value is None else f"{value:,.0f}"


def status(code: int, outcome: str) -> Text:
    """Returns an HTTP status with its outcome, coloured."""
    colour = "green" if outcome == "completed" else "yellow" if outcome in {"refused", "cancelled"} else "red"
    return Text(f"{code} {outcome}", style=colour)


def value(found: Any) -> str:
    """Returns any value as a cell: a dash for nothing, lists joined."""
    if found is None or found == "":
        return DASH
    if isinstance(found, list):
        return ", ".join(str(item) for item in found) or DASH
    return str(found)
