"""llama.cpp as an `Engine`: the command line, readiness and gauges of its process.

Refuses to know what runs inside the process. Invariant: nothing heavy is imported here, because the
supervisor imports it.
"""

import asyncio
import re
import sys

import msgspec

from pilothouse.contracts.errors import UpstreamError
from pilothouse.contracts.snapshot import EngineSpec
from pilothouse.serving.engine import Gauges
from pilothouse.serving.llama_cpp.inner import Inner
from pilothouse.serving.settings import EngineProcess, EngineSettings

__all__ = ["LlamaCpp"]

OK = 200
READY_WITHIN_S = 2.0
GAUGES_WITHIN_S = 2.0
"""llama.cpp answers for its gauges between two steps; a step over a long prompt takes a while."""

_METRIC = re.compile(rb"^llamacpp:(\w+) ([0-9.e+]+)$", re.MULTILINE)


class LlamaCpp:
    """The llama.cpp engine."""

    def command(self, spec: EngineSpec, settings: EngineSettings) -> tuple[tuple[str, ...], bytes]:
        """Returns the command line, and the settings that are written to its stdin."""
        command = (sys.executable, "-m", "pilothouse.serving.llama_cpp")
        return command, msgspec.json.encode(EngineProcess(spec=spec, settings=settings))

    async def is_ready(self, spec: EngineSpec) -> bool:
        """Says whether it answers calls; never raises."""
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                answer = await Inner(spec.socket, "").ask("GET", "/health")
        except (UpstreamError, TimeoutError, OSError):
            return False
        return answer.status == OK

    async def gauges(self, spec: EngineSpec) -> Gauges:
        """Asks a ready engine for its gauges."""
        async with asyncio.timeout(GAUGES_WITHIN_S):
            answer = await Inner(spec.socket, "").ask("GET", "/metrics")
        found = {name.decode(): float(value) for name, value in _METRIC.findall(answer.body)}
        return Gauges(
            slots=spec.parallel,
            slots_busy=int(found.get("requests_processing", 0)),
            queued=int(found.get("requests_deferred", 0)),
            prompt_tokens_total=int(found.get("prompt_tokens_total", 0)),
            output_tokens_total=int(found.get("tokens_predicted_total", 0)),
        )
