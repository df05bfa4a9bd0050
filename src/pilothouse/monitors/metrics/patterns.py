"""Regular expressions that end: RE2, whose time grows with the text and never with its square.

Refuses to know where texts come from. Invariant: a pattern that compiles takes linear time and little memory.
"""

from typing import Any

__all__ = ["Pattern", "compile_pattern"]

MOST_MEMORY = 1 << 20
"""Bytes that one compiled pattern may take."""
LONGEST = 1000


class Pattern:
    """A compiled pattern."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    def is_in(self, text: str) -> bool:
        """Says whether some part of a text matches."""
        return self._compiled.search(text) is not None

    def count(self, text: str) -> int:
        """Returns how many parts of a text match, none overlapping another."""
        return sum(1 for _ in self._compiled.finditer(text))

    def first(self, text: str) -> str | None:
        """Returns the first group of the first match, or the whole match where there is no group."""
        match = self._compiled.search(text)
        if match is None:
            return None
        found = match.group(1 if self._compiled.groups else 0)
        return None if found is None else str(found)


def compile_pattern(text: str) -> Pattern:
    """Returns a pattern.

    Raises:
        ValueError: it is no pattern of RE2's (which has no look-around and no back-references).
    """
    if len(text) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST} characters")
    import re2  # only where a metric has a pattern

    options = re2.Options()
    options.log_errors = False
    options.max_mem = MOST_MEMORY
    try:
        return Pattern(re2.compile(text, options))
    except re2.error as error:
        said = error.args[0] if error.args else "it is not a pattern"
        raise ValueError(said.decode(errors="replace") if isinstance(said, bytes) else str(said)) from error
