"""The vLLM project's router (Rust), from PyPI: the bar that Pilothouse must be ahead of."""

from pathlib import Path

from bench.peer import Place, Running, free_port, install_with_pip, launch

VERSION = "0.1.17"


class VllmRouter:
    """Round robin over one worker, as its guide starts it; warnings only in its log."""

    name = "vllm-router"
    does = "routes, retries and meters; no keys, no record"

    def install(self, environment: Path) -> str:
        """Installs the wheel."""
        install_with_pip(environment, f"vllm-router=={VERSION}")
        return VERSION

    def start(self, place: Place) -> Running:
        """Starts the router in front of the mock."""
        port = free_port()
        process, log = launch(
            place,
            str(place.environment / "bin/vllm-router"),
            *("--worker-urls", f"http://127.0.0.1:{place.upstream_port}"),
            *("--policy", "round_robin", "--host", "127.0.0.1", "--port", str(port)),
            *("--prometheus-port", str(free_port()), "--log-level", "warning"),
        )
        return Running(process=process, port=port, log=log)
