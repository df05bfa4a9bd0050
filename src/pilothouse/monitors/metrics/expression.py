"""The expression language of custom metrics: fields, arithmetic, comparisons and a fixed list of functions.

Its grammar is a small part of Python's, read by Python's own parser and then walked by this file, which knows
each kind of node it accepts and refuses all others: there is no attribute, no subscript, no assignment, no
call of anything but the functions listed. What it makes is a tree of closures; nothing is ever evaluated as
Python. Types are settled when it is read: an expression that passes can only lack a value, never fail.

    cost_usd / output_tokens * 1000
    matches(answer, "(?i)as an ai") and outcome == "completed"
    number(json(answer, "$.total")) - output_tokens if has(answer) else 0

Refuses to know calls beyond their fields. Invariant: a run takes time in proportion to the expression and the
texts it reads; it gives a value of the expression's kind, `None`, or `NoValueError`.
"""

import ast
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from pilothouse.monitors.metrics.faults import ExpressionError, NoValueError
from pilothouse.monitors.metrics.fields import CONTENT, FIELDS, Kind, Scope, Value
from pilothouse.monitors.metrics.functions import FUNCTIONS

__all__ = ["Expression", "read_expression"]

LONGEST = 2000
DEEPEST = 40
Run = Callable[[Scope], Any]
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
EQUALITIES = (ast.Eq, ast.NotEq)


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that was read."""

    kind: Kind
    needs_words: bool
    """Whether it reads what was asked or answered."""
    _run: Run

    def value(self, scope: Scope) -> Value:
        """Returns the value for one call, `None` when something it needs is not known.

        Raises:
            NoValueError: it divides by zero, or comes to no finite number.
        """
        try:
            found: Value = self._run(scope)
        except ZeroDivisionError:
            raise NoValueError("division_by_zero") from None
        except (OverflowError, ValueError):
            raise NoValueError("not_finite") from None
        if self.kind == "number" and found is not None and not math.isfinite(float(found)):
            raise NoValueError("not_finite")
        return found


@dataclass(frozen=True, slots=True)
class _Part:
    kind: Kind
    run: Run


def read_expression(text: str) -> Expression:
    """Returns an expression.

    Raises:
        ExpressionError: it cannot be read or does not fit together, and where.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"it is longer than {LONGEST} characters", LONGEST, "Make it shorter.")
    lines = " ".join(text.split("\n"))
    try:
        tree = ast.parse(lines.strip(), mode="eval")
    except SyntaxError as error:
        raise ExpressionError(
            f"it cannot be read: {error.msg}",
            error.offset or len(lines.strip()) + 1,
            "See the examples in the documentation.",
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError("it cannot be read", 1, "See the examples in the documentation.") from error
    reader = _Reader(lines.strip())
    part = reader.part(tree.body, 0)
    return Expression(part.kind, bool(reader.names & CONTENT), part.run)


class _Reader:
    """Walks one expression's tree."""

    def __init__(self, text: str) -> None:
        self._bytes = text.encode()
        self.names: set[str] = set()

    def part(self, node: ast.expr, depth: int) -> _Part:
        """Returns what a node is, and how it is run."""
        if depth > DEEPEST:
            self._fail(node, "it is too deep", "Split it into two metrics.")
        read = _READERS.get(type(node))
        if read is None:
            self._fail(
                node,
                f"`{ast.unparse(node)[:40]}` is not part of the language",
                "There are fields, numbers, texts, + - * / // %, comparisons, and, or, not, "
                "`a if b else c`, and functions.",
            )
        return read(self, node, depth + 1)

    def _fail(self, node: ast.expr, message: str, hint: str) -> NoReturn:
        position = len(self._bytes[: node.col_offset].decode(errors="ignore")) + 1
        raise ExpressionError(message, position, hint)

    def _of_kind(self, node: ast.expr, kind: Kind, depth: int) -> Run:
        part = self.part(node, depth)
        if part.kind != kind:
            self._fail(
                node,
                f"`{ast.unparse(node)[:40]}` is a {part.kind}, and a {kind} is needed",
                "`number(text)` reads a number, `one(condition)` is 1 or 0.",
            )
        return part.run

    def _constant(self, node: ast.Constant, _: int) -> _Part:
        value = node.value
        if isinstance(value, bool):
            return _Part("boolean", lambda _: value)
        if isinstance(value, int | float):
            return _Part("number", lambda _: value)
        if isinstance(value, str):
            return _Part("text", lambda _: value)
        return self._fail(
            node, f"`{ast.unparse(node)[:40]}` is no value", "There are numbers, texts, True and False."
        )

    def _name(self, node: ast.Name, _: int) -> _Part:
        field = FIELDS.get(node.id)
        if field is None:
            self._fail(
                node, f"there is no field `{node.id[:40]}`", f"Fields are: {', '.join(sorted(FIELDS))}."
            )
        self.names.add(node.id)
        return _Part(field.kind, field.read)

    def _arithmetic(self, node: ast.BinOp, depth: int) -> _Part:
        compute = ARITHMETIC.get(type(node.op))
        if compute is None:
            self._fail(node, "there is no such operation", "There are + - * / // %.")
        left = self._of_kind(node.left, "number", depth)
        right = self._of_kind(node.right, "number", depth)

        def run(scope: Scope) -> Any:
            one, other = left(scope), right(scope)
            return None if one is None or other is None else compute(one, other)

        return _Part("number", run)

    def _sign(self, node: ast.UnaryOp, depth: int) -> _Part:
        if isinstance(node.op, ast.Not):
            given = self._of_kind(node.operand, "boolean", depth)
            return _Part("boolean", lambda scope: None if (found := given(scope)) is None else not found)
        if not isinstance(node.op, ast.USub | ast.UAdd):
            self._fail(node, "there is no such operation", "There are - and not.")
        sign = -1 if isinstance(node.op, ast.USub) else 1
        given = self._of_kind(node.operand, "number", depth)
        return _Part("number", lambda scope: None if (found := given(scope)) is None else sign * found)

    def _both_or_either(self, node: ast.BoolOp, depth: int) -> _Part:
        """`and` and `or`, of which one side may decide though the other is not known."""
        parts = [self._of_kind(value, "boolean", depth) for value in node.values]
        decides = isinstance(node.op, ast.Or)

        def run(scope: Scope) -> bool | None:
            is_unknown = False
            for part in parts:
                found = part(scope)
                if found is decides:
                    return found is True
                is_unknown |= found is None
            return None if is_unknown else not decides

        return _Part("boolean", run)

    def _comparison(self, node: ast.Compare, depth: int) -> _Part:
        if len(node.ops) > 1:
            self._fail(node, "comparisons are not chained", "Write `a < b and b < c`.")
        how, other = node.ops[0], node.comparators[0]
        left = self.part(node.left, depth)
        if isinstance(how, ast.In | ast.NotIn):
            return self._membership(left, other, is_in=isinstance(how, ast.In))
        compute = COMPARISONS.get(type(how))
        if compute is None:
            self._fail(node, "there is no such comparison", "There are == != < <= > >=, in and not in.")
        right = self._of_kind(other, left.kind, depth)
        if left.kind == "boolean" and not isinstance(how, EQUALITIES):
            self._fail(node, "conditions have no order", "Compare numbers or texts.")

        def run(scope: Scope) -> bool | None:
            one, two = left.run(scope), right(scope)
            return None if one is None or two is None else bool(compute(one, two))

        return _Part("boolean", run)

    def _membership(self, left: _Part, other: ast.expr, *, is_in: bool) -> _Part:
        if not isinstance(other, ast.Tuple | ast.List):
            self._fail(other, "`in` takes a list of values", 'Write `model in ("a", "b")`.')
        values = set()
        for one in other.elts:
            if not isinstance(one, ast.Constant) or self._constant(one, 0).kind != left.kind:
                self._fail(one, f"the list holds what is no {left.kind}", "Give values of one type.")
            values.add(one.value)
        known = frozenset(values)
        return _Part(
            "boolean", lambda scope: None if (found := left.run(scope)) is None else (found in known) is is_in
        )

    def _choice(self, node: ast.IfExp, depth: int) -> _Part:
        condition = self._of_kind(node.test, "boolean", depth)
        then = self.part(node.body, depth)
        otherwise = self._of_kind(node.orelse, then.kind, depth)

        def run(scope: Scope) -> Any:
            found = condition(scope)
            return None if found is None else then.run(scope) if found else otherwise(scope)

        return _Part(then.kind, run)

    def _call(self, node: ast.Call, depth: int) -> _Part:
        if not isinstance(node.func, ast.Name) or node.keywords:
            self._fail(node, "only functions of the language can be called", f"There is: {_FUNCTION_NAMES}.")
        name = node.func.id
        if name in _OWN:
            return self._own_call(name, node, depth)
        function = FUNCTIONS.get(name)
        if function is None:
            self._fail(node, f"there is no function `{name[:40]}`", f"There is: {_FUNCTION_NAMES}.")
        most = function.most or len(function.takes)
        least = 1 if function.most else most
        if not least <= len(node.args) <= most:
            self._fail(node, f"`{name}` takes {_count(least, most)}", f"It was given {len(node.args)}.")
        kinds = [function.takes[min(number, len(function.takes) - 1)] for number in range(len(node.args))]
        if function.prepare is not None:
            return self._prepared(name, node, depth)
        given = [self._of_kind(one, kind, depth) for one, kind in zip(node.args, kinds, strict=True)]
        return _Part(function.gives, _applied(function.run, given))

    def _prepared(self, name: str, node: ast.Call, depth: int) -> _Part:
        """A function whose last argument is a pattern or a path, made ready once."""
        function, last = FUNCTIONS[name], node.args[-1]
        if not isinstance(last, ast.Constant) or not isinstance(last.value, str):
            self._fail(last, f"the last argument of `{name}` is a text in quotes", "Write it out.")
        assert function.prepare is not None
        try:
            ready = function.prepare(last.value)
        except ValueError as error:
            self._fail(last, f"{last.value[:40]!r}: {error}", "Patterns are RE2's; paths are `$.name[0]`.")
        given = self._of_kind(node.args[0], function.takes[0], depth)
        run = function.run
        return _Part(
            function.gives, lambda scope: None if (found := given(scope)) is None else run(found, ready)
        )

    def _own_call(self, name: str, node: ast.Call, depth: int) -> _Part:
        """`has`, `one` and `coalesce`: of any type, or of what is not known."""
        if not node.args or (name != "coalesce" and len(node.args) > 1):
            self._fail(node, f"`{name}` was given {len(node.args)} arguments", f"Write `{_OWN[name]}`.")
        first = self.part(node.args[0], depth)
        if name == "has":
            return _Part("boolean", lambda scope: first.run(scope) is not None)
        if name == "one":
            condition = self._of_kind(node.args[0], "boolean", depth)
            return _Part("number", lambda scope: None if (f := condition(scope)) is None else int(f))
        rest = [self._of_kind(one, first.kind, depth) for one in node.args[1:]]
        runs = [first.run, *rest]
        return _Part(
            first.kind,
            lambda scope: next((found for run in runs if (found := run(scope)) is not None), None),
        )


_OWN = {"has": "has(field)", "one": "one(condition)", "coalesce": "coalesce(a, b)"}
_FUNCTION_NAMES = ", ".join(sorted((*FUNCTIONS, *_OWN)))
_READERS: dict[type[ast.expr], Callable[[_Reader, Any, int], _Part]] = {
    ast.Constant: _Reader._constant,  # noqa: SLF001 - its own methods
    ast.Name: _Reader._name,  # noqa: SLF001 - as above
    ast.BinOp: _Reader._arithmetic,  # noqa: SLF001 - as above
    ast.UnaryOp: _Reader._sign,  # noqa: SLF001 - as above
    ast.BoolOp: _Reader._both_or_either,  # noqa: SLF001 - as above
    ast.Compare: _Reader._comparison,  # noqa: SLF001 - as above
    ast.IfExp: _Reader._choice,  # noqa: SLF001 - as above
    ast.Call: _Reader._call,  # noqa: SLF001 - as above
}


def _applied(run: Callable[..., Any], given: Sequence[Run]) -> Run:
    def applied(scope: Scope) -> Any:
        values = [one(scope) for one in given]
        return None if any(value is None for value in values) else run(*values)

    return applied


def _count(least: int, most: int) -> str:
    what = f"{least}" if least == most else f"{least} to {most}"
    return f"{what} argument" + "s" * (most > 1)
