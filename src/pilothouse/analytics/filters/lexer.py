"""A filter's text as tokens.

Refuses to know fields and values. Invariant: the tokens and the space between them are the whole text.
"""

import re
from dataclasses import dataclass
from typing import Literal

from pilothouse.analytics.filters.faults import FilterError

__all__ = ["MOST_CHARACTERS", "Kind", "Token", "tokens_of"]

MOST_CHARACTERS = 2000

Kind = Literal["word", "text", "pattern", "operator", "(", ")", ",", "end"]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<operator>!=|!~|<=|>=|=|<|>|~)
    | (?P<mark>[(),])
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<pattern>/(?:[^/\\]|\\.)+/)
    | (?P<word>[^\s()<>=!~,"']+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_SPACE = re.compile(r"\s*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a filter."""

    kind: Kind
    value: str
    """What it means: of a text without quotes and escapes."""
    start: int
    """Where it begins, counted from 0."""
    end: int


def tokens_of(text: str) -> list[Token]:
    """Returns the tokens of `text`; the last is of kind `end`.

    Raises:
        FilterError: it is too long, or a quote is not closed, or a character has no meaning here.
    """
    if len(text) > MOST_CHARACTERS:
        raise FilterError(
            f"The filter has {len(text)} characters; {MOST_CHARACTERS} are allowed.",
            position=MOST_CHARACTERS + 1,
            hint="ask for less at once; for many values use `field in (a, b)`",
        )
    found: list[Token] = []
    at = 0
    while True:
        space = _SPACE.match(text, at)
        at = space.end() if space else at
        if at >= len(text):
            found.append(Token("end", "", len(text), len(text)))
            return found
        match = _TOKEN.match(text, at)
        if match is None:
            raise _stray(text, at)
        found.append(_token(match, at))
        at = match.end()


def _token(match: re.Match[str], start: int) -> Token:
    kind, raw = str(match.lastgroup), match.group().strip() if match.lastgroup == "mark" else match.group()
    if kind == "mark":
        marks: dict[str, Kind] = {"(": "(", ")": ")", ",": ","}
        return Token(marks[raw], raw, start, match.end())
    if kind == "text":
        return Token("text", _ESCAPE.sub(r"\1", raw[1:-1]), start, match.end())
    if kind == "pattern":
        return Token("pattern", raw[1:-1].replace("\\/", "/"), start, match.end())
    return Token("operator" if kind == "operator" else "word", raw, start, match.end())


def _stray(text: str, at: int) -> FilterError:
    if text[at] in "\"'":
        return FilterError(
            "The quote that opens here is not closed.",
            position=at + 1,
            length=len(text) - at,
            hint=f"close it with {text[at]}",
        )
    return FilterError(
        f"{text[at]!r} has no meaning here.",
        position=at + 1,
        hint="operators are = != < <= > >= ~ !~ in; put text with special characters in quotes",
    )
