"""What the architecture tests share: the tree, read and parsed once."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def package(root: Path) -> Path:
    """The folder of the package."""
    return root / "src" / "pilothouse"


@pytest.fixture(scope="session")
def sources(package: Path) -> dict[str, str]:
    """Every module's text, by its path below the package."""
    return {
        path.relative_to(package).as_posix(): path.read_text()
        for path in sorted(package.rglob("*.py"))
        if "console" not in path.relative_to(package).parts[:1]
    }


@pytest.fixture(scope="session")
def trees(sources: dict[str, str]) -> dict[str, ast.Module]:
    """Every module's syntax tree, by its path below the package."""
    return {path: ast.parse(text) for path, text in sources.items()}
