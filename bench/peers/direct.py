"""No gateway at all: a second mock on the gateway's core, asked directly. The floor of every figure."""

import sys
from pathlib import Path

from bench.peer import Place, Running, free_port, launch

ROOT = Path(__file__).resolve().parents[2]


class Direct:
    """The mock upstream itself."""

    name = "direct"
    does = "the mock itself, on the gateway's core: the floor"

    def install(self, environment: Path) -> str:
        """Nothing to install."""
        del environment
        return "-"

    def start(self, place: Place) -> Running:
        """Starts another mock."""
        port = free_port()
        process, log = launch(
            place,
            "env",
            f"PYTHONPATH={ROOT}",
            sys.executable,
            "-m",
            "bench.mock_upstream",
            "--port",
            str(port),
        )
        return Running(process=process, port=port, log=log)
