"""A figure beside its bar, as the tables show it, and the folder where figures are kept between runs.

Refuses to know how figures are made. Invariant: what missed its bar says so in capitals.
"""

import json
from pathlib import Path

KEPT = Path(__file__).resolve().parent / "results/traffic.json"
Figures = dict[str, float | str]
MISSED = "MISSED"


def shown(value: float) -> str:
    """Returns a number with three figures that count."""
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:,.3g}"


def at_most(bar: float, value: float) -> str:
    """Returns a figure that may not be above its bar."""
    return f"{shown(value)} (bar: at most {shown(bar)}{'' if value <= bar else '; ' + MISSED})"


def at_least(bar: float, value: float) -> str:
    """Returns a figure that may not be below its bar."""
    return f"{shown(value)} (bar: at least {shown(bar)}{'' if value >= bar else '; ' + MISSED})"


def kept() -> dict[str, Figures]:
    """Returns the newest figures of each title."""
    try:
        found: dict[str, Figures] = json.loads(KEPT.read_text())
    except (OSError, ValueError):
        return {}
    return found


def keep(title: str, figures: Figures) -> None:
    """Keeps the figures of one title, for the page."""
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps({**kept(), title: figures}, indent=1))
