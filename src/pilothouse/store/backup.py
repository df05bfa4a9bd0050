"""Backup of a home into one file, and restore of that file into an empty home.

The order makes it consistent while everything runs: segments are pinned first, then state, then rows, then
content, then the pinned segments as far as they are written, then keys. So the restored projector finds in
the journal all that its rows lack, and content that is ahead of the rows is known by its own offsets.

Refuses to know processes. Invariant: what is restored has the digests that were taken when it was saved.
"""

import shutil
import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pilothouse import __version__
from pilothouse.contracts.errors import ConfigurationError
from pilothouse.contracts.home import Home
from pilothouse.store.analytics import Analytics
from pilothouse.store.archive import ArchiveWriter, Manifest, extract
from pilothouse.store.elsewhere import databases_elsewhere
from pilothouse.store.settings import StoreSettings
from pilothouse.store.state import copy_sqlite
from pilothouse.telemetry.frames import run_of
from pilothouse.telemetry.segments import first_offset, is_running, list_segments, read_chunk

__all__ = ["BackupReport", "create_backup", "restore_backup"]

KEY_FILES = ("pepper", "master_key", "keyring", "signing_key", "verifying_key", "root_key")


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What was saved or restored."""

    path: str
    size_bytes: int
    files: int
    created_at_ms: int
    includes_keys: bool
    """Without keys a restored home can read no content and knows no API key until its keys folder, kept
    elsewhere, is put back."""
    not_covered: tuple[str, ...] = ()
    """Databases of this home that are elsewhere: they need backups of their own."""


def create_backup(
    home: Home, *, now_ms: int, with_keys: bool = False, analytics: Analytics | None = None
) -> BackupReport:
    """Saves the home into one file in its backups folder. Weights are not saved: they can be pulled again.

    Args:
        home: The home.
        now_ms: Names the file.
        with_keys: Puts the keys folder in too: whoever has the file can then read everything in it.
        analytics: The open analytics, in the process that has them; `None` when nothing runs.

    Raises:
        ConfigurationError: another process has the analytics open.
    """
    if analytics is None:
        opened = Analytics.open(home.analytics, backups=home.backups, settings=StoreSettings(), now_ms=now_ms)
        try:
            return create_backup(home, now_ms=now_ms, with_keys=with_keys, analytics=opened)
        finally:
            opened.close()
    stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%S")
    path = f"{home.backups}/pilothouse-{stamp}.{now_ms % 1000:03d}Z.tar"
    making = Path(f"{path}.making")
    making.mkdir(mode=0o700, parents=True)
    writer = ArchiveWriter(path)
    try:
        _save(writer, home, analytics, making, with_keys=with_keys)
        manifest = writer.finish(
            Manifest(pilothouse=__version__, created_at_ms=now_ms, includes_keys=with_keys, files=())
        )
    except BaseException:
        writer.abandon()
        raise
    finally:
        shutil.rmtree(making)
    return replace(_report(path, manifest), not_covered=tuple(databases_elsewhere(home).values()))


def restore_backup(path: str, home: Home) -> BackupReport:
    """Restores the backup at `path` into `home`, which must hold no record, state or snapshot yet.

    Raises:
        ConfigurationError: the home is not empty or in use, or the backup is damaged; nothing changes then.
    """
    _refuse_used(home)
    arriving = Path(f"{home.root}/.restoring")
    shutil.rmtree(arriving, ignore_errors=True)
    arriving.mkdir(mode=0o700, parents=True)
    try:
        manifest = extract(path, str(arriving))
        _refuse_other_keys(home, arriving)
        for entry in manifest.files:
            target = Path(home.root) / entry.path
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (arriving / entry.path).replace(target)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
    return _report(path, manifest)


def _save(writer: ArchiveWriter, home: Home, analytics: Analytics, making: Path, *, with_keys: bool) -> None:
    segments = _pin(home.journal, making)
    if Path(home.state).exists():
        copy_sqlite(home.state, f"{making}/state.sqlite")
        writer.add_file(_inside(home, home.state), f"{making}/state.sqlite")
    if Path(home.snapshot).exists():
        writer.add_file(_inside(home, home.snapshot), home.snapshot)
    copy = analytics.copy_calls(f"{making.name}.duckdb")
    try:
        writer.add_file(f"{_inside(home, home.analytics)}/calls.duckdb", copy)
    finally:
        Path(copy).unlink()
    for day in analytics.days():
        _save_day(writer, home, analytics, day, making)
    for name in segments:
        pinned = f"{making}/{name}"
        writer.add_file(f"{_inside(home, home.journal)}/{name}", pinned, most_bytes=_written(pinned))
    for kept in KEY_FILES if with_keys else ():
        key_path = Path(str(getattr(home, kept)))
        if key_path.exists():
            writer.add_bytes(_inside(home, str(key_path)), key_path.read_bytes())


def _save_day(writer: ArchiveWriter, home: Home, analytics: Analytics, day: str, making: Path) -> None:
    target = making / f"{day}.duckdb"
    with analytics.settled_day(day) as source:
        if source is None:
            return
        # In a process of its own: see `Analytics.copy_calls` on locks. Shares blocks where the disk can.
        subprocess.run(["/bin/cp", "--reflink=auto", source, str(target)], check=True)
    writer.add_file(f"{_inside(home, home.analytics)}/content/{day}.duckdb", str(target))
    target.unlink()


def _pin(folder: str, making: Path) -> list[str]:
    """Keeps the segments there are now from being deleted meanwhile, by a second name for each."""
    names = list_segments(folder)
    for name in names:
        source = Path(folder) / name
        try:
            (making / name).hardlink_to(source)
        except FileNotFoundError:
            continue
        except OSError:  # another file system
            shutil.copyfile(source, making / name)
    return [name for name in names if (making / name).exists()]


def _written(path: str) -> int:
    end = first_offset(path)
    while (chunk := read_chunk(path, end)).end > end:
        end = chunk.end
    return end


def _inside(home: Home, path: str) -> str:
    return str(Path(path).relative_to(home.root))


def _refuse_used(home: Home) -> None:
    if any(is_running(home.journal, run_of(name) or "") for name in list_segments(home.journal)):
        raise ConfigurationError(f"Pilothouse is running on {home.root}", hint="stop it first")
    kept = [home.state, home.snapshot, f"{home.analytics}/calls.duckdb"]
    kept += [f"{home.journal}/{name}" for name in list_segments(home.journal)]
    if found := [path for path in kept if Path(path).exists()]:
        raise ConfigurationError(
            f"{home.root} is not empty: {found[0]} is there",
            hint="restore into a new home: --home DIR",
        )


def _refuse_other_keys(home: Home, arriving: Path) -> None:
    for kept in KEY_FILES:
        here = Path(str(getattr(home, kept)))
        there = arriving / _inside(home, str(here))
        if here.exists() and there.exists() and here.read_bytes() != there.read_bytes():
            raise ConfigurationError(
                f"{here} is there already and is not the backup's",
                hint="restore into a new home, or move that home's keys away first",
            )


def _report(path: str, manifest: Manifest) -> BackupReport:
    return BackupReport(
        path=path,
        size_bytes=Path(path).stat().st_size,
        files=len(manifest.files),
        created_at_ms=manifest.created_at_ms,
        includes_keys=manifest.includes_keys,
    )
