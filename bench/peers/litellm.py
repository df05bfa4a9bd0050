"""The LiteLLM proxy (Python): the gateway most teams start with. No database, so no record."""

import os
from pathlib import Path

from bench.peer import Place, Running, free_port, install_with_pip, launch

VERSION = "1.106.2"
"""The newest that resolves."""
KEY = "sk-bench-1234567890abcdef1234567890abcdef"
"""It refuses to start without a master key; virtual keys need its database."""
CONFIGURATION = """
model_list:
  - model_name: mock-model
    litellm_params:
      model: openai/mock-model
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: none
litellm_settings:
  telemetry: false
"""


class LiteLLM:
    """One worker, as its guide starts it."""

    name = "litellm"
    does = "rebuilds bodies; one master key; no database, so no record"

    def install(self, environment: Path) -> str:
        """Installs the proxy with its extra."""
        install_with_pip(environment, f"litellm[proxy]=={VERSION}")
        return VERSION

    def start(self, place: Place) -> Running:
        """Starts the proxy."""
        port = free_port()
        configuration = place.scratch / "litellm.yaml"
        configuration.write_text(CONFIGURATION.format(upstream=place.upstream_port))
        variables = dict(os.environ)
        # It retries a failing import on each request; without byte code each retry compiles again.
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
        variables |= {
            "LITELLM_MASTER_KEY": KEY,
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        process, log = launch(
            place,
            str(place.environment / "bin/litellm"),
            *("--config", str(configuration), "--host", "127.0.0.1", "--port", str(port)),
            environment=variables,
        )
        return Running(process=process, port=port, log=log, headers={"authorization": f"Bearer {KEY}"})
