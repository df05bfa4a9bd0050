"""What all tests share: parts that may be missing, and the time each suite took.

Refuses to know what any test is about. Invariant: with CI set nothing is skipped: a test that asks for a part
the machine lacks is skipped with its reason on a person's machine, and fails in CI.
"""

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import settings

SUITE_BUDGETS_S = {"architecture": 45, "unit": 30, "contract": 60, "integration": 180, "journeys": 480}
"""Seconds each suite may take on two cores. Shown at the end of a run, no more: a slow machine is no bug."""

PARTS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "wrk": ("wrk",),
    "nginx": ("nginx", "/usr/sbin/nginx"),
    "redis-server": ("redis-server", "valkey-server"),
    "apt-get": ("apt-get",),
    "prometheus": ("prometheus",),
    "promtool": ("promtool",),
    "postgres": (
        "postgres",
        *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/postgres")), reverse=True),
    ),
}
"""System commands a test may ask for, each with the names it goes by."""

in_ci = bool(os.environ.get("CI"))
# No deadline: a slow machine is no bug. In CI the same examples each time: a red run must mean a change.
settings.register_profile("pilothouse", deadline=None, derandomize=in_ci)
settings.load_profile("pilothouse")
seconds_by_suite: dict[str, float] = defaultdict(float)


def find_part(name: str) -> str | None:
    """Returns the path of a system command of `PARTS`, or `None` when this machine lacks it."""
    return next((found for command in PARTS[name] if (found := shutil.which(command))), None)


@pytest.fixture
def require() -> Callable[[str], str]:
    """Gives `require("chromium")`: the command's path; without it the test is skipped (in CI: fails)."""

    def part(name: str) -> str:
        found = find_part(name)
        if found is None:
            pytest.skip(f"{name} is missing; `make test` installs it as root on Debian")
        return found

    return part


def forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns a skip into a failure (an expected failure is not a skip)."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: nothing may be skipped in CI. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, fails the tests that would have been skipped."""
    report = yield
    if in_ci:
        forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI, fails the modules that would have been skipped whole."""
    report = yield
    if in_ci:
        forbid_skip(report)
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Adds a test's time to its suite: the folder below `tests/`."""
    parts = Path(report.location[0]).parts
    seconds_by_suite[parts[1] if len(parts) > 2 and parts[0] == "tests" else "other"] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows each suite's time beside its budget."""
    terminalreporter.section("suites")
    for suite, took_s in sorted(seconds_by_suite.items()):
        budget_s = SUITE_BUDGETS_S.get(suite)
        limit = f" of {budget_s} s" if budget_s else " s"
        over = "  over its budget" if budget_s and took_s > budget_s else ""
        terminalreporter.write_line(f"{suite:<14}{took_s:7.1f}{limit}{over}")
