"""The rules of the test run itself: in CI nothing is skipped, and each suite's time is shown."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = """
import pytest

def test_asks_for_a_part(require):
    require("wrk")

@pytest.mark.xfail(reason="known", strict=True)
def test_expected_to_fail():
    assert False

def test_passes():
    pass
"""
MODULE_SAMPLE = "import pytest\npytest.importorskip('no_such_library')\n\ndef test_never_runs():\n    pass\n"


def run_suite(folder: Path, root: Path, *, ci: str, module: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the sample suite on a machine that lacks every part, with our own conftest."""
    suite = folder / "tests" / "unit"
    suite.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / "tests" / "conftest.py", folder / "tests" / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (suite / "test_sample.py").write_text(SAMPLE)
    (suite / "test_module.py").write_text(module)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    environment = {**os.environ, "PATH": str(folder), "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_missing_part_skips_on_a_persons_machine(tmp_path: Path, root: Path) -> None:
    """Without CI, the reason is given and the run passes."""
    done = run_suite(tmp_path, root, ci="")
    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 skipped, 1 xfailed" in done.stdout


def test_a_missing_part_fails_in_ci(tmp_path: Path, root: Path) -> None:
    """With CI, the test that would have been skipped fails and says why."""
    done = run_suite(tmp_path, root, ci="true")
    assert done.returncode != 0
    assert "nothing may be skipped in CI" in done.stdout
    assert "wrk is missing" in done.stdout
    assert "1 failed, 1 passed, 1 xfailed" in done.stdout


def test_a_module_that_would_be_skipped_whole_fails_in_ci(tmp_path: Path, root: Path) -> None:
    """`importorskip` at the top of a module hides all of its tests."""
    assert run_suite(tmp_path, root, ci="", module=MODULE_SAMPLE).returncode == 0
    done = run_suite(tmp_path, root, ci="true", module=MODULE_SAMPLE)
    assert done.returncode != 0
    assert "no_such_library" in done.stdout


def test_each_suites_time_is_shown(tmp_path: Path, root: Path) -> None:
    """The suite stands beside its budget."""
    done = run_suite(tmp_path, root, ci="")
    assert any(line.startswith("unit ") and " of " in line for line in done.stdout.splitlines())


@pytest.mark.parametrize("target", ["serve", "test", "check", "bench", "console", "docs", "clean"])
def test_make_knows_its_targets(target: str, root: Path) -> None:
    """Each target is there and is explained by `make help`."""
    done = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True)
    assert f"  {target} " in done.stdout
    assert f"\n{target}:" in (root / "Makefile").read_text()


def test_ci_runs_check_and_test(root: Path) -> None:
    """`.ci/run` calls exactly these two targets."""
    lines = (root / ".ci" / "run").read_text().splitlines()
    assert [line.split("make ")[1] for line in lines if "make " in line and not line.startswith("#")] == [
        "check",
        "test",
    ]
