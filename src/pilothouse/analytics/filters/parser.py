"""Reads a filter: tokens to a typed tree.

    filter  := both (OR both)*
    both    := one (AND? one)*
    one     := NOT one | ( filter ) | field operator value | field [NOT] IN ( value, … ) | words

Refuses to know SQL. Invariant: a tree comes back only when each field exists and each value is of its type;
depth and size are bounded.
"""

from typing import cast

from pilothouse.analytics.filters.faults import FilterError, nearest
from pilothouse.analytics.filters.fields import FIELDS, SCORE_PREFIX, Field, field_of
from pilothouse.analytics.filters.lexer import Kind, Token, tokens_of
from pilothouse.analytics.filters.quantities import number_of, time_of, units_hint
from pilothouse.analytics.filters.tree import And, Compare, Member, Node, Not, Operator, Or, Pattern, Value

__all__ = ["OPERATORS", "parse_filter"]

MOST_DEPTH = 24
MOST_LEAVES = 64
MOST_VALUES = 100
OPERATORS: dict[str, tuple[str, ...]] = {
    "text": ("=", "!=", "~", "!~", "in"),
    "key": ("=", "!=", "~", "!~", "in"),
    "choice": ("=", "!=", "in"),
    "feedback": ("=", "!="),
    "boolean": ("=", "!="),
    "number": ("=", "!=", "<", "<=", ">", ">=", "in"),
    "score": ("=", "!=", "<", "<=", ">", ">="),
    "time": ("<", "<=", ">", ">="),
    "content": ("~", "!~"),
}
"""Of each kind of field, what it can be compared with."""
_WORDS = {"and", "or", "not", "in"}
_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}


def parse_filter(text: str) -> Node | None:
    """Returns the tree of `text`; `None` when it asks for nothing.

    Raises:
        FilterError: it cannot be understood; the error points at the place.
    """
    return _Parser(tokens_of(text)).whole()


