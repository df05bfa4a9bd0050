"""The keyring shared by processes: one key a subject, gone for all once destroyed."""

import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.contracts.errors import JournalError
from pilothouse.telemetry.keyring import Keyring


def make(folder: Path, master: bytes = b"m" * 32) -> Keyring:
    (folder / "master").write_bytes(master)
    return Keyring(str(folder / "ring"), str(folder / "master"))


def test_processes_that_race_for_new_subjects_agree(tmp_path: Path) -> None:
    keyring = make(tmp_path)
    program = (
        "import sys; from pilothouse.telemetry.keyring import Keyring\n"
        "ring = Keyring(sys.argv[1] + '/ring', sys.argv[1] + '/master')\n"
        "for n in range(200): print(ring.key(f's{n}').hex())"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=30)[0].split() for process in processes]
    assert answers[0] == answers[1] == answers[2] == [keyring.key(f"s{n}").hex() for n in range(200)]
    assert len(set(answers[0])) == 200
    assert (tmp_path / "ring").stat().st_mode & 0o777 == 0o600


def test_a_destroyed_key_is_gone_for_all_and_from_the_file(tmp_path: Path) -> None:
    one, two = make(tmp_path), make(tmp_path)
    ann, bob = one.key("ann"), one.key("bob")
    assert two.find("ann") == ann
    assert not two.has_changed()
    assert one.destroy("ann")
    assert not one.destroy("ann")
    assert two.has_changed()
    assert two.find("ann") is None
    assert two.find("bob") == bob
    assert two.key("ann") != ann
    assert one.subjects() == ("bob", "ann")
    assert b"ann" in (tmp_path / "ring").read_bytes()


def test_the_old_file_is_overwritten_when_a_key_is_destroyed(tmp_path: Path) -> None:
    keyring = make(tmp_path)
    keyring.key("ann")
    with (tmp_path / "ring").open("rb") as old:
        keyring.destroy("ann")
        assert old.read().strip(b"\0") == b""
    assert b"ann" not in (tmp_path / "ring").read_bytes()


def test_a_torn_last_record_is_written_over(tmp_path: Path) -> None:
    keyring = make(tmp_path)
    ann = keyring.key("ann")
    with (tmp_path / "ring").open("ab") as file:
        file.write(b"\x40\0\0\0torn")
    again = make(tmp_path)
    bob = again.key("bob")
    again.sync()
    third = make(tmp_path)
    assert (third.find("ann"), third.find("bob")) == (ann, bob)


def test_what_is_no_keyring_or_no_master_key_is_refused(tmp_path: Path) -> None:
    make(tmp_path).key("ann")
    with pytest.raises(JournalError, match="unwrapped"):
        make(tmp_path, b"n" * 32).find("ann")
    with pytest.raises(JournalError, match="not 32"):
        make(tmp_path, b"short")
    with pytest.raises(JournalError, match="cannot be read"):
        Keyring(str(tmp_path / "ring"), str(tmp_path / "absent"))
    (tmp_path / "ring").write_bytes(b"something else entirely, longer than a head")
    with pytest.raises(JournalError, match="not a keyring"):
        make(tmp_path).key("ann")
