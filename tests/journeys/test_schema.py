"""Every operation of `/openapi.json` under schemathesis: whatever is sent, no answer is a server's fault."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.journeys.conftest import Up

EXAMPLES = int(os.environ.get("PILOTHOUSE_SCHEMA_EXAMPLES", "2"))
"""Random cases of each operation, beside some 1,700 cases that the schema's edges give."""
LEAST = 1_000 if EXAMPLES < 200 else 5_000
"""Cases in all, so that the run that is to be of 5,000 is."""
ENDLESS = "/api/v1/requests/tail"
"""A stream without an end: each case would wait for its deadline."""
CONFIGURATION = """
models:
  gpt-scripted: {{deployments: [{{provider: scripted, model: gpt}}]}}
providers:
  scripted: {{dialect: openai, base_url: "http://127.0.0.1:{port}/v1", api_key: "${{SCRIPTED}}"}}
"""


@pytest.mark.timeout(3600)
def test_no_request_makes_the_server_fail(
    outside: Callable[[str], str], start_up: Callable[..., "Up"], vendors: int, tmp_path: Path
) -> None:
    up = start_up(CONFIGURATION.format(port=vendors), SCRIPTED="sk-scripted")
    up.wait_ready()
    report = tmp_path / "report.json"
    schemathesis = str(Path(outside("schemathesis")).with_name("schemathesis"))
    command = [
        schemathesis,
        "run",
        f"{up.base_url}/openapi.json",
        "--header",
        f"authorization:Bearer {up.key}",
    ]
    command += [
        "--checks",
        "not_a_server_error",
        "--max-examples",
        f"{EXAMPLES}",
        "--generation-deterministic",
    ]
    command += [
        "--suppress-health-check",
        "all",
        "--request-timeout",
        "30",
        "--no-color",
        "--warnings",
        "off",
    ]
    command += ["--continue-on-failure", "--exclude-path", ENDLESS, "--report-json-path", str(report)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=3500, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr}\n{up.output()[-2000:]}"
    assert json.loads(report.read_text())["complete"], done.stdout
    counted = re.search(r"(\d+) generated", done.stdout)
    assert counted, done.stdout
    assert int(counted[1]) >= LEAST, done.stdout
