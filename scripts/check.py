"""Runs the static checks side by side: lint, format, types, imports, dependencies, the page's types.

Knows only command lines; each tool is configured in `pyproject.toml` or `console/tsconfig.json`.
Invariant: the exit status is 0 only when every check passed, and what a failed check printed is shown whole.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"

LONGEST_LINE = 300

CHECKS: dict[str, list[str]] = {
    "types": [f"{BIN}/mypy"],
    "lint": [f"{BIN}/ruff", "check", "--quiet", "."],
    "format": [f"{BIN}/ruff", "format", "--check", "--quiet", "."],
    "imports": [f"{BIN}/lint-imports"],
    "dependencies": [f"{BIN}/deptry", "."],
    "page": [f"{BIN}/python", "scripts/check_page.py"],
}


def run(name: str, command: list[str]) -> bool:
    """Runs one check, prints its line, and its output when it failed; returns whether it passed."""
    started_s = time.monotonic()
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ.get('PATH', '')}", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    took_s = time.monotonic() - started_s
    verdict = "ok" if done.returncode == 0 else "FAILED"
    output = "" if done.returncode == 0 else f"\n{shortened(done.stdout + done.stderr)}"
    print(f"{name:<13}{verdict:<7}{took_s:6.1f} s{output}", flush=True)
    return done.returncode == 0


def shortened(text: str) -> str:
    """Returns text with its longest lines cut: mypy prints whole signatures."""
    return "\n".join(
        line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + " …" for line in text.splitlines()
    )


def main(names: list[str]) -> int:
    """Runs the checks named (all when none is) and returns the exit status."""
    unknown = set(names) - set(CHECKS)
    if unknown:
        print(f"No such check: {', '.join(sorted(unknown))}. There are: {', '.join(CHECKS)}.")
        return 2
    chosen = names or list(CHECKS)
    # Two at a time: these machines have two cores, and the type check alone is half of the work.
    with ThreadPoolExecutor(max_workers=2) as pool:
        passed = list(pool.map(lambda name: run(name, CHECKS[name]), chosen))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
