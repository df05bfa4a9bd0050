"""Who imports whom: no cycle at any depth, layers in step with the tree, libraries where they belong."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
import pytest

ONLY_IN: dict[str, tuple[str, ...]] = {
    "torch": ("tuning/trainers/", "explanation/"),
    "transformers": ("tuning/trainers/", "explanation/"),
    "peft": ("tuning/trainers/", "explanation/"),
    "trl": ("tuning/trainers/", "explanation/"),
    "duckdb": ("store/", "analytics/"),
    "typer": ("cli/",),
    "yaml": ("config/",),
    "xllamacpp": ("serving/",),
}
"""Libraries that only these folders may import."""

CONTROL_PLANE = {"store", "analytics", "access", "registry", "rollout", "compliance", "datasets", "tuning"}
CONTROL_PLANE |= {"monitors", "evaluation", "explanation", "planning", "api", "worker", "control"}
SERVING_PLANE = {"gateway", "serving", "guardrails", "telemetry", "network", "contracts"}

BORDER_MODULES = {"routes.py", "api.py"}
"""File names that may import pydantic and FastAPI, besides `*_routes.py` and the package `api`."""

FASTAPI_BESIDE_ROUTES = {
    "access/authenticate.py": "what several routes.py depend on, in FastAPI's sense",
    "control/process.py": "runs the assembled application",
}
"""Further modules that may import FastAPI, each with its reason."""


def cycles(graph: grimp.ImportGraph, package: str) -> Iterator[str]:
    """Yields, for each package in the tree, the imports that close a cycle among its children."""
    for ancestor in [package, *graph.find_descendants(package)]:
        if graph.find_children(ancestor):
            for importer, imported in graph.nominate_cycle_breakers(ancestor):
                yield f"{importer} -> {imported}"


def imported_names(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    """Yields each import of a module: the module imported, and the name taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def strays(path: str, tree: ast.Module) -> Iterator[str]:
    """Yields each import of a library outside the folders it belongs to."""
    for module, _name in imported_names(tree):
        library = module.split(".")[0]
        if library in ONLY_IN and not path.startswith(ONLY_IN[library]):
            yield module
        name = path.rsplit("/", 1)[-1]
        is_border = name in BORDER_MODULES or name.endswith("_routes.py") or path.startswith("api/")
        is_border |= library == "fastapi" and path in FASTAPI_BESIDE_ROUTES
        if library in {"pydantic", "fastapi"} and not is_border:
            yield module


def private_imports(tree: ast.Module) -> Iterator[str]:
    """Yields each name with a leading underscore that is taken from another module of ours."""
    for module, name in imported_names(tree):
        if module.startswith("pilothouse") and name and name.startswith("_") and not name.startswith("__"):
            yield f"{module}.{name}"


def in_parentheses_wrongly(layers: list[str], existing: set[str]) -> Iterator[str]:
    """Yields each layer that is in parentheses though it is there, or is not though it is absent."""
    for layer in layers:
        for item in (part.strip() for part in layer.split("|")):
            name = item.strip("()")
            if item.startswith("(") == (name in existing):
                yield item


@pytest.fixture(scope="session")
def tools(root: Path) -> dict[str, Any]:
    """The `[tool]` table of pyproject.toml."""
    return dict(tomllib.loads((root / "pyproject.toml").read_text())["tool"])


@pytest.fixture(scope="session")
def existing(package: Path) -> set[str]:
    """The packages and modules directly below `pilothouse`."""
    packages = {path.parent.name for path in package.glob("*/__init__.py")}
    return packages | {path.stem for path in package.glob("*.py") if not path.stem.startswith("__")}


def test_there_is_no_import_cycle_at_any_depth() -> None:
    """Imports for types alone count too."""
    graph = grimp.build_graph("pilothouse", cache_dir=None)
    assert list(cycles(graph, "pilothouse")) == []


def test_a_planted_cycle_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two modules that import each other, two folders down, are found."""
    folder = tmp_path / "planted" / "outer" / "inner"
    folder.mkdir(parents=True)
    for name in (folder, folder.parent, folder.parent.parent):
        (name / "__init__.py").touch()
    (folder / "one.py").write_text("import planted.outer.inner.two\n")
    (folder / "two.py").write_text("def late():\n    import planted.outer.inner.one\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    graph = grimp.build_graph("planted", cache_dir=None)
    assert len(list(cycles(graph, "planted"))) == 1


def test_layers_are_in_step_with_the_tree(tools: dict[str, Any], existing: set[str]) -> None:
    """A layer is in parentheses until its package is there, and every package has its layer."""
    contracts = tools["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert list(in_parentheses_wrongly(layers, existing)) == []


def test_every_package_keeps_to_its_plane(tools: dict[str, Any], existing: set[str]) -> None:
    """The contracts on the two planes name every package of each plane that exists."""
    named = {
        contract["name"].split(":")[1].split()[1]: set(contract["source_modules"])
        for contract in tools["importlinter"]["contracts"]
        if contract["name"].startswith("Two planes")
    }
    assert named["control"] == {f"pilothouse.{name}" for name in CONTROL_PLANE & existing}
    assert named["serving"] == {f"pilothouse.{name}" for name in SERVING_PLANE & existing}


def test_libraries_stay_where_they_belong(trees: dict[str, ast.Module]) -> None:
    """A library with a folder of its own is imported nowhere else."""
    assert {path: found for path, tree in trees.items() if (found := sorted(set(strays(path, tree))))} == {}


def test_private_names_stay_in_their_modules(trees: dict[str, ast.Module]) -> None:
    """A name with a leading underscore is not imported by a neighbour."""
    assert {path: found for path, tree in trees.items() if (found := list(private_imports(tree)))} == {}


def test_the_checkers_can_fail() -> None:
    """Each checker refuses a bad sample and lets the good one pass."""
    bad = ast.parse(
        "from torch import nn\nfrom pydantic import BaseModel\nfrom pilothouse.store.rows import _row"
    )
    assert list(strays("gateway/pipeline.py", bad)) == ["torch", "pydantic"]
    assert list(strays("access/routes.py", bad)) == ["torch"]
    assert list(private_imports(bad)) == ["pilothouse.store.rows._row"]
    assert list(in_parentheses_wrongly(["(a) | b", "(c)"], {"a"})) == ["(a)", "b"]


def test_public_names_are_complete(trees: dict[str, ast.Module]) -> None:
    """Where a module lists its public names, each class and function without an underscore is there."""
    for path, tree in trees.items():
        listed = [
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ]
        defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
        for names in listed:
            assert set(names) >= {name for name in defined if not name.startswith("_")}, path


def test_only_one_package_spells_the_conventions_names(sources: dict[str, str]) -> None:
    """OpenTelemetry's `gen_ai.` names move; one package converts."""
    spelled = {path for path, text in sources.items() if "gen_ai." in text}
    assert {path for path in spelled if not path.startswith("telemetry/semconv/")} == set()
