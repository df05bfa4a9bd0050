"""A Pilothouse that speaks TLS by itself: its address, its sign-in link, and its cookie."""

import datetime as dt
import http.client
import ssl
import subprocess
import sys
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from tests.journeys.conftest import Up

CONFIGURATION = """
providers:
  mock: {{base_url: 'http://127.0.0.1:9/v1'}}
models:
  m: {{deployments: [{{provider: mock, model: mock}}]}}
journal: {{segment_bytes: 1048576, reserve_bytes: 0}}
gateway: {{{tls}}}
"""


def self_signed(folder: Path) -> tuple[str, str]:
    """Writes a certificate that is its own authority, and its key; returns their paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "journey")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    paths = folder / "journey.pem", folder / "journey.key"
    paths[0].write_bytes(certificate.public_bytes(pem))
    private = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(pem, private, serialization.NoEncryption()))
    return str(paths[0]), str(paths[1])


def get(address: str, path: str, authority: str | None) -> http.client.HTTPResponse:
    """Returns the answer to a GET, read to its end."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    if authority is None:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    else:
        context = ssl.create_default_context(cafile=authority)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=20, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    return answer


def command(up: "Up", *words: str) -> str:
    """Runs a command of the home; returns what it said."""
    line = [sys.executable, "-m", "pilothouse", *words, "--home", up.home.root]
    return subprocess.run(line, check=True, capture_output=True, text=True, timeout=60).stdout


def test_tls_comes_with_a_reload_and_the_cookie_is_secure(
    start_up: Callable[..., "Up"], tmp_path: Path
) -> None:
    up = start_up(CONFIGURATION.format(tls=""))
    up.wait_ready()
    assert get(up.base_url, "/readyz", None).status == 200
    certificate, key = self_signed(tmp_path)
    tls = f"tls: {{certificate: {certificate}, key: {key}}}"
    (tmp_path / "home.yaml").write_text(CONFIGURATION.format(tls=tls))
    assert "generation 2" in command(up, "reload")
    assert up.base_url.startswith("https://127.0.0.1:")
    assert get(up.base_url, "/readyz", certificate).status == 200
    link = next(word for word in command(up, "signin").split() if word.startswith("https://"))
    answer = get(up.base_url, link.removeprefix(up.base_url), certificate)
    assert answer.status == 303
    assert "; Secure" in (answer.headers["set-cookie"] or "")
    assert up.stop() == 0
