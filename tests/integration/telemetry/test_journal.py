"""The journal on a real disk: what is appended outlives its process, and a full disk stops intake first."""

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.contracts.errors import JournalFullError
from pilothouse.contracts.events import Content, RequestCompleted
from pilothouse.telemetry.frames import Raw
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.segments import (
    decode_frame,
    first_offset,
    is_running,
    list_segments,
    read_chunk,
    verify,
)
from pilothouse.telemetry.settings import JournalSettings

SMALL = JournalSettings(segment_bytes=256 * 1024, quota_bytes=64 * 1024 * 1024, reserve_bytes=0)


def event(number: int, subject: str | None = None) -> RequestCompleted:
    return RequestCompleted(
        call_id=f"{number:032x}", request_id=f"r{number}", at_ns=number, operation="chat", status=200,
        outcome="completed", subject=subject,
    )  # fmt: skip


def make_keyring(folder: Path) -> Keyring:
    master = folder / "master.key"
    if not master.exists():
        master.write_bytes(b"m" * 32)
    return Keyring(str(folder / "keyring"), str(master))


def numbers(folder: str) -> list[int]:
    found: list[int] = []
    for name in list_segments(folder):
        path = f"{folder}/{name}"
        offset = first_offset(path)
        while (chunk := read_chunk(path, offset)).end > offset:
            offset = chunk.end
            found += [int(decode_frame(raw.payload).event.call_id, 16) for raw in chunk.frames]
    return found


def test_events_come_back_in_order_over_several_segments(tmp_path: Path) -> None:
    folder = str(tmp_path / "journal")
    journal = Journal.open(folder, writer="gateway-0", keyring=make_keyring(tmp_path), settings=SMALL)
    for number in range(3000):
        journal.append(event(number, "ann"), Content(request=b"x" * 200) if number % 2 else None)
    run = list_segments(folder)[0].removesuffix("-000001.segment")
    assert is_running(folder, run)
    assert numbers(folder) == list(range(3000))
    journal.close()
    assert not is_running(folder, run)
    assert numbers(folder) == list(range(3000))
    assert len(list_segments(folder)) > 2
    assert {path.suffix for path in Path(folder).iterdir()} == {".segment"}
    report = verify(folder, make_keyring(tmp_path))
    assert (report.frames, report.damaged, report.torn_tails, report.is_sound) == (3000, 0, 0, True)
    assert sum(segment.authentic for segment in report.segments) == 1500
    assert all(segment.size_bytes == segment.used_bytes for segment in report.segments)


def test_two_events_of_one_write_stay_together_across_segments(tmp_path: Path) -> None:
    folder = str(tmp_path / "journal")
    journal = Journal.open(folder, writer="gateway-0", keyring=make_keyring(tmp_path), settings=SMALL)
    for number in range(0, 2000, 2):
        journal.append(event(number + 1, "ann"), Content(request=b"x" * 200), before=event(number, "ann"))
    journal.close()
    assert journal.events_total == 2000
    assert numbers(folder) == list(range(2000))
    assert len(list_segments(folder)) > 2
    report = verify(folder, make_keyring(tmp_path))
    assert (report.is_sound, sum(segment.authentic for segment in report.segments)) == (True, 1000)
    for name in list_segments(folder):
        path = f"{folder}/{name}"
        frames = read_chunk(path, first_offset(path)).frames
        assert int(decode_frame(frames[0].payload).event.call_id, 16) % 2 == 0, "no pair is parted"


WRITER = """
    import sys
    from pilothouse.contracts.events import RequestCompleted, Content
    from pilothouse.telemetry.journal import Journal
    from pilothouse.telemetry.keyring import Keyring
    from pilothouse.telemetry.settings import JournalSettings
    folder, keys = sys.argv[1:3]
    keyring = Keyring(keys + "/keyring", keys + "/master.key")
    journal = Journal.open(folder, writer="gateway-0", keyring=keyring,
        settings=JournalSettings(segment_bytes=262144, quota_bytes=67108864, reserve_bytes=0))
    number = 0
    while True:
        journal.append(RequestCompleted(call_id=f"{number:032x}", request_id="r", at_ns=1, operation="chat",
            status=200, outcome="completed", subject="ann"), Content(request=b"x" * (number % 700)))
        print(number, flush=True)
        number += 1
"""


