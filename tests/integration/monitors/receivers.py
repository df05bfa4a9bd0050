"""Receivers of a test: a web server that answers as it is told, and a mail server, plain and secured.

Refuses to know notices. Invariant: both listen on loopback only, and have ended when they are left.
"""

import base64
import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Taken:
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass
class Hook:
    """A web server: answers with the statuses it was given, then 200."""

    url: str = ""
    taken: list[Taken] = field(default_factory=list)
    statuses: deque[int] = field(default_factory=deque)
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event = field(default_factory=threading.Event)
    """Answers wait until it is set."""
    body: bytes = b"ok"


@contextmanager
def web_server(certificate: Path | None = None) -> Iterator[Hook]:
    """Runs a web server; with a certificate, an HTTPS one."""
    hook = Hook()
    hook.hold.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            names = {name.lower(): value for name, value in self.headers.items()}
            hook.taken.append(Taken(self.path, names, body))
            hook.hold.wait(20)
            with suppress(OSError):
                self.send_response(hook.statuses.popleft() if hook.statuses else 200)
                for name, value in hook.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(hook.body)))
                self.end_headers()
                self.wfile.write(hook.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scheme = "http"
    if certificate is not None:
        scheme = "https"
        server.socket = _context(certificate).wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused handshake is expected
    hook.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        hook.hold.set()
        server.shutdown()
        thread.join(10)
        server.server_close()


@dataclass
class Mailbox:
    """A mail server and what it took."""

    port: int = 0
    letters: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    was_secured: list[bool] = field(default_factory=list)
    refuse: str | None = None
    """An answer such as `450 later` to the sender's address."""


@contextmanager
def mail_server(certificate: Path, *, tls_at_once: bool = False) -> Iterator[Mailbox]:
    """Runs a small SMTP server (RFC 5321) with STARTTLS, or TLS from the first byte on, and AUTH PLAIN."""
    box = Mailbox()
    listener = socket.create_server(("127.0.0.1", 0))
    box.port = listener.getsockname()[1]
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(20)
            with suppress(OSError, ssl.SSLError):
                _Dialogue(box, connection, certificate, tls_at_once=tls_at_once).run()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield box
    finally:
        stopping.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


class _Dialogue:
    """One connection's conversation."""

    def __init__(
        self, box: Mailbox, connection: socket.socket, certificate: Path, *, tls_at_once: bool
    ) -> None:
        self._box = box
        self._connection = connection
        self._certificate = certificate
        self._is_secured = tls_at_once

    def run(self) -> None:
        try:
            if self._is_secured:
                self._secure()
            self._reader = self._connection.makefile("rb")
            self._say("220 test")
            while line := self._reader.readline():
                if not self._answer(line.decode().strip()):
                    return
        finally:
            with suppress(AttributeError):
                self._reader.close()
            self._connection.close()

    def _secure(self) -> None:
        self._connection = _context(self._certificate).wrap_socket(self._connection, server_side=True)
        self._is_secured = True

    def _say(self, text: str) -> None:
        self._connection.sendall(text.encode() + b"\r\n")

    def _answer(self, line: str) -> bool:
        verb = line.split(" ", 1)[0].upper()
        if verb == "EHLO":
            self._say("250-test")
            self._say("250-AUTH PLAIN" if self._is_secured else "250-STARTTLS")
            self._say("250 8BITMIME")
        elif verb == "STARTTLS":
            self._say("220 go")
            self._reader.close()
            self._secure()
            self._reader = self._connection.makefile("rb")
        elif verb == "AUTH":
            _, name, password = base64.b64decode(line.rsplit(maxsplit=1)[-1]).decode().split("\0")
            self._box.logins.append((name, password))
            self._say("235 yes" if password == "right" else "535 no")
        elif verb == "MAIL" and self._box.refuse:
            self._say(self._box.refuse)
        elif verb == "DATA":
            self._say("354 go")
            self._take()
        elif verb == "QUIT":
            self._say("221 bye")
            return False
        else:
            self._say("250 ok")
        return True

    def _take(self) -> None:
        lines: list[str] = []
        while (line := self._reader.readline().decode()) not in {".\r\n", ""}:
            lines.append(line)
        self._box.letters.append("".join(lines))
        self._box.was_secured.append(self._is_secured)
        self._say("250 taken")


def make_certificate(folder: Path) -> Path:
    """Makes a certificate of 127.0.0.1 and localhost that vouches for itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "certificate.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


def _context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
