"""`file:<path>`: a file, or with `/` at the end a folder, of this machine, copied.

Refuses to know the network. Invariant: the original is read only.
"""

import shutil
from pathlib import Path

from pilothouse.contracts.errors import ArtefactError
from pilothouse.registry.source import Wanted, check_digest, source_error

__all__ = ["FileSource"]

CHUNK_BYTES = 4 * 1024 * 1024


class FileSource:
    """A file of this machine."""

    scheme = "file"

    def fetch(self, wanted: Wanted) -> Path:
        """Copies the file or folder."""
        original = Path(wanted.reference).expanduser()
        if not original.is_absolute():
            raise source_error(wanted.source, "the path must be absolute")
        target = wanted.folder / "copied" / original.name
        shutil.rmtree(target.parent, ignore_errors=True)
        target.parent.mkdir(parents=True)
        try:
            if wanted.source.endswith("/"):
                return Path(shutil.copytree(original, target))
            _copy(original, target, wanted)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as fault:
            raise ArtefactError(
                f"{original} is not a {'folder' if wanted.source.endswith('/') else 'file'} here",
                hint="Check the path after `file:`.",
            ) from fault
        if wanted.digest:
            check_digest(wanted, target, wanted.digest)
        return target


def _copy(original: Path, target: Path, wanted: Wanted) -> None:
    with original.open("rb") as read, target.open("wb") as write:
        total = original.stat().st_size
        done = 0
        while chunk := read.read(CHUNK_BYTES):
            write.write(chunk)
            done += len(chunk)
            wanted.progress("download", done, total)