class _Parser:
    """Reads one filter by recursive descent."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._leaves = 0

    def whole(self) -> Node | None:
        if self._is_next("end"):
            return None
        tree = self._either()
        if not self._is_next("end"):
            raise _fault(self._next, f"{self._next.value!r} has no beginning.", "take it out")
        return tree

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _is_next(self, kind: Kind) -> bool:
        return self._tokens[self._at].kind == kind

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _is_word(self, word: str) -> bool:
        return self._next.kind == "word" and self._next.value.lower() == word

    def _either(self) -> Node:
        parts = [self._both()]
        while self._is_word("or"):
            self._take()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self) -> Node:
        parts = [self._one()]
        while True:
            if self._is_word("and"):
                self._take()
            elif self._next.kind in {"end", ")"} or self._is_word("or"):
                return parts[0] if len(parts) == 1 else And(tuple(parts))
            parts.append(self._one())

    def _one(self) -> Node:
        token = self._take()
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise _fault(token, f"The filter is nested deeper than {MOST_DEPTH}.", "leave brackets out")
        try:
            if token.kind == "word" and token.value.lower() == "not":
                return Not(self._one())
            if token.kind == "(":
                return self._inside(token)
            return self._leaf(token)
        finally:
            self._depth -= 1

    def _inside(self, opening: Token) -> Node:
        if self._is_next(")"):
            raise _fault(self._next, "There is nothing in these brackets.", "write a comparison between them")
        tree = self._either()
        if self._take().kind != ")":
            raise _fault(opening, "The bracket that opens here is not closed.", "close it with )")
        return tree

    def _leaf(self, token: Token) -> Node:
        self._leaves += 1
        if self._leaves > MOST_LEAVES:
            raise _fault(token, f"The filter compares more than {MOST_LEAVES} times.", "use `in (a, b)`")
        if token.kind in {"text", "pattern"}:
            return Compare("text", "~", self._words(token))
        if token.kind != "word" or token.value.lower() in _WORDS:
            raise _missing(token)
        if self._is_next("operator"):
            return self._comparison(token, _known(token))
        if self._is_word("in") or (self._is_word("not") and self._follows_in()):
            return self._member(token, _known(token))
        return Compare("text", "~", self._words(token))

    def _follows_in(self) -> bool:
        after = self._tokens[self._at + 1]
        return after.kind == "word" and after.value.lower() == "in"

    def _words(self, token: Token) -> str | Pattern:
        if not token.value.strip():
            raise _fault(token, "There is no word to look for.", 'write text ~ "word"')
        return Pattern(token.value, token.start + 1) if token.kind == "pattern" else token.value

    def _comparison(self, name: Token, field: Field) -> Node:
        token = self._take()
        if token.value not in OPERATORS[field.kind]:
            raise _fault(
                token,
                f"{name.value} cannot be compared with {token.value}.",
                f"for {name.value} there are {' '.join(OPERATORS[field.kind])}",
            )
        operator = cast("Operator", token.value)
        value = self._value(self._take(), name, field, is_search=operator in {"~", "!~"})
        return Compare(_name(name, field), operator, value)

    def _member(self, name: Token, field: Field) -> Node:
        is_not = self._is_word("not")
        if is_not:
            self._take()
        word = self._take()
        if "in" not in OPERATORS[field.kind]:
            raise _fault(
                word,
                f"{name.value} cannot be compared with in.",
                f"for {name.value} there are {' '.join(OPERATORS[field.kind])}",
            )
        if not self._is_next("("):
            raise _fault(self._next, "After in comes a list in brackets.", f'{name.value} in ("a", "b")')
        opening = self._take()
        values = [self._value(self._take(), name, field)]
        while self._is_next(","):
            self._take()
            values.append(self._value(self._take(), name, field))
            if len(values) > MOST_VALUES:
                raise _fault(self._next, f"The list has more than {MOST_VALUES} values.", "ask for fewer")
        if self._take().kind != ")":
            raise _fault(opening, "The list that opens here is not closed.", "close it with )")
        found = Member(_name(name, field), tuple(values))
        return Not(found) if is_not else found

    def _value(self, token: Token, name: Token, field: Field, *, is_search: bool = False) -> Value:
        if token.kind not in {"word", "text", "pattern"} or (
            token.kind == "word" and token.value.lower() in _WORDS
        ):
            raise _fault(token, f"A value for {name.value} is missing here.", _example(field))
        if field.kind == "content" or (is_search and field.kind == "text" and token.kind == "pattern"):
            return self._words(token)
        if token.kind == "pattern":
            raise _fault(
                token, f"A pattern cannot be compared with {name.value} so.", "put the value in quotes"
            )
        return _typed(token, name, field)


def _typed(token: Token, name: Token, field: Field) -> Value:
    text = token.value
    found: Value | None = text
    if field.kind in {"number", "score"}:
        found = number_of(text, field.unit)
    elif field.kind == "time":
        found = time_of(text)
    elif field.kind == "boolean":
        found = _BOOLEANS.get(text.lower())
    elif field.choices:
        found = text.lower() if text.lower() in field.choices else None
    if found is None:
        hint = nearest(text, field.choices) or _example(field)
        raise _fault(token, f"{_cut(text)} is no value for {name.value}.", hint)
    return found


def _example(field: Field) -> str:
    if field.choices:
        return f"it is one of {', '.join(field.choices)}"
    if field.kind in {"number", "score"}:
        return units_hint(field.unit)
    return {
        "time": "write 2026-11-22T10:00 (UTC), or -15m for a quarter of an hour ago",
        "boolean": "write true or false",
        "content": 'write text ~ "words", or text ~ /pattern/',
    }.get(field.kind, f'write {field.name} = "value"')


def _known(token: Token) -> Field:
    field = field_of(token.value)
    if field is None:
        raise _fault(
            token,
            f"There is no field {_cut(token.value)}.",
            nearest(token.value, [*FIELDS, SCORE_PREFIX + "name"])
            or f"the fields are {', '.join(FIELDS)}, {SCORE_PREFIX}<name>",
        )
    return field


def _name(token: Token, field: Field) -> str:
    """A field's own spelling; of a score, its name is the user's."""
    return SCORE_PREFIX + token.value[len(SCORE_PREFIX) :] if field.kind == "score" else field.name


def _missing(token: Token) -> FilterError:
    if token.kind == "end":
        return _fault(token, "Something is missing at the end.", "write a comparison, as model = gpt-4o")
    if token.kind == "word":
        return _fault(token, f"{token.value!r} needs something before it.", "to look for the word, quote it")
    return _fault(
        token, f"{token.value!r} has no field before it.", "write a field first, as latency_ms > 500"
    )


def _cut(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")  # noqa: PLR2004 - what fits a line


def _fault(token: Token, message: str, hint: str | None) -> FilterError:
    return FilterError(message, position=token.start + 1, length=token.end - token.start, hint=hint)
