"""Reads a model's answer as it is written and says what is text and what is a tool call.

Refuses to know where the text comes from. Invariant: however an answer is cut into pieces, the parts that
come out are the same when joined.
"""

import json
import re
from dataclasses import dataclass

from pilothouse.serving.llama_cpp.tools import OPEN

__all__ = ["Arguments", "CallBegun", "Part", "Text", "ToolText", "is_start_of_call"]

_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)')


@dataclass(frozen=True, slots=True)
class Text:
    """Words of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class CallBegun:
    """A call of the function `name` begins."""

    name: str


@dataclass(frozen=True, slots=True)
class Arguments:
    """A further piece of the call's arguments."""

    text: str


Part = Text | CallBegun | Arguments


def is_start_of_call(text: str) -> bool:
    """Says whether an answer that ends after `text` was cut inside a call's beginning."""
    return text.startswith(OPEN) or OPEN.startswith(text)


class ToolText:
    """One answer."""

    def __init__(self) -> None:
        self._held = ""
        self._is_text = False
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self.has_begun = False
        """Whether a call has begun."""
        self.is_whole = False
        """Whether a call has been read to its end."""

    def feed(self, text: str) -> list[Part]:
        """Takes the next piece of the answer and returns what it makes certain."""
        if self._is_text:
            return [Text(text)] if text else []
        if self.has_begun:
            return self._arguments(text)
        self._held += text
        return self._decide()

    def end(self) -> list[Part]:
        """Says that no more text comes; returns what was held back."""
        held, self._held = self._held, ""
        if self.has_begun or self._is_text or not held:
            return []
        return [Text(held)]

    def _decide(self) -> list[Part]:
        if not self._held.startswith(OPEN):
            if OPEN.startswith(self._held):
                return []
            return self._as_text()
        found = _HEAD.match(self._held, len(OPEN))
        if found is None:
            return []
        rest, self._held = self._held[found.end() :], ""
        self.has_begun = True
        return [CallBegun(json.loads(found[1])), *self._arguments(rest)]

    def _as_text(self) -> list[Part]:
        self._is_text = True
        held, self._held = self._held, ""
        return [Text(held)]

    def _arguments(self, text: str) -> list[Part]:
        """Takes characters up to the brace that closes the arguments' object."""
        if self.is_whole:
            return []
        for place, character in enumerate(text):
            if self._is_closed_by(character):
                self.is_whole = True
                return [Arguments(text[: place + 1])]
        return [Arguments(text)] if text else []

    def _is_closed_by(self, character: str) -> bool:
        if self._in_string:
            if self._escaped:
                self._escaped = False
            elif character == "\\":
                self._escaped = True
            elif character == '"':
                self._in_string = False
            return False
        if character == '"':
            self._in_string = True
        elif character in "{[":
            self._depth += 1
        elif character in "}]":
            self._depth -= 1
            return self._depth == 0
        return False
