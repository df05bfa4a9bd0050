"""Reads Prometheus' text format 0.0.4: the families of another server's page, as ours.

Refuses to know which names mean what. Invariant: what it cannot read it leaves out; the number of samples
it gives is bounded.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from pilothouse.telemetry.prometheus import Family, Sample

__all__ = ["read_families"]

Kind = Literal["counter", "gauge", "histogram"]
KINDS: Mapping[str, Kind] = {"counter": "counter", "gauge": "gauge", "histogram": "histogram"}
SUFFIXES = ("_bucket", "_sum", "_count")
LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
ESCAPED = re.compile(r"\\[\\\"n]")


def read_families(page: str, *, prefix: str, labels: Mapping[str, str], most_samples: int) -> list[Family]:
    """Returns the families whose name begins with `prefix`.

    Args:
        page: The text.
        prefix: The names wanted begin so.
        labels: Put on each sample, over its own of the same name.
        most_samples: What comes behind so many is left out.
    """
    kinds: dict[str, Kind] = {}
    helps: dict[str, str] = {}
    samples: dict[str, list[Sample]] = {}
    left = most_samples
    for line in page.splitlines():
        if line.startswith("#"):
            _note(line, prefix, kinds, helps)
            continue
        if not line.startswith(prefix) or left <= 0 or (match := LINE.match(line)) is None:
            continue
        name, suffix = _family_of(match[1], kinds)
        value = _value(match[3])
        if name not in kinds or value is None:
            continue
        left -= 1
        own = {key: _unescaped(text) for key, text in LABEL.findall(match[2] or "")}
        samples.setdefault(name, []).append(Sample(value, {**own, **labels}, suffix))
    return [Family(name, kinds[name], helps.get(name, ""), found) for name, found in samples.items()]


def _note(line: str, prefix: str, kinds: dict[str, Kind], helps: dict[str, str]) -> None:
    words = line.split(" ", 3)
    if len(words) < 4 or not words[2].startswith(prefix):  # noqa: PLR2004 - `# TYPE name kind`
        return
    if words[1] == "TYPE" and words[3] in KINDS:
        kinds[words[2]] = KINDS[words[3]]
    elif words[1] == "HELP":
        helps[words[2]] = words[3]


def _family_of(name: str, kinds: Iterable[str]) -> tuple[str, str]:
    if name in kinds:
        return name, ""
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix), suffix
    return name, ""


def _value(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _unescaped(text: str) -> str:
    return ESCAPED.sub(lambda match: ESCAPES[match[0]], text)
