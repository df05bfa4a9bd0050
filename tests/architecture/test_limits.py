"""The limits that keep the house small; the same checkers are shown here to refuse what they should."""

import ast
import re
from collections.abc import Iterator

import pytest

MODULE_LINES = 500
FUNCTION_LINES = 60
POSITIONAL_ARGUMENTS = 7
FOLDERS_BELOW_PACKAGE = 2
FORBIDDEN_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "core",
    "manager",
    "models",
    "types",
    "misc",
}

NAMED_AFTER_A_COMMAND = {"cli/models.py"}
"""Modules whose name is a word of the command line, whatever it would mean elsewhere."""

BORDERS = {
    "gateway/pipeline.py": "one call's fault must not end the worker",
    "gateway/attempts.py": "called by the event loop: one call's fault must not end the worker",
    "gateway/shadow.py": "a mirror's fault must not reach the original",
    "gateway/front.py": "one request's fault must not end the worker",
    "gateway/intake.py": "one sender's bytes must not end the thread that checks them",
    "telemetry/folding.py": "one strange span must not take its whole batch with it",
    "worker.py": "one job's fault must not end the others",
}
"""Modules that may catch everything, each with the border it guards."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def long_functions(tree: ast.Module) -> Iterator[str]:
    """Yields each function longer than the limit; its decorators and docstring count."""
    for node in ast.walk(tree):
        if isinstance(node, Function) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{node.name} has {lines} lines"


def wide_functions(tree: ast.Module) -> Iterator[str]:
    """Yields each function with too many arguments that can be given by position (`self` does not count)."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            names = [argument.arg for argument in node.args.posonlyargs + node.args.args]
            count = len([name for name in names if name not in {"self", "cls"}])
            if count > POSITIONAL_ARGUMENTS:
                yield f"{node.name} takes {count} positional arguments"


def is_reraised(handler: ast.ExceptHandler) -> bool:
    """Says whether a handler only cleans up: its last statement is a bare `raise`."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def broad_excepts(tree: ast.Module) -> Iterator[str]:
    """Yields each handler that catches everything and does not raise it again."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and not is_reraised(node):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            for kind in caught:
                if kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"}):
                    yield f"line {node.lineno}"


def bare_ignores(text: str) -> Iterator[str]:
    """Yields each `type: ignore` that lacks its code in brackets or its reason behind it."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"#\s*type:\s*ignore", line) and not re.search(
            r"#\s*type:\s*ignore\[[a-z-]+(, ?[a-z-]+)*\]\s+[#-] \S", line
        ):
            yield f"line {number}: {line.strip()}"


def weak_docstring(tree: ast.Module) -> str | None:
    """Returns what is wrong with a module's docstring, or `None`."""
    docstring = ast.get_docstring(tree)
    if not docstring:
        return "has no docstring"
    first = docstring.splitlines()[0]
    return None if first.endswith(".") else f"first line does not end with a period: {first!r}"


def misplaced(path: str) -> str | None:
    """Returns what is wrong with a module's place or name, or `None`."""
    *folders, name = path.removesuffix(".py").split("/")
    below = len(folders) - 1  # the first folder is the package itself
    if below > FOLDERS_BELOW_PACKAGE:
        return f"lies {below} folders below its package"
    bad = FORBIDDEN_NAMES.intersection([*folders, name] if path not in NAMED_AFTER_A_COMMAND else folders)
    return f"says nothing with the name {bad.pop()!r}" if bad else None


def test_no_module_is_too_long(sources: dict[str, str]) -> None:
    """A module of more than 500 lines holds more than one meaning."""
    lengths = {path: len(text.splitlines()) for path, text in sources.items()}
    assert {path: lines for path, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_no_function_is_too_long(trees: dict[str, ast.Module]) -> None:
    """A function of more than 60 lines does more than one thing."""
    assert {path: found for path, tree in trees.items() if (found := list(long_functions(tree)))} == {}


def test_no_function_takes_too_many_positional_arguments(trees: dict[str, ast.Module]) -> None:
    """Past seven, a call no longer says which is which."""
    assert {path: found for path, tree in trees.items() if (found := list(wide_functions(tree)))} == {}


def test_modules_have_a_place_and_a_name(sources: dict[str, str]) -> None:
    """Folders stay shallow, and a name says what is inside."""
    assert {path: wrong for path in sources if (wrong := misplaced(path))} == {}


def test_modules_say_what_they_are(trees: dict[str, ast.Module]) -> None:
    """The first line of a module's docstring is its line in the code map."""
    assert {path: wrong for path, tree in trees.items() if (wrong := weak_docstring(tree))} == {}


def test_everything_is_caught_only_at_borders(trees: dict[str, ast.Module]) -> None:
    """`except Exception` stands only in the modules listed, and each of these still needs it."""
    found = {path: lines for path, tree in trees.items() if (lines := list(broad_excepts(tree)))}
    assert {path: lines for path, lines in found.items() if path not in BORDERS} == {}
    assert set(BORDERS) - set(found) == set()


def test_every_ignored_type_has_a_code_and_a_reason(sources: dict[str, str]) -> None:
    """`# type: ignore[code]  # why`."""
    assert {path: found for path, text in sources.items() if (found := list(bare_ignores(text)))} == {}


LONG = "def long():\n" + "    pass\n" * FUNCTION_LINES
WIDE = "def wide(a, b, c, d, e, f, g, h): ..."
METHOD = "class A:\n    def narrow(self, a, b, c, d, e, f, g, *, h, i): ..."


def test_the_checkers_can_fail() -> None:
    """Each checker refuses a bad sample and lets the good one beside it pass."""
    assert list(long_functions(ast.parse(LONG))) == ["long has 61 lines"]
    assert list(long_functions(ast.parse(LONG.replace("    pass\n", "", 1)))) == []
    assert list(wide_functions(ast.parse(WIDE))) == ["wide takes 8 positional arguments"]
    assert list(wide_functions(ast.parse(METHOD))) == []
    assert weak_docstring(ast.parse("x = 1")) == "has no docstring"
    assert weak_docstring(ast.parse('"""No period"""')) is not None
    assert weak_docstring(ast.parse('"""Good."""')) is None


@pytest.mark.parametrize("caught", ["except:", "except Exception:", "except (OSError, BaseException):"])
def test_broad_handlers_are_seen(caught: str) -> None:
    """All the ways to catch everything are recognised."""
    assert list(broad_excepts(ast.parse(f"try:\n    pass\n{caught}\n    pass"))) == ["line 3"]
    assert list(broad_excepts(ast.parse("try:\n    pass\nexcept OSError:\n    pass"))) == []
    assert list(broad_excepts(ast.parse(f"try:\n    pass\n{caught}\n    close()\n    raise"))) == []


@pytest.mark.parametrize(
    ("line", "is_good"),
    [
        ("x = y  # type: ignore", False),
        ("x = y  # type: ignore[attr-defined]", False),
        ("x = y  # type: ignore[attr-defined]  # the stubs lack it", True),
        ("x = y  # type: ignore[attr-defined, misc] - the stubs lack it", True),
    ],
)
def test_bare_ignores_are_seen(line: str, is_good: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A code and a reason are both needed."""
    assert (list(bare_ignores(line)) == []) is is_good


@pytest.mark.parametrize("path", ["store/a/b/c/d.py", "store/utils.py", "models/__init__.py", "core.py"])
def test_bad_places_are_seen(path: str) -> None:
    """Too deep, or a name that says nothing."""
    assert misplaced(path) is not None


def test_good_places_pass() -> None:
    """Two folders below a package are fine."""
    assert misplaced("store/migrations/versions/v0001_first.py") is None
