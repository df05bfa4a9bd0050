"""Makes a home folder ready: its folders, its secrets, and the lock that keeps a second `up` out.

Refuses to know what the secrets are for. Invariant: every secret file is 0600 in a 0700 folder of ours, is
made once, and is never printed.
"""

import fcntl
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.contracts.home import Home

SECRET_BYTES = 32


def prepare(home: Home) -> None:
    """Creates what is missing of a home, and mends permissions that are too wide.

    Raises:
        ConfigurationError: A folder cannot be made, or belongs to somebody else.
    """
    folders = (
        home.root, home.journal, home.keys, str(Path(home.snapshot).parent), home.artefacts,
        str(Path(home.state).parent), home.analytics, home.backups, home.logs, home.run,
    )  # fmt: skip
    for folder in folders:
        _private_folder(Path(folder))
    for path in (home.pepper, home.master_key):
        _create_secret(Path(path), secrets.token_bytes(SECRET_BYTES))
    _create_signing_keys(home)


def _private_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} cannot be made: {error.strerror}.",
            hint="Choose a home you may write to: --home DIR or PILOTHOUSE_HOME.",
        ) from error
    if not stat.S_ISDIR(found.st_mode) and not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder.", hint="Move it away, or choose another --home.")
    if folder.stat().st_uid != os.getuid():
        raise ConfigurationError(
            f"{folder} belongs to another user.", hint="Run as its owner, or choose another --home."
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def _create_secret(path: Path, content: bytes) -> None:
    """Writes a secret once: a file that is there is left as it is, but for too wide permissions."""
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o600)


def _create_signing_keys(home: Home) -> None:
    private_path, public_path = Path(home.signing_key), Path(home.verifying_key)
    if not private_path.exists():
        _create_secret(private_path, Ed25519PrivateKey.generate().private_bytes_raw())
    private = Ed25519PrivateKey.from_private_bytes(private_path.read_bytes())
    public = private.public_key().public_bytes_raw()
    if not public_path.exists() or public_path.read_bytes() != public:
        public_path.unlink(missing_ok=True)
        _create_secret(public_path, public)


def root_key(home: Home, given: str | None) -> tuple[str, bool]:
    """Returns the root API key, and whether it was made just now.

    A key that is given (PILOTHOUSE_ROOT_KEY) is used and not written down; otherwise the home's is read, or
    made and written 0600.

    Raises:
        ConfigurationError: The given key is too short to be safe.
    """
    if given:
        shortest = 16
        if len(given) < shortest:
            raise ConfigurationError(
                f"PILOTHOUSE_ROOT_KEY has {len(given)} characters; {shortest} is the least.",
                hint='Make one: python3 -c "import secrets; print(secrets.token_urlsafe(32))"',
            )
        return given, False
    path = Path(home.root_key)
    if path.exists():
        return path.read_text(encoding="ascii").strip(), False
    text = f"ph_root_{secrets.token_urlsafe(SECRET_BYTES)}"
    _create_secret(path, text.encode())
    return text, True


class HomeLock:
    """Held while `up` runs in a home; the kernel lets go of it when the process ends, however it ends."""

    def __init__(self, home: Home) -> None:
        self._path = Path(home.run) / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> int:
        """Takes the lock, and returns the descriptor that holds it until it is closed.

        Raises:
            ConfigurationError: Another `up` runs in this home.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise ConfigurationError(
                f"Pilothouse already runs in this home (process {owner or 'unknown'}).",
                hint="Stop it first, or choose another --home.",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return descriptor

    def release(self) -> None:
        """Lets go of the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def running_pid(home: Home) -> int | None:
    """Returns the process id of the `up` that runs in the home, or `None` when none does."""
    path = Path(home.run) / "lock"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        text = os.read(descriptor, 32).decode(errors="replace").strip()
        return int(text) if text.isdigit() else None
    else:
        return None
    finally:
        os.close(descriptor)


def clear_sockets(home: Home) -> None:
    """Removes sockets that a killed predecessor left. Call it only with the lock held."""
    for path in Path(home.run).glob("*.sock"):
        path.unlink(missing_ok=True)
