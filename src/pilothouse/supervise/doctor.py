"""Looks an installation over: what is wrong with this machine or this home, and what to do about it.

Refuses to mend anything. Invariant: each finding says what was looked at; a check that cannot be made says
so and does not end the others.
"""

import resource
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from pilothouse.contracts.errors import PilothouseError
from pilothouse.contracts.home import Home
from pilothouse.gateway.follow import open_snapshot
from pilothouse.supervise import management
from pilothouse.supervise.home import running_pid
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.segments import verify

Level = Literal["ok", "warning", "error"]

LEAST_PYTHON = (3, 11)
WANTED_FREE_BYTES = 2 * 1024**3
WANTED_OPEN_FILES = 4096
PRIVATE_BITS = 0o077
GIB = 1024**3


class Finding(msgspec.Struct, frozen=True):
    """What one check found."""

    check: str
    level: Level
    message: str
    hint: str | None = None


def examine(home: Home) -> Iterator[Finding]:
    """Yields a finding, or several, for each check."""
    checks: tuple[tuple[str, Callable[[Home], Iterator[Finding]]], ...] = (
        ("python", _python),
        ("open files", _open_files),
        ("home", _home),
        ("disk", _disk),
        ("models", _models),
        ("snapshot", _snapshot),
        ("journal", _journal),
        ("databases", _databases),
        ("processes", _processes),
    )
    for name, check in checks:
        try:
            yield from check(home)
        except (OSError, PilothouseError) as error:
            yield Finding(name, "error", f"cannot be checked: {error}")


def _python(_: Home) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info[:2] >= LEAST_PYTHON
    yield Finding("python", "ok" if good else "error", f"Python {version} at {sys.executable}")


def _open_files(_: Home) -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= WANTED_OPEN_FILES:
        yield Finding("open files", "ok", f"{soft} a process")
    else:
        hint = f"Run `ulimit -n {min(hard, 65536)}` before `pilothouse up`."
        yield Finding(
            "open files", "warning", f"only {soft} a process: about {soft // 2} calls at once", hint
        )


def _home(home: Home) -> Iterator[Finding]:
    if not Path(home.root).is_dir():
        yield Finding("home", "warning", f"{home.root} does not exist yet", "`pilothouse up` makes it.")
        return
    wide = [path for path in (home.root, home.keys, home.run) if Path(path).is_dir() and _is_wide(path)]
    wide += [str(path) for path in Path(home.keys).glob("*") if _is_wide(str(path))]
    for path in wide:
        yield Finding("home", "error", f"others may read {path}", f"chmod go-rwx {path}")
    if not wide:
        yield Finding("home", "ok", f"{home.root} is private")


def _is_wide(path: str) -> bool:
    return bool(stat.S_IMODE(Path(path).stat().st_mode) & PRIVATE_BITS)


def _disk(home: Home) -> Iterator[Finding]:
    place = Path(home.root)
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    text = f"{free / GIB:.1f} GiB free at {place}"
    if free >= WANTED_FREE_BYTES:
        yield Finding("disk", "ok", text)
    else:
        yield Finding("disk", "warning", text, "Below 256 MiB no call is taken in; make room.")


def _models(home: Home) -> Iterator[Finding]:
    from pilothouse.store.artefacts import ArtefactStore

    store = ArtefactStore(home.artefacts)
    held = store.list()
    for artefact in held:
        try:
            store.verify(artefact)
            yield Finding("models", "ok", f"{artefact.source} has the digest it came with")
        except PilothouseError as error:
            yield Finding("models", "error", error.message, error.hint)
    if not held:
        yield Finding("models", "warning", "no model has been pulled", "`pilothouse models pull` gets them.")


def _snapshot(home: Home) -> Iterator[Finding]:
    path = Path(home.snapshot)
    if not path.exists():
        yield Finding("snapshot", "warning", "none has been published yet", "`pilothouse up` publishes one.")
        return
    snapshot = open_snapshot(path.read_bytes(), Path(home.verifying_key).read_bytes())
    count = len(snapshot.models)
    yield Finding("snapshot", "ok", f"revision {snapshot.revision} is signed; it serves {count} models")


def _journal(home: Home) -> Iterator[Finding]:
    if not Path(home.journal).is_dir() or not Path(home.master_key).exists():
        yield Finding("journal", "warning", "there is none yet")
        return
    report = verify(home.journal, Keyring(home.keyring, home.master_key))
    text = f"{report.frames} frames in {len(report.segments)} segments"
    if report.is_sound:
        yield Finding("journal", "ok", f"{text}, all whole")
    else:
        hint = "`pilothouse journal verify` shows where; the frames around the damage are intact."
        yield Finding("journal", "error", f"{text}, {report.damaged} damaged", hint)


def _databases(home: Home) -> Iterator[Finding]:
    import sqlite3

    from pilothouse.store.elsewhere import databases_elsewhere

    elsewhere = databases_elsewhere(home)
    for section, url in elsewhere.items():
        text = f"`{section}` is kept in {url}: neither looked at here nor part of a backup of this home"
        yield Finding("databases", "warning", text, "Back it up with its own tools.")
    if "state" in elsewhere:
        return
    if not Path(home.state).exists():
        yield Finding("databases", "warning", "there are none yet")
        return
    try:
        connection = sqlite3.connect(f"file:{home.state}?mode=ro", uri=True)
        try:
            [answer] = connection.execute("PRAGMA quick_check").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        yield Finding(
            "databases", "error", f"{home.state}: {error}", "`pilothouse restore` brings a backup back."
        )
        return
    level: Level = "ok" if answer == "ok" else "error"
    yield Finding("databases", level, f"{home.state}: {answer}")


def _processes(home: Home) -> Iterator[Finding]:
    pid = running_pid(home)
    if pid is None:
        yield Finding("processes", "ok", "Pilothouse does not run in this home")
        return
    yield Finding("processes", "ok", f"`pilothouse up` runs as process {pid}")
    if not management.answers(home.admin_socket, "/api/v1/session"):
        hint = f"See {home.logs}/control.log and control.out; calls are served and recorded meanwhile."
        yield Finding("processes", "error", "the control process does not answer", hint)
        return
    yield Finding("processes", "ok", "the control process answers")
