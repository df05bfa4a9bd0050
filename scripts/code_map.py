"""Writes the generated parts of `ARCHITECTURE.md`: the layers, and the code map from modules' docstrings.

Refuses to know what a module does beyond its docstring's first line. Invariant: the text outside the markers
is never touched, and a second run changes nothing.

    code_map.py            write them
    code_map.py --check    say whether they are current; exit status 1 when not
"""

import ast
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "pilothouse"
PAGE = ROOT / "ARCHITECTURE.md"
CODE_MAP = (
    "<!-- code map: written by `make docs` from the modules' docstrings -->",
    "<!-- end of the code map -->",
)
LAYERS = ("<!-- layers: written by `make docs` from pyproject.toml -->", "<!-- end of the layers -->")


def first_line(path: Path) -> str:
    """Returns the first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "(no docstring)").splitlines()[0]


def package_map(folder: Path) -> str:
    """Returns one package's part of the map: its own line, then a line for each module below it."""
    lines = [f"### `{folder.name}`", "", first_line(folder / "__init__.py"), ""]
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        if name == "__init__.py":
            continue
        lines.append(f"- `{name.removesuffix('__init__.py')}`: {first_line(path)}")
    return "\n".join(lines).rstrip() + "\n"


def code_map(package: Path) -> str:
    """Returns the whole map: the modules beside the packages, then the packages by name."""
    alone = [path for path in sorted(package.glob("*.py")) if path.name != "__init__.py"]
    parts = [f"- `{path.name}`: {first_line(path)}" for path in alone]
    folders = [path.parent for path in sorted(package.glob("*/__init__.py"))]
    return "\n".join([*parts, *(["", ""] if parts else []), *map(package_map, folders)])


def layers(project: str) -> str:
    """Returns the layers that import-linter enforces, top first, as a code block."""
    contracts = tomllib.loads(project)["tool"]["importlinter"]["contracts"]
    listed = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return "\n".join(["```", *listed, "```", ""])


def put(page: str, markers: tuple[str, str], written: str) -> str:
    """Returns the page with what stands between the markers replaced.

    Raises:
        ValueError: The page lacks a marker, or has it twice.
    """
    begin, end = markers
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"the page must hold each of these markers once:\n{begin}\n{end}")
    before, rest = page.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n\n{written}\n{end}{after}"


def current(page: str) -> str:
    """Returns the page as it should be."""
    page = put(page, LAYERS, layers((ROOT / "pyproject.toml").read_text()))
    return put(page, CODE_MAP, code_map(PACKAGE))


def main(arguments: list[str]) -> int:
    """Writes the parts, or with `--check` compares them; returns the exit status."""
    page = PAGE.read_text()
    wanted = current(page)
    if page == wanted:
        return 0
    if "--check" in arguments:
        print("ARCHITECTURE.md is not current: run `make docs`.")
        return 1
    PAGE.write_text(wanted)
    print("Wrote ARCHITECTURE.md.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
