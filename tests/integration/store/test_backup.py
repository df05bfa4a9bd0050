"""A home saved while it is in use comes back as it was, and what is damaged or in the way is refused."""

import tarfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pilothouse.analytics.calls import get_call, list_calls
from pilothouse.contracts.errors import ConfigurationError
from pilothouse.contracts.events import Content, RequestCompleted, RequestStarted
from pilothouse.contracts.home import Home
from pilothouse.store import tables
from pilothouse.store.analytics import Analytics
from pilothouse.store.backup import create_backup, restore_backup
from pilothouse.store.elsewhere import note_elsewhere
from pilothouse.store.projector import Projector
from pilothouse.store.settings import StateSettings, StoreSettings
from pilothouse.store.state import open_state
from pilothouse.supervise.doctor import examine
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.segments import verify
from pilothouse.telemetry.settings import JournalSettings

NOW_MS = 1_790_000_000_000
SETTINGS = StoreSettings(memory_mb=128, threads=1)
SMALL = JournalSettings(segment_bytes=256 * 1024, reserve_bytes=0)


def call_id(number: int) -> str:
    return f"{NOW_MS:012x}7{number:019x}"


def completed(number: int) -> RequestCompleted:
    return RequestCompleted(
        call_id=call_id(number), request_id=f"r{number}", at_ns=NOW_MS * 1_000_000 + number, operation="chat",
        status=200, outcome="completed", subject="ann",
    )  # fmt: skip


def make_home(folder: Path) -> Home:
    home = Home(str(folder))
    for path in (home.journal, home.keys, str(Path(home.snapshot).parent), home.backups):
        Path(path).mkdir(parents=True)
    for path in (home.master_key, home.pepper):
        Path(path).write_bytes(b"m" * 32)
    Path(home.snapshot).write_bytes(b"snapshot")
    engine = open_state(home.state, backups=home.backups, now_ms=NOW_MS)
    with engine.begin() as connection:
        connection.execute(tables.settings.insert().values(name="a", value="1", set_at_ms=1))
    engine.dispose()
    return home


def open_record(home: Home) -> tuple[Analytics, Projector]:
    analytics = Analytics.open(home.analytics, backups=home.backups, settings=SETTINGS, now_ms=NOW_MS)
    return analytics, Projector(home.journal, analytics, content_retention_days=30)


def keyring_of(home: Home) -> Keyring:
    return Keyring(home.keyring, home.master_key)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Home, str]:
    """A home in use: some calls projected, some only in the journal, one stream under way; and its backup."""
    home = make_home(tmp_path / "home")
    journal = Journal.open(home.journal, writer="g", keyring=keyring_of(home), settings=SMALL)
    analytics, projector = open_record(home)
    for number in range(600):
        journal.append(completed(number), Content(request=b'"asked"' + b" " * number))
    projector.tick(NOW_MS)
    for number in range(600, 700):
        journal.append(completed(number), Content(request=b'"asked"'))
    journal.append(
        RequestStarted(
            call_id=call_id(700), request_id="r700", at_ns=NOW_MS * 1_000_000 + 700,
            operation="chat", model="m", subject="ann",
        ),
        Content(request=b'"asked"'),
    )  # fmt: skip
    report = create_backup(home, now_ms=NOW_MS, with_keys=True, analytics=analytics)
    journal.append(completed(700))
    assert len(projector.tick(NOW_MS).calls) == 101
    assert projector.tick(NOW_MS).calls == []
    assert report.includes_keys
    assert Path(report.path).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in Path(home.backups).iterdir()] == [Path(report.path).name]
    journal.close()
    projector.close()
    analytics.close()
    return home, report.path


def test_a_home_comes_back_as_it_was(saved: tuple[Home, str], tmp_path: Path) -> None:
    _, path = saved
    home = Home(str(tmp_path / "other"))
    assert restore_backup(path, home).files > 5
    engine = open_state(home.state, backups=home.backups, now_ms=NOW_MS)
    with engine.connect() as connection:
        assert connection.execute(select(tables.settings.c.value)).scalars().all() == ["1"]
    engine.dispose()
    assert Path(home.snapshot).read_bytes() == b"snapshot"
    report = verify(home.journal, keyring_of(home))
    assert (report.frames, report.is_sound, report.erased_subjects) == (701, True, ())
    analytics, projector = open_record(home)
    calls = projector.tick(NOW_MS).calls
    assert [(call.request_id, call.outcome) for call in calls][-2:] == [
        ("r699", "completed"),
        ("r700", "cut"),
    ]
    assert len(calls) == 101
    listed = list_calls(analytics, limit=1000).data
    assert [call.request_id for call in listed] == [f"r{number}" for number in reversed(range(701))]
    for number in (0, 599, 600, 700):
        assert get_call(analytics, call_id(number), keyring=keyring_of(home)).content.request == "asked"
    projector.close()
    analytics.close()