def test_what_was_appended_outlives_kill_9(tmp_path: Path) -> None:
    make_keyring(tmp_path)
    folder = str(tmp_path / "journal")
    for lines in (1, 40, 900, 1500):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), folder, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            acknowledged = [int(process.stdout.readline()) for _ in range(lines)]
            process.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in process.stdout.read().split("\n")[:-1]]
        written = numbers(folder)
        assert written[: len(acknowledged)] == acknowledged
        assert len(written) - len(acknowledged) <= 1
        assert verify(folder, make_keyring(tmp_path)).is_sound
        for name in list_segments(folder):
            (Path(folder) / name).unlink()
    Journal.open(folder, writer="g", keyring=make_keyring(tmp_path), settings=SMALL).close()
    assert not list(Path(folder).glob("*.spare"))


def test_verify_finds_each_changed_byte_and_goes_on(tmp_path: Path) -> None:
    folder = str(tmp_path / "journal")
    journal = Journal.open(folder, writer="g", keyring=make_keyring(tmp_path), settings=SMALL)
    for number in range(100):
        journal.append(event(number, "ann"), Content(request=b"hello"))
    journal.close()
    path = Path(folder) / list_segments(folder)[0]
    frames = read_chunk(str(path), first_offset(str(path))).frames
    data = bytearray(path.read_bytes())
    data[frames[10].offset + 20] ^= 1
    data[frames[50].offset + 1] ^= 1  # its length
    path.write_bytes(data)
    report = verify(folder, make_keyring(tmp_path))
    assert report.frames == 98
    assert [damage.offset for damage in report.segments[0].damages] == [frames[10].offset, frames[50].offset]
    path.write_bytes(bytes(data[: frames[99].offset + 30]))
    report = verify(folder, make_keyring(tmp_path))
    assert (report.frames, report.torn_tails, report.damaged) == (97, 1, 2)
    path.write_bytes(b"garbage")
    assert not verify(folder, make_keyring(tmp_path)).is_sound


def test_a_destroyed_key_leaves_frames_that_verify_as_erased(tmp_path: Path) -> None:
    folder = str(tmp_path / "journal")
    journal = Journal.open(folder, writer="g", keyring=make_keyring(tmp_path), settings=SMALL)
    for number in range(4):
        journal.append(event(number, "ann" if number % 2 else "bob"), Content(request=b"hello"))
    assert make_keyring(tmp_path).destroy("ann")
    report = verify(folder, make_keyring(tmp_path))
    assert (report.is_sound, report.erased_subjects, report.segments[0].erased) == (True, ("ann",), 2)
    journal._look()
    journal.append(event(9, "ann"), Content(request=b"again"))
    journal.close()
    report = verify(folder, make_keyring(tmp_path))
    assert (report.segments[0].authentic, report.segments[0].erased) == (3, 2)
    assert report.is_sound


def append_until_full(journal: Journal, number: int) -> int:
    while True:
        try:
            journal.append(event(number), Content(request=b"x" * 2000))
        except JournalFullError:
            return number
        number += 1


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


