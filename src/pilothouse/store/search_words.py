"""What a word is: one way to cut text, for those who index it and those who look for it.

Refuses to know what is stored. Invariant: the words of a text are the same wherever they are cut; letters'
size and Unicode's ways to write one letter do not matter.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import msgspec

__all__ = ["LONGEST_WORD", "phrase_of", "texts_of", "whole_words_of", "words_of"]

LONGEST_WORD = 64
"""Of longer ones (keys, base64) only so much counts."""
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORDS = re.compile(rf"[{_IDEOGRAPHS}]|[^\W_{_IDEOGRAPHS}]+")
"""Writing without spaces is cut into its characters."""


def words_of(text: str) -> list[str]:
    """Returns the words of `text`, in order."""
    return [word[:LONGEST_WORD] for word in whole_words_of(text)]


def whole_words_of(text: str) -> list[str]:
    """Returns the words of `text`, in order, however long they are."""
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return _WORDS.findall(plain)


def phrase_of(text: str) -> str:
    """Returns the words of `text` with a space around each, so that a phrase is found by `in`."""
    return f" {' '.join(words_of(text))} "


def texts_of(*bodies: bytes | None) -> Iterator[str]:
    """Yields every text in JSON bodies: values, not names; a body that is no JSON is one text."""
    for body in bodies:
        if not body:
            continue
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield body.decode(errors="replace")
            continue
        yield from _texts(found)


def _texts(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        kind = type(one)
        if kind is str:
            yield one
        elif kind is dict:
            waiting.extend(reversed(one.values()))
        elif kind is list:
            waiting.extend(reversed(one))
        elif kind is int or kind is float:
            yield str(one)
