"""A path into a JSON document: `$`, `.name`, `["name"]`, `[2]`, `[-1]`, and no more.

Refuses to know which document. Invariant: following a path never fails: what is not there is `None`.
"""

import re
from typing import Any

import msgspec

__all__ = ["Path", "follow", "parse_path", "text_at"]

STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\[(-?\d{1,9})\]|\[\"([^\"]+)\"\]|\['([^']+)'\]")
Path = tuple[str | int, ...]


def parse_path(text: str) -> Path:
    """Returns the steps of a path.

    Raises:
        ValueError: it is none; the message says from where on.
    """
    if not text.startswith("$"):
        raise ValueError("a path begins with `$`")
    steps: list[str | int] = []
    at = 1
    while at < len(text):
        match = STEP.match(text, at)
        if match is None:
            raise ValueError(f'`{text[at:]}` is no step: `.name`, `[0]` or `["a name"]`')
        name = match[1] or match[3] or match[4]
        steps.append(name if name is not None else int(match[2]))
        at = match.end()
    return tuple(steps)


def follow(document: Any, path: Path) -> Any:
    """Returns what is at the path, `None` where there is nothing."""
    for step in path:
        if isinstance(step, str):
            document = document.get(step) if isinstance(document, dict) else None
        elif isinstance(document, list) and -len(document) <= step < len(document):
            document = document[step]
        else:
            return None
    return document


def text_at(text: str, path: Path) -> str | None:
    """Returns what is at the path of a text that is JSON: texts as they are, all else as JSON."""
    try:
        found = follow(msgspec.json.decode(text), path)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if found is None or isinstance(found, str):
        return found
    return msgspec.json.encode(found).decode()
