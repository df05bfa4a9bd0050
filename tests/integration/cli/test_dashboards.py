"""`pilothouse dashboards export` writes what Grafana and Prometheus read, and overwrites nothing unasked."""

import json
import subprocess
import sys
from pathlib import Path


def export(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pilothouse", "dashboards", "export", str(folder), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_dashboards_and_rules_are_written_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "ops"
    done = export(folder)
    assert done.returncode == 0, done.stderr
    written = [Path(line) for line in done.stdout.split()]
    assert {path.name for path in written} >= {"overview.json", "cost.json", "pilothouse.rules.yml"}
    assert json.loads((folder / "grafana" / "overview.json").read_text())["title"] == "Pilothouse: overview"
    again = export(folder)
    assert again.returncode == 1
    assert "--force" in again.stderr
    (folder / "grafana" / "overview.json").write_text("mine")
    assert export(folder, "--force").returncode == 0
    assert (folder / "grafana" / "overview.json").read_text() != "mine"
