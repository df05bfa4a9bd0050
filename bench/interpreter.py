"""Chooses the Python that all Python gateways are measured with: the fastest found here.

A Python built without profile-guided optimisation (pyenv's default) is half as slow again as Debian's own;
to measure one gateway with this and another with that would say nothing of either.

Refuses to know gateways. Invariant: within one process the choice does not change.
"""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

COMPILE = Path(__file__).resolve().parents[1] / "scripts/compiled_package.py"
PROBE = """
import sys, time, timeit
if sys.version_info < (3, 11):
    sys.exit(1)
def work():
    for number in range(1000):
        pair = (number, str(number)); found = {"a": pair}["a"][0] + 1
# CPU time, and the best of many short tries: others may use the machine.
print(min(timeit.repeat(work, number=2, repeat=60, timer=time.process_time)))
"""
LACKED = ("async-timeout",)
"""What libraries want of a Python before 3.11.3 (Debian's), and our own environment has no need of."""
CANDIDATES = ("/usr/bin/python3", "python3.14", "python3.13", "python3.12", "python3.11")


@cache
def fastest() -> str:
    """Returns the path of the fastest Python of 3.11 or newer; ours where no other is there."""
    ours = str(Path(sys.executable).resolve())
    found = {shutil.which(name) for name in CANDIDATES} | {ours}
    times: dict[str, float] = {}
    for _ in range(5):  # in turn: a slow moment of the machine hits all of them
        for path in sorted(path for path in found if path is not None):
            seconds = _probe(path)
            if seconds is not None:
                times[path] = min(seconds, times.get(path, seconds))
    return min(times, key=lambda path: times[path], default=ours)


def version(path: str) -> str:
    """Returns `3.11.2 at /usr/bin/python3`."""
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    return f"{said.removeprefix('Python ').strip()} at {path}"


def _probe(path: str) -> float | None:
    """Returns the seconds of a small loop, or None when this is no Python that fits."""
    done = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, check=False)
    return float(done.stdout) if done.returncode == 0 else None


def share_packages(environment: Path) -> Path:
    """Makes a virtual environment of the chosen Python that sees this process's packages; returns its Python.

    In it Pilothouse's request path is compiled; `PILOTHOUSE_BENCH_PURE=1` leaves it as it is.

    Raises:
        RuntimeError: the chosen Python is of another minor version than ours, so cannot load them; or the
            request path could not be compiled.
    """
    program = environment / "bin/python"
    chosen = fastest()
    marker = environment / "made-from"
    wanted = f"{chosen} {' '.join(LACKED)}"
    if not (marker.exists() and marker.read_text() == wanted):
        shutil.rmtree(environment, ignore_errors=True)
        subprocess.run([chosen, "-m", "venv", "--without-pip", environment], check=True, capture_output=True)
        (inside,) = (environment / "lib").glob("python3.*/site-packages")
        ours = next(path for path in sys.path if path.endswith("site-packages"))
        if inside.parent.name != Path(ours).parent.name:
            raise RuntimeError(f"{chosen} is another minor version than the bench's own Python")
        (inside / "shared.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(inside), *LACKED]
        subprocess.run(command, check=True, capture_output=True)
        marker.write_text(wanted)
    _put_compiled(next((environment / "lib").glob("python3.*/site-packages")))
    return program


def _put_compiled(packages: Path) -> None:
    """Puts the compiled package where it is found before the checkout's own, or takes it away."""
    marker = packages / "compiled-from"
    folder = "" if os.environ.get("PILOTHOUSE_BENCH_PURE") == "1" else str(compiled_folder())
    if marker.exists() and marker.read_text() == folder:
        return
    shutil.rmtree(packages / "pilothouse", ignore_errors=True)
    for old in packages.glob("*__mypyc*.so"):
        old.unlink()
    if folder:
        shutil.copytree(folder, packages, dirs_exist_ok=True)
    marker.write_text(folder)


@cache
def compiled_folder() -> Path:
    """Builds the compiled package, which takes two minutes once; returns its folder."""
    done = subprocess.run([sys.executable, str(COMPILE)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return Path(done.stdout.strip())
