"""The machine is read as the kernel tells of it; a folder like /proc stands for kernels of other kinds."""

import os
from pathlib import Path

import pytest

from pilothouse.telemetry.machine import read_machine, read_process


def test_this_machine_is_read(tmp_path: Path) -> None:
    machine = read_machine(str(tmp_path))
    assert machine.cpus >= 1
    assert machine.cpu_busy_s > 0
    assert 0 < machine.memory_available_bytes <= machine.memory_total_bytes
    assert 0 <= machine.disk_free_bytes <= machine.disk_total_bytes
    assert machine.open_files <= machine.open_files_most


def test_this_process_is_read() -> None:
    me = read_process(os.getpid())
    assert me is not None
    assert me.resident_bytes > 1_000_000
    assert me.threads >= 1
    with Path("/dev/null").open() as one_more:
        more = read_process(os.getpid())
        assert one_more.fileno() > 0
    assert more is not None
    assert me.open_files is not None
    assert more.open_files == me.open_files + 1


def test_a_process_that_is_gone_is_none() -> None:
    assert read_process(2**22 + 1) is None


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A machine of which everything is known."""
    (tmp_path / "sys" / "fs").mkdir(parents=True)
    (tmp_path / "stat").write_text("cpu  100 0 50 700 50 0 0 0 90 0\ncpu0 1 1 1 1\n")
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\nX:\n")
    (tmp_path / "loadavg").write_text("0.50 1.00 2.00 1/100 7\n")
    (tmp_path / "sys" / "fs" / "file-nr").write_text("10\t0\t99\n")
    return tmp_path


def test_waiting_for_the_disk_is_idle_and_guests_count_once(other: Path) -> None:
    machine = read_machine("/", proc=str(other), cgroup=str(other))
    ticks = os.sysconf("SC_CLK_TCK")
    assert machine.cpu_busy_s == pytest.approx(150 / ticks)
    assert machine.cpu_idle_s == pytest.approx(750 / ticks)
    assert (machine.load, machine.open_files, machine.open_files_most) == ((0.5, 1.0, 2.0), 10, 99)


@pytest.mark.parametrize(
    ("most", "used", "memory"),
    [("max", "5", (1000, 400)), ("512000", "204800", (500, 300)), ("9999999999", "1", (1000, 400))],
)
def test_a_container_may_have_less_than_the_machine(
    other: Path, most: str, used: str, memory: tuple[int, int]
) -> None:
    (other / "memory.max").write_text(f"{most}\n")
    (other / "memory.current").write_text(f"{used}\n")
    machine = read_machine("/", proc=str(other), cgroup=str(other))
    assert (machine.memory_total_bytes // 1024, machine.memory_available_bytes // 1024) == memory


def test_a_programs_name_may_hold_anything(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "stat").write_text("7 (a) b) R " + " ".join(str(number) for number in range(4, 53)))
    found = read_process(7, proc=str(tmp_path))
    assert found is not None
    assert found.cpu_s == pytest.approx((14 + 15) / os.sysconf("SC_CLK_TCK"))
    assert (found.threads, found.resident_bytes) == (20, 24 * os.sysconf("SC_PAGE_SIZE"))
    assert (found.open_files, found.open_files_most) == (None, None)
