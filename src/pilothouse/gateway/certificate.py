"""The certificate that clients are shown: read from files, and read again when they change.

Refuses to know connections. Invariant: a pair that does not fit, or cannot be read, never takes the place of
one that serves; why it was refused is kept in `refusal`.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.gateway.settings import TlsSettings

POLL_S = 1.0
"""How often the files are looked at, in seconds."""

logger = logging.getLogger(__name__)
Mark = tuple[tuple[int, int, int], ...]


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """Returns what a TLS server needs: TLS 1.2 or newer, and HTTP/1.1 by ALPN (RFC 7301).

    Raises:
        ConfigurationError: A file cannot be read, or the key is not the certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    _load(
        settings.certificate,
        f"the key {settings.key}",
        lambda: context.load_cert_chain(settings.certificate, settings.key, password=_no_password),
    )
    authorities = settings.client_ca
    if authorities is not None:
        _load(authorities, "it", lambda: context.load_verify_locations(authorities))
        is_required = settings.client_certificates == "required"
        context.verify_mode = ssl.CERT_REQUIRED if is_required else ssl.CERT_OPTIONAL
    return context


def _load(path: str, what: str, load: Callable[[], None]) -> None:
    try:
        load()
    except (ssl.SSLError, ValueError) as error:
        reason = str(getattr(error, "reason", None) or error).lower().replace("_", " ")
        raise ConfigurationError(
            f"The TLS files do not fit: {path}, or {what}, is broken ({reason}).",
            hint="Both are PEM; the certificate comes first in its file, then its chain.",
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"The TLS file {error.filename or path} cannot be read: {error.strerror}.",
            hint="Check the paths under `gateway.tls`, and that this user may read them.",
        ) from error


def _no_password() -> str:
    raise ValueError("the key has a password")


class Certificate:
    """The TLS context in force, kept in step with its files."""

    def __init__(self, settings: TlsSettings) -> None:
        """Reads the files.

        Raises:
            ConfigurationError: They cannot serve.
        """
        self._settings = settings
        self._paths = [
            Path(path)
            for path in (settings.certificate, settings.key, settings.client_ca)
            if path is not None
        ]
        self._seen = self._mark()
        self.context = tls_context(settings)
        self.refusal: str | None = None
        """Why the newest files were not taken; `None` when those in force are the ones in the files."""

    def look(self) -> bool:
        """Takes the files when they are new and good. Returns whether they were taken."""
        mark = self._mark()
        if mark == self._seen:
            return False
        self._seen = mark
        try:
            self.context = tls_context(self._settings)
        except ConfigurationError as error:
            self.refusal = error.message
            logger.warning("the new certificate is refused, the old one stays in force: %s", error.message)
            return False
        self.refusal = None
        logger.info("a new certificate is in force")
        return True

    async def follow(self, renew: Callable[[ssl.SSLContext], None]) -> None:
        """Looks again and again until cancelled, and hands each new context on."""
        while True:
            await asyncio.sleep(POLL_S)
            if self.look():
                renew(self.context)

    def _mark(self) -> Mark:
        return tuple(_mark_of(path) for path in self._paths)


def _mark_of(path: Path) -> tuple[int, int, int]:
    try:
        state = path.stat()
    except OSError:
        return (0, 0, 0)
    return (state.st_mtime_ns, state.st_ino, state.st_size)
