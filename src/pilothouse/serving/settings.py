"""The `engines:` section of the configuration file.

Refuses to know which models are served. Invariant: every value has a default that fits a laptop of 2 cores.
"""

from typing import Annotated

import msgspec

from pilothouse.contracts.snapshot import EngineSpec

__all__ = ["EngineProcess", "EngineSettings"]

Seconds = Annotated[float, msgspec.Meta(gt=0)]


class EngineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the engines that Pilothouse runs are looked after."""

    ready_within_s: Seconds = 120.0
    """An engine that has not loaded its model by then is killed and started again, in seconds."""
    stop_within_s: Seconds = 5.0
    """How long an engine may take to end before it is killed, in seconds."""
    restart_first_s: Seconds = 0.2
    """The wait before a dead engine is started again, in seconds; it doubles with each further death."""
    restart_most_s: Seconds = 30.0
    """The longest such wait, in seconds."""
    healthy_after_s: Seconds = 30.0
    """An engine that was ready this long is healthy: earlier deaths are forgotten, in seconds."""
    gauges_every_s: Seconds = 1.0
    """How often slots, queue and token counts are read from each engine, in seconds."""
    prompt_cache_mib: Annotated[int, msgspec.Meta(ge=0)] = 256
    """Memory for prompts that were pushed out of the key-value cache and may come back, in MiB."""
    log_level: Annotated[int, msgspec.Meta(ge=0, le=5)] = 1
    """How much an engine writes to its log: 0 nothing, 1 errors while it starts, 2 warnings, 3 informs, 5
    debugs. From 2 on its own words are kept while it serves, and they can quote what a caller sent."""


class EngineProcess(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an engine process reads on its stdin."""

    spec: EngineSpec
    """What to run."""
    settings: EngineSettings
    """How to run it."""
