"""TensorZero's gateway (Rust), which travels inside its PyPI wheel.

Its observability is off: it needs a database server.
"""

import re
import time
from pathlib import Path

from bench.peer import PeerUnavailableError, Place, Running, install_with_pip, launch

VERSION = "2026.6.0"
CONFIGURATION = """
[gateway]
observability.enabled = false

[models.mock-model]
routing = ["mock"]

[models.mock-model.providers.mock]
type = "openai"
model_name = "mock-model"
api_base = "http://127.0.0.1:{upstream}/v1/"
api_key_location = "none"
"""
PROGRAM = """
import sys, time
from tensorzero.tensorzero import _start_http_gateway
gateway = _start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
print(gateway.base_url, flush=True)
while True:
    time.sleep(3600)
"""


class TensorZero:
    """One model, one provider, nothing recorded."""

    name = "tensorzero"
    does = "reads and rebuilds bodies; its record switched off"

    def install(self, environment: Path) -> str:
        """Installs the wheel."""
        install_with_pip(environment, f"tensorzero=={VERSION}")
        return VERSION

    def start(self, place: Place) -> Running:
        """Starts the gateway inside a Python process that only waits; it takes a port of its own choice."""
        configuration = place.scratch / "tensorzero.toml"
        configuration.write_text(CONFIGURATION.format(upstream=place.upstream_port))
        program = place.scratch / "gateway.py"
        program.write_text(PROGRAM)
        process, log = launch(place, str(place.environment / "bin/python"), str(program), str(configuration))
        return Running(
            process=process,
            port=_port(log),
            log=log,
            path="/openai/v1/chat/completions",
            model="tensorzero::model_name::mock-model",
        )


def _port(log: Path) -> int:
    """Waits for the line that names the gateway's address.

    Raises:
        PeerUnavailableError: the line did not come.
    """
    for _ in range(3000):
        found = re.search(r"^http://[^:]+:(\d+)", log.read_text(), re.MULTILINE)
        if found:
            return int(found.group(1))
        time.sleep(0.01)
    raise PeerUnavailableError(f"TensorZero did not start: {log.read_text()[-300:]}")
