"""Compiles the request path into the wheel with mypyc, when `PILOTHOUSE_COMPILE=1` says so.

The same modules, as extensions: about 40% less CPU time a call (docs/explanation/what-we-measured.md). The
Python files travel in the wheel as well; without a compiler, or without the variable, they alone do.
"""

import ast
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "PILOTHOUSE_COMPILE"
HOT = ("gateway", "network")
ALSO = ("telemetry/journal.py", "telemetry/sealing.py")
NOT_HOT = frozenset(
    f"{name}.py"
    for name in (
        *("__init__", "__main__", "settings", "sync", "errors"),
        *("server", "ending", "follow", "certificate", "forward", "catalogue", "health", "watch"),
        *("shared", "upkeep", "recount", "refill", "script", "patrol", "checks"),
    )
)
"""What runs once, now and then, or for other paths than calls: compiling it would only take time."""
NEEDS = ["mypy>=1.17", "setuptools>=77", "msgspec", "httptools", "uvloop", "cryptography"]
"""mypyc, and the libraries whose types it reads."""
BASES_LEFT_OUT = frozenset(("Struct", "TypedDict", "NamedTuple", "Enum"))


FOLDERS_LEFT_OUT = frozenset(("dialects",))
"""Translation takes 2 µs a token as it is (`python -m bench.translation`), and much compiling."""


def is_wanted() -> bool:
    """Says whether the wheel is to hold extensions."""
    return os.environ.get(VARIABLE) == "1"


def hot_modules(package: Path) -> list[Path]:
    """Returns the modules of the request path that can be compiled: those that define no msgspec struct."""
    found = [path for folder in HOT for path in sorted((package / folder).rglob("*.py"))]
    found += [package / name for name in ALSO]
    return [
        path
        for path in found
        if path.name not in NOT_HOT and path.parent.name not in FOLDERS_LEFT_OUT and _can_be_compiled(path)
    ]


def _can_be_compiled(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef):
            bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
            marks = {ast.unparse(mark).partition("(")[0] for mark in node.decorator_list}
            if bases & BASES_LEFT_OUT or "dataclass" in marks:
                return False
    return True


def compile_into(folder: Path, root: Path) -> list[Path]:
    """Compiles the request path. Returns the extensions' paths below `folder`."""
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    shutil.copytree(root / "src", folder / "src", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(root / "pyproject.toml", folder / "src" / "pyproject.toml")
    before = Path.cwd()
    os.chdir(folder / "src")
    try:
        modules = [str(path.relative_to(Path.cwd())) for path in hot_modules(Path.cwd() / "pilothouse")]
        extensions = mypycify(modules, opt_level="2", debug_level="0", multi_file=True)
        command = build_ext(Distribution({"name": "pilothouse", "ext_modules": extensions}))
        command.build_lib, command.build_temp = str(folder / "lib"), str(folder / "temp")
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)
    return sorted((folder / "lib").rglob("*.so"))


class CustomBuildHook(BuildHookInterface[Any]):
    """Adds the extensions to the wheel."""

    def dependencies(self) -> list[str]:
        """Returns what compiling needs."""
        return NEEDS if is_wanted() and self.target_name == "wheel" else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles, unless the install is editable or nobody asked for it."""
        if version == "editable" or self.target_name != "wheel" or not is_wanted():
            return
        self._folder = tempfile.TemporaryDirectory(prefix="pilothouse-compile-")
        folder = Path(self._folder.name)
        made = compile_into(folder, Path(self.root))
        build_data["force_include"].update({str(p): str(p.relative_to(folder / "lib")) for p in made})
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        self.app.display_info(f"compiled {len(made) - 1} modules")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - hatchling's signature
        """Removes what compiling left."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()
