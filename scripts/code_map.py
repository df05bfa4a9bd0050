"""Writes the code map of `ARCHITECTURE.md`: each module's path and the first line of its docstring.

Refuses to know what a module does beyond that line. Invariant: the text outside the two markers is never
touched, and a second run changes nothing.

    code_map.py            write the map
    code_map.py --check    say whether it is current; exit status 1 when not
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "pilothouse"
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN = "<!-- code map: written by `make docs` from the modules' docstrings -->"
END = "<!-- end of the code map -->"


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


def with_map(page: str, written: str) -> str:
    """Returns the page with what stands between the markers replaced.

    Raises:
        ValueError: The page lacks a marker.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"the page must hold each of these markers once:\n{BEGIN}\n{END}")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n{written}\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Writes the map, or with `--check` compares it; returns the exit status."""
    page = PAGE.read_text()
    wanted = with_map(page, code_map(PACKAGE))
    if page == wanted:
        return 0
    if "--check" in arguments:
        print("The code map of ARCHITECTURE.md is not current: run `make docs`.")
        return 1
    PAGE.write_text(wanted)
    print("Wrote the code map of ARCHITECTURE.md.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