def test_a_full_disk_stops_intake_and_loses_nothing_that_was_accepted(tmp_path: Path) -> None:
    keyring = make_keyring(tmp_path)
    with small_disk(tmp_path / "disk", 2 * 1024 * 1024) as disk:
        folder = str(disk / "journal")
        journal = Journal.open(folder, writer="g", keyring=keyring, settings=SMALL)
        assert journal.refusal() is None
        (disk / "filler").write_bytes(bytes(2 * 1024 * 1024 - 3 * 256 * 1024))
        accepted = 0
        while journal.refusal() is None:
            journal.append(event(accepted), Content(request=b"x" * 2000))
            accepted += 1
            journal._look()
        assert "no room" in str(journal.refusal())
        in_flight = 60  # accepted before the refusal, ending after it
        for number in range(accepted, accepted + in_flight):
            journal.append(event(number), Content(request=b"x" * 2000))
        assert numbers(folder) == list(range(accepted + in_flight))
        assert journal.contents_dropped_total == 0
        number = append_until_full(journal, accepted + in_flight)
        assert numbers(folder) == list(range(number))
        assert journal.contents_dropped_total > 0
        (disk / "filler").unlink()
        journal._look()
        assert journal.refusal() is None
        journal.append(event(number), Content(request=b"x"))
        assert numbers(folder) == list(range(number + 1))
        journal.close()


def test_quota_and_reserve_say_why_and_are_watched(tmp_path: Path) -> None:
    keyring = make_keyring(tmp_path)
    folder = tmp_path / "journal"
    settings = JournalSettings(
        segment_bytes=65536,
        quota_bytes=4 * 65536,
        reserve_bytes=0,
        watch_interval_s=0.005,
        sync_interval_s=0.005,
    )
    journal = Journal.open(str(folder), writer="g", keyring=keyring, settings=settings)

    async def refused(is_refused: bool) -> None:  # noqa: FBT001 - reads as a sentence below
        async with asyncio.timeout(10):
            while (journal.refusal() is not None) != is_refused:  # noqa: ASYNC110 - a gauge has no event
                await asyncio.sleep(0.001)

    async def main() -> None:
        watch = asyncio.create_task(journal.watch())
        journal.append(event(1, "ann"), Content(request=b"x"))
        (folder / "other.segment").write_bytes(b"x" * 3 * 65536)
        await refused(is_refused=True)
        assert "quota" in str(journal.refusal())
        (folder / "other.segment").unlink()
        await refused(is_refused=False)
        folder.rename(tmp_path / "away")
        await refused(is_refused=True)
        (tmp_path / "away").rename(folder)
        await refused(is_refused=False)
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch

    asyncio.run(main())
    journal.close()
    settings = JournalSettings(segment_bytes=65536, quota_bytes=4 * 65536, reserve_bytes=1 << 60)
    journal = Journal.open(str(folder), writer="g", keyring=keyring, settings=settings)
    assert "nearly full" in str(journal.refusal())
    journal.close()


def test_a_frame_too_long_for_a_segment_keeps_its_metadata(tmp_path: Path) -> None:
    folder = str(tmp_path / "journal")
    journal = Journal.open(folder, writer="g", keyring=make_keyring(tmp_path), settings=SMALL)
    for number in range(20):
        journal.append(event(number), Content(request=b"x" * 250_000))
    assert numbers(folder) == list(range(20))
    assert journal.contents_dropped_total == 20
    journal.close()


def test_a_dead_run_is_told_from_a_living_one(tmp_path: Path) -> None:
    lock = tmp_path / "1-g-1.lock"
    handle = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert is_running(str(tmp_path), "1-g-1")
    os.close(handle)
    assert not is_running(str(tmp_path), "1-g-1")
    assert not is_running(str(tmp_path), "other")


def test_reading_a_frame_longer_than_a_chunk(tmp_path: Path) -> None:
    folder = str(tmp_path / "journal")
    journal = Journal.open(folder, writer="g", keyring=make_keyring(tmp_path), settings=SMALL)
    journal.append(event(1), Content(request=b"x" * 50_000))
    path = f"{folder}/{journal.segment}"
    chunk = read_chunk(path, first_offset(path), most_bytes=1000)
    assert [type(raw) for raw in chunk.frames] == [Raw]
    assert read_chunk(path, chunk.end).end == chunk.end
    journal.close()
