"""A configuration read again by the program that is installed: what comes back, and what is refused."""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import pytest

from pilothouse import __version__
from pilothouse.contracts.errors import ConfigurationError
from pilothouse.contracts.home import Home
from pilothouse.supervise.children import Origin, Settled
from pilothouse.supervise.settle import Outcome, Task, settle

CONFIGURATION = """
models:
  m: {deployments: [{provider: mine, model: x}]}
providers:
  mine: {base_url: "http://127.0.0.1:9/v1", api_key: "${MINE_KEY}"}
gateway: {port: 8111, workers: 3}
"""


def settled(tmp_path: Path, text: str = CONFIGURATION, **variables: str) -> Outcome:
    """Settles a file whose configuration in force listens on 127.0.0.1:8111."""
    file = tmp_path / "p.yaml"
    file.write_text(text)
    environment = {"PATH": os.environ["PATH"], "MINE_KEY": "secret", **variables}
    task = Task(
        home=Home(str(tmp_path / "home")),
        origin=Origin(file=str(file), environment=environment),
        listens=("127.0.0.1", 8111),
    )
    return asyncio.run(settle(task))


def test_a_file_is_settled_with_the_variables_it_is_given(tmp_path: Path) -> None:
    outcome = settled(tmp_path)
    assert outcome.version == __version__
    found = msgspec.json.decode(outcome.settled, type=Settled)
    assert found.configuration.gateway.workers == 3
    assert found.secrets["MINE_KEY"] == "secret"


@pytest.mark.parametrize(
    ("spoilt", "line", "expected"),
    [
        ("workers: 3, wrokers: 4", 6, "wrokers"),
        ("workers: 3, host: 127.0.0.2", 6, "127.0.0.2 needs a new start"),
        ("workers: 3, tls: {certificate: /none.pem, key: /none.key}", 6, "/none.pem cannot be read"),
    ],
)
def test_a_mistake_is_refused_with_its_line(tmp_path: Path, spoilt: str, line: int, expected: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settled(tmp_path, CONFIGURATION.replace("workers: 3", spoilt))
    assert f"p.yaml:{line}: " in refused.value.message
    assert expected in refused.value.message


def test_a_program_that_does_not_run_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: no such luck' >&2\nexit 1\n")
    broken.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(ConfigurationError, match="no such luck"):
        settled(tmp_path)