def test_without_keys_nothing_can_be_read(saved: tuple[Home, str], tmp_path: Path) -> None:
    source, _ = saved
    report = create_backup(source, now_ms=NOW_MS + 5)  # nothing runs: it opens the analytics itself
    assert not report.includes_keys
    home = Home(str(tmp_path / "other"))
    restore_backup(report.path, home)
    assert not Path(home.keys).exists()
    for secret in (source.master_key, source.keyring):
        assert Path(secret).read_bytes()[:32] not in Path(report.path).read_bytes()


def test_a_home_not_empty_or_with_other_keys_is_refused(saved: tuple[Home, str], tmp_path: Path) -> None:
    home, path = saved
    with pytest.raises(ConfigurationError, match="not empty"):
        restore_backup(path, home)
    other = Home(str(tmp_path / "other"))
    Path(other.keys).mkdir(parents=True)
    Path(other.master_key).write_bytes(b"n" * 32)
    with pytest.raises(ConfigurationError, match="not the backup's"):
        restore_backup(path, other)
    assert not Path(other.state).exists()


def test_a_running_home_is_refused(saved: tuple[Home, str], tmp_path: Path) -> None:
    home, path = saved
    journal = Journal.open(home.journal, writer="g", keyring=keyring_of(home), settings=SMALL)
    with pytest.raises(ConfigurationError, match="running"):
        restore_backup(path, home)
    journal.close()


def rewrite(path: str, target: Path, change: Any) -> str:
    with tarfile.open(path) as source, tarfile.open(target, "w") as changed:
        for member in source.getmembers():
            file = source.extractfile(member)
            assert file is not None
            change(member, file.read(), changed)
    return str(target)


def test_damaged_backups_are_refused_and_nothing_is_restored(saved: tuple[Home, str], tmp_path: Path) -> None:
    import io

    _, path = saved

    def flip(member: tarfile.TarInfo, content: bytes, changed: tarfile.TarFile) -> None:
        if member.name == "snapshot/current":
            content = b"Snapshot"
        changed.addfile(member, io.BytesIO(content))

    def lose(member: tarfile.TarInfo, content: bytes, changed: tarfile.TarFile) -> None:
        if member.name != "snapshot/current":
            changed.addfile(member, io.BytesIO(content))

    def escape(member: tarfile.TarInfo, content: bytes, changed: tarfile.TarFile) -> None:
        if member.name == "manifest.json":
            content = content.replace(b'"snapshot/current"', b'"../evil"')
            member.size = len(content)
        changed.addfile(member, io.BytesIO(content))

    half = tmp_path / "half.tar"
    half.write_bytes(Path(path).read_bytes()[:5000])
    text = tmp_path / "text.tar"
    text.write_text("not a tar")
    home = Home(str(tmp_path / "other"))
    for damaged, message in (
        (rewrite(path, tmp_path / "flip.tar", flip), "damaged"),
        (rewrite(path, tmp_path / "lose.tar", lose), "damaged"),
        (rewrite(path, tmp_path / "escape.tar", escape), "outside itself"),
        (str(half), "not a whole backup"),
        (str(text), "not a whole backup"),
        (str(tmp_path / "absent.tar"), "not a whole backup"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            restore_backup(damaged, home)
        assert list(Path(home.root).iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_a_backup_says_which_databases_it_does_not_cover(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "scaled"))
    state = StateSettings(url="postgresql+psycopg://me@db/pilothouse")
    note_elsewhere(home, state, StoreSettings())
    assert create_backup(home, now_ms=NOW_MS).not_covered == ("postgresql+psycopg://me@db/pilothouse",)
    (finding,) = [one for one in examine(home) if one.check == "databases"]
    assert "neither looked at here nor part of a backup" in finding.message
    note_elsewhere(home, StateSettings(), StoreSettings())
    assert create_backup(home, now_ms=NOW_MS + 1).not_covered == ()
