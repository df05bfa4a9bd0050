"""Outside clients, unmodified, against a real model and strict scripted vendors, in every dialect."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.journeys.conftest import Up

pytestmark = pytest.mark.timeout(900)  # the first run makes an environment for each client

CLIENTS = Path(__file__).parents[1] / "clients"
CONFIGURATION = """
models:
  smollm2-135m-instruct: {{}}
  all-minilm-l6-v2: {{}}
  claude-sonnet-5: {{deployments: [{{provider: scripted-anthropic, model: claude-real-name}}]}}
  gpt-scripted: {{deployments: [{{provider: scripted-openai, model: gpt-real-name}}]}}
  failing-claude: {{deployments: [{{provider: scripted-anthropic, model: failing}}]}}
  failing-gpt: {{deployments: [{{provider: scripted-openai, model: failing}}]}}
providers:
  scripted-anthropic: {{dialect: anthropic, base_url: "http://127.0.0.1:{port}/v1", api_key: "${{SCRIPTED}}"}}
  scripted-openai: {{dialect: openai, base_url: "http://127.0.0.1:{port}/v1", api_key: "${{SCRIPTED}}"}}
"""


@pytest.fixture(scope="module")
def shared(start_shared: Callable[..., "Up"], vendors: int) -> "Up":
    """Gives one Pilothouse for all clients."""
    started = start_shared(CONFIGURATION.format(port=vendors), SCRIPTED="sk-scripted")
    started.wait_ready()
    return started


@pytest.mark.engine
@pytest.mark.parametrize("client", ["anthropic", "langchain", "llamaindex", "responses"])
def test_the_client_works_unmodified(client: str, outside: Callable[[str], str], shared: "Up") -> None:
    folder, program = ("openai", "responses.py") if client == "responses" else (client, "conversation.py")
    environment = {
        "CLIENT_ADDRESS": shared.base_url,
        "CLIENT_KEY": shared.key,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CLIENTS),
        "HOME": str(Path(shared.home.root)),  # no client keeps or finds anything in a person's own
    }
    done = subprocess.run(
        [outside(folder), str(CLIENTS / folder / program)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    faults = json.loads(done.stdout.splitlines()[-1])
    assert len(faults) > 5
    assert not [fault for fault in faults.values() if fault], "\n".join(
        f"{part}: {fault}" for part, fault in faults.items() if fault
    )
