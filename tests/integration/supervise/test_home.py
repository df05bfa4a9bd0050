"""A home folder: permissions, secrets made once, one `up` at a time."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.contracts.home import Home
from pilothouse.supervise.home import HomeLock, clear_sockets, prepare, root_key, running_pid


def mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_secrets_are_private_made_once_and_match(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "home"))
    prepare(home)
    first = {path: Path(path).read_bytes() for path in (home.pepper, home.master_key, home.signing_key)}
    prepare(home)
    assert {path: Path(path).read_bytes() for path in first} == first
    assert all(mode(path) == 0o600 for path in (*first, home.verifying_key))
    assert mode(home.keys) == mode(home.run) == mode(home.root) == 0o700
    private = Ed25519PrivateKey.from_private_bytes(first[home.signing_key])
    Ed25519PublicKey.from_public_bytes(Path(home.verifying_key).read_bytes()).verify(private.sign(b"x"), b"x")


def test_wide_permissions_are_mended(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    prepare(home)
    Path(home.pepper).chmod(0o644)
    Path(home.keys).chmod(0o755)
    prepare(home)
    assert (mode(home.pepper), mode(home.keys)) == (0o600, 0o700)


def test_root_key_is_made_once_unless_given(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    prepare(home)
    made, is_new = root_key(home, None)
    assert is_new
    assert mode(home.root_key) == 0o600
    assert root_key(home, None) == (made, False)
    assert root_key(home, "given-by-the-operator") == ("given-by-the-operator", False)
    with pytest.raises(ConfigurationError, match="16 is the least"):
        root_key(home, "short")


def test_one_up_a_home_and_the_kernel_lets_go(tmp_path: Path) -> None:
    home = Home(str(tmp_path))
    prepare(home)
    code = (
        "import sys; from pilothouse.contracts.home import Home\n"
        "from pilothouse.supervise.home import HomeLock\n"
        "HomeLock(Home(sys.argv[1])).acquire(); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert running_pid(home) == holder.pid
        with pytest.raises(ConfigurationError, match=f"process {holder.pid}"):
            HomeLock(home).acquire()
        holder.kill()
    lock = HomeLock(home)
    lock.acquire()
    lock.release()
    assert running_pid(home) is None


def test_long_home_gets_short_sockets(tmp_path: Path) -> None:
    home = Home(str(tmp_path / ("long" * 30)))
    prepare(home)
    assert len(home.gateway_status_socket("99").encode()) < 107
    assert mode(home.run) == 0o700
    Path(home.control_socket).touch()
    clear_sockets(home)
    assert not Path(home.control_socket).exists()
    Path(home.run).rmdir()
