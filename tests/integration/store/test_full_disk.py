"""A full disk stops the projector, and it goes on by itself once there is room again."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pilothouse.analytics.calls import list_calls
from pilothouse.contracts.errors import UnavailableError
from pilothouse.contracts.events import Content, RequestCompleted
from pilothouse.store.analytics import Analytics
from pilothouse.store.projector import Projector
from pilothouse.store.settings import StoreSettings
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.settings import JournalSettings

NOW_MS = 1_790_000_000_000


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.parametrize("is_checkpointed", [False, True], ids=["commit", "checkpoint"])
def test_what_could_not_be_committed_is_done_again(tmp_path: Path, *, is_checkpointed: bool) -> None:
    (tmp_path / "master").write_bytes(b"m" * 32)
    keyring = Keyring(str(tmp_path / "ring"), str(tmp_path / "master"))
    journal = Journal.open(
        str(tmp_path / "j"),
        writer="g",
        keyring=keyring,
        settings=JournalSettings(segment_bytes=4 * 1024 * 1024, reserve_bytes=0),
    )

    def write(numbers: range) -> None:
        for number in numbers:
            event = RequestCompleted(
                call_id=f"{number:032x}", request_id=f"r{number}", at_ns=NOW_MS * 1_000_000, operation="chat",
                status=200, outcome="completed",
            )  # fmt: skip
            journal.append(event, Content(request=b"x" * 500))

    with small_disk(tmp_path / "disk", 24 * 1024 * 1024) as disk:
        settings = StoreSettings(memory_mb=128, threads=1, checkpoint_mb=1, batch_events=200)
        analytics = Analytics.open(str(disk / "a"), backups=str(disk / "b"), settings=settings, now_ms=NOW_MS)
        projector = Projector(str(tmp_path / "j"), analytics, content_retention_days=30)
        write(range(500))
        projector.tick(NOW_MS)
        fill(disk / "filler")
        write(range(500, 2000))
        for _ in range(3):
            with pytest.raises(duckdb.Error):
                projector.tick(NOW_MS)
        if is_checkpointed:
            with pytest.raises(duckdb.FatalException):
                analytics.checkpoint()
            with pytest.raises(UnavailableError, match="opened anew"):
                list_calls(analytics)
            with pytest.raises(duckdb.Error):
                projector.tick(NOW_MS)
        (disk / "filler").unlink()
        if is_checkpointed:
            projector.tick(NOW_MS)
        while projector.tick(NOW_MS).has_more:
            pass
        assert len(list_calls(analytics, limit=1000).data) == 1000
        cursor = analytics.cursor()
        schema = analytics.attach(analytics.days()[0])
        found = cursor.execute(
            f"SELECT (SELECT (count(*), count(DISTINCT call_id)) FROM calls),"
            f" (SELECT (count(*), count(DISTINCT call_id)) FROM {schema}.content)"
        ).fetchone()
        cursor.close()
        assert found == ((2000, 2000), (2000, 2000))
        projector.close()
        analytics.close()
    journal.close()
