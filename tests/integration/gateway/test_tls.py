"""TLS and mutual TLS in: what is spoken, who is let in, and certificates that change while it serves."""

import datetime as dt
import http.client
import json
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.gateway.certificate import Certificate
from pilothouse.gateway.settings import TlsSettings

if TYPE_CHECKING:
    from tests.integration.gateway.conftest import Rig

WAIT_S = 10.0
KEY = "ph_test_0123456789"
NOW = dt.datetime.now(dt.UTC)
PEM = serialization.Encoding.PEM


@dataclass
class Authority:
    """Issues certificates into a folder."""

    folder: Path
    name: str

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        certificate = (
            self._builder(self.subject, self.key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.path = self.folder / f"{self.name}.pem"
        self.path.write_bytes(certificate.public_bytes(PEM))

    def issue(self, name: str) -> tuple[str, str]:
        """Writes a certificate and its key, over what was there; returns their paths."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._builder(subject, key)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        paths = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        for path, content in zip(paths, (certificate.public_bytes(PEM), private), strict=True):
            fresh = path.with_suffix(".new")
            fresh.write_bytes(content)
            fresh.rename(path)
        return str(paths[0]), str(paths[1])

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(hours=1))
            .not_valid_after(NOW + dt.timedelta(days=1))
        )


@dataclass
class Secure:
    """A worker that speaks TLS, and clients that trust its authority."""

    rig: "Rig"
    authority: Authority
    certificate: str
    key: str
    opened: list[http.client.HTTPSConnection] = field(default_factory=list)

    def start(self, **more: str) -> None:
        """Starts the worker."""
        tls = {"certificate": self.certificate, "key": self.key, **more}
        self.rig.publish(self.rig.snapshot())
        self.rig.start(tls=tls, deadlines={"head_s": 0.5, "drain_s": 3.0, "farewell_s": 0.3})

    def context(self, identity: tuple[str, str] | None = None) -> ssl.SSLContext:
        """Returns what a client needs."""
        context = ssl.create_default_context(cafile=str(self.authority.path))
        context.set_alpn_protocols(["h2", "http/1.1"])
        if identity is not None:
            context.load_cert_chain(*identity)
        return context

    def connect(self, identity: tuple[str, str] | None = None) -> http.client.HTTPSConnection:
        """Returns a connection, which is kept alive."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.rig.port, timeout=WAIT_S, context=self.context(identity)
        )
        self.opened.append(connection)
        return connection

    def chat(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        """Asks once on a connection."""
        body = json.dumps({"model": "quiet", "messages": [{"role": "user", "content": "Hi."}]})
        connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {KEY}"})
        answer = connection.getresponse()
        answer.read()
        return answer

    def shown(self) -> int:
        """Returns the serial number of the certificate that a new client is shown."""
        with self.handshake() as opened:
            found = opened.getpeercert()
        assert found is not None
        return int(str(found["serialNumber"]), 16)

    def handshake(self) -> ssl.SSLSocket:
        """Returns a fresh TLS connection."""
        plain = socket.create_connection(("127.0.0.1", self.rig.port), timeout=WAIT_S)
        return self.context().wrap_socket(plain, server_hostname="127.0.0.1")

    def notes(self) -> list[str]:
        """Returns the notes of `/readyz`."""
        connection = self.connect()
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        found: list[str] = json.loads(answer.read())["notes"]
        connection.close()
        return found


def serial_in(path: str) -> int:
    """Returns the serial number of a certificate file."""
    return x509.load_pem_x509_certificate(Path(path).read_bytes()).serial_number


@pytest.fixture
def secure(fresh: "Rig", tmp_path: Path) -> Iterator[Secure]:
    """A worker with a certificate, not started."""
    authority = Authority(tmp_path, "authority")
    made = Secure(fresh, authority, *authority.issue("server"))
    yield made
    for connection in made.opened:
        connection.close()


def test_calls_are_answered_over_tls(secure: Secure) -> None:
    secure.start()
    connection = secure.connect()
    for _ in range(3):
        assert secure.chat(connection).status == 200
    opened: Any = connection.sock
    assert opened.selected_alpn_protocol() == "http/1.1"
    assert opened.version() in {"TLSv1.2", "TLSv1.3"}
    connection.close()
    assert secure.rig.stop() == 0


def test_a_stream_comes_whole_over_tls(secure: Secure, wire: Any) -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(wire.STREAM_HEAD)
        for _number in range(200):
            connection.sendall(wire.framed(wire.chunk({"content": "x" * 5000})))
        connection.sendall(wire.framed(wire.chunk({}, "stop") + b"data: [DONE]\n\n") + b"0\r\n\r\n")

    secure.rig.upstream.behave = behave
    secure.start()
    connection = secure.connect()
    body = '{"model":"quiet","stream":true,"messages":[{"role":"user","content":"x"}]}'
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {KEY}"})
    text = connection.getresponse().read()
    assert text.endswith(b"data: [DONE]\n\n")
    assert text.count(b'"content"') == 200
    connection.close()


def test_a_new_certificate_is_taken_while_connections_live_on(secure: Secure) -> None:
    secure.start()
    before = serial_in(secure.certificate)
    assert secure.shown() == before
    kept = secure.connect()
    assert secure.chat(kept).status == 200
    secure.authority.issue("server")
    after = serial_in(secure.certificate)
    assert after != before
    secure.rig.until(lambda: secure.shown() == after)
    old: Any = kept.sock
    assert int(old.getpeercert()["serialNumber"], 16) == before
    assert secure.chat(kept).status == 200
    assert kept.sock is old, "the connection with the old certificate is kept"
    kept.close()


@pytest.mark.parametrize("fault", ["key of another", "no certificate", "away"])
def test_a_broken_pair_is_refused_and_the_old_one_serves(secure: Secure, fault: str) -> None:
    secure.start()
    before = secure.shown()
    if fault == "key of another":
        Path(secure.key).write_bytes(Path(secure.authority.issue("another")[1]).read_bytes())
    elif fault == "no certificate":
        Path(secure.certificate).write_text("nothing of the kind")
    else:
        Path(secure.certificate).unlink()
    notes = secure.rig.until(lambda: [note for note in secure.notes() if "certificate was refused" in note])
    assert "TLS file" in notes[0]
    assert secure.shown() == before
    secure.authority.issue("server")
    secure.rig.until(lambda: secure.shown() == serial_in(secure.certificate))
    assert not [note for note in secure.notes() if "certificate" in note]


def test_a_client_without_a_certificate_is_refused_where_one_is_required(
    secure: Secure, tmp_path: Path
) -> None:
    clients = Authority(tmp_path, "clients")
    secure.start(client_ca=str(clients.path))
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        secure.chat(secure.connect())
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        secure.chat(secure.connect(secure.authority.issue("stranger")))
    assert secure.chat(secure.connect(clients.issue("friend"))).status == 200


def test_a_client_certificate_may_be_optional(secure: Secure, tmp_path: Path) -> None:
    clients = Authority(tmp_path, "clients")
    secure.start(client_ca=str(clients.path), client_certificates="optional")
    assert secure.chat(secure.connect()).status == 200
    assert secure.chat(secure.connect(clients.issue("friend"))).status == 200
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        secure.chat(secure.connect(secure.authority.issue("stranger")))


def test_a_handshake_that_does_not_come_is_given_up(secure: Secure) -> None:
    secure.start()
    silent = secure.rig.raw(b"")
    assert silent.recv(1) == b""
    plain = secure.rig.raw(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
    assert not plain.recv(100).startswith(b"HTTP/1.1 200")
    assert secure.chat(secure.connect()).status == 200


def test_tls_on_a_plain_port_is_told_what_to_do(rig: "Rig") -> None:
    connection = rig.raw(b"\x16\x03\x01\x00\x05hello")
    answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"gateway.tls" in answer


def test_a_retiring_worker_says_goodbye_over_tls(secure: Secure) -> None:
    secure.start()
    assert secure.rig.process is not None
    kept = secure.connect()
    with secure.handshake() as idle:
        assert secure.chat(kept).headers["connection"] is None
        os.kill(secure.rig.process.pid, signal.SIGUSR1)
        assert idle.recv(1) == b"", "an idle connection ends after the farewell time"
    assert secure.rig.process.wait(WAIT_S) == 0


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda folder: folder.joinpath("server.key").unlink(), "cannot be read"),
        (lambda folder: folder.joinpath("server.pem").write_text("x"), "do not fit"),
        (lambda folder: folder.joinpath("authority.pem").write_text("x"), "do not fit"),
    ],
)
def test_files_that_cannot_serve_are_named(
    tmp_path: Path, spoil: Callable[[Path], object], expected: str
) -> None:
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("server")
    settings = TlsSettings(certificate=certificate, key=key, client_ca=str(authority.path))
    Certificate(settings)
    spoil(tmp_path)
    with pytest.raises(ConfigurationError) as refused:
        Certificate(settings)
    assert expected in refused.value.message
    assert refused.value.hint
