"""The engines there are, by the name that the snapshot uses.

Refuses to know how any of them works. Invariant: each name of `EngineName` is here.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pilothouse.contracts.snapshot import EngineName
from pilothouse.serving.engine import Engine
from pilothouse.serving.llama_cpp.engine import LlamaCpp

__all__ = ["ENGINES"]

ENGINES: Mapping[EngineName, Engine] = MappingProxyType({"llama_cpp": LlamaCpp()})
