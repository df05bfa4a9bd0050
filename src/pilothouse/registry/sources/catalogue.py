"""The sources there are, by scheme.

Refuses to know how any of them works. Invariant: a scheme names one source.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pilothouse.registry.source import Source, source_error, split_source
from pilothouse.registry.sources.file import FileSource
from pilothouse.registry.sources.hf import HubSource
from pilothouse.registry.sources.pypi import WheelSource

__all__ = ["SOURCES", "source_for"]

SOURCES: Mapping[str, Source] = MappingProxyType(
    {source.scheme: source for source in (WheelSource(), HubSource(), FileSource())}
)


def source_for(source: str) -> Source:
    """Returns the source that understands `source`.

    Raises:
        ConfigurationError: None does.
    """
    scheme, _ = split_source(source)
    if scheme not in SOURCES:
        raise source_error(source, f"{scheme!r} is none of {', '.join(SOURCES)}")
    return SOURCES[scheme]
