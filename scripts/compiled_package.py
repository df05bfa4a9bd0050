"""Builds the package with its request path compiled, and prints the folder to put on `PYTHONPATH`.

    PYTHONPATH=$(.venv/bin/python scripts/compiled_package.py) .venv/bin/python -m pilothouse up

The folder is kept by the digest of the sources, so that the second call costs nothing. Needs a C compiler
and Python's headers (on Debian: gcc, python3-dev); without them it says so and exits with 1.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / ".envs" / "compiled"
INPUTS = ("hatch_build.py", "pyproject.toml")


def digest(root: Path) -> str:
    """Returns a digest of all that the wheel is made from."""
    whole = hashlib.sha256(sys.version.encode())
    for path in [*(root / name for name in INPUTS), *sorted((root / "src").rglob("*.py"))]:
        whole.update(str(path.relative_to(root)).encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def build(root: Path) -> Path:
    """Returns the folder with the compiled package, made if it is not there.

    Raises:
        RuntimeError: Compiling failed; the message is the compiler's last lines.
    """
    folder = KEPT / digest(root)
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            scratch,
            ".",
        ]
        environment = {**os.environ, "PILOTHOUSE_COMPILE": "1"}
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError("\n".join((done.stdout + done.stderr).splitlines()[-15:]))
        (wheel,) = Path(scratch).glob("*.whl")
        shutil.rmtree(KEPT, ignore_errors=True)  # one is enough
        part = KEPT / "part"
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(part)
        part.rename(folder)
    return folder


def main() -> int:
    """Builds and prints."""
    try:
        sys.stdout.write(f"{build(ROOT)}\n")
    except RuntimeError as error:
        sys.stderr.write(
            f"The package could not be compiled; gcc and Python's headers are needed.\n{error}\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
