"""The pool on real sockets: limits, deadlines, TLS, and what becomes of idle connections."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pilothouse.network.address import Address
from pilothouse.network.errors import ConnectError, DeadlineError, NetworkError, PoolFullError
from pilothouse.network.exchange import Exchange, ResponseHead
from pilothouse.network.pool import Pool
from pilothouse.network.settings import Deadlines, PoolSettings

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Heard:
    """A receiver whose end can be awaited."""

    def __init__(self) -> None:
        self.body = b""
        self.end: asyncio.Future[NetworkError | None] = asyncio.get_running_loop().create_future()

    def on_head(self, head: ResponseHead) -> None:
        assert head.status == 200

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_end(self, error: NetworkError | None) -> None:
        self.end.set_result(error)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def _end(pool: Pool, server: asyncio.Server, writers: list[asyncio.StreamWriter]) -> None:
    await pool.close()
    server.close()
    for writer in writers:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - the pool has no event for it, and needs none
        await asyncio.sleep(0.01)


def _with_pool(
    test: Callable[[Pool, Address, asyncio.Server], Coroutine[Any, Any, None]],
    *,
    serve: Serve = _answer,
    **limits: Any,
) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def noting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await serve(reader, writer)

    async def main() -> None:
        server = await asyncio.start_server(noting, "127.0.0.1", 0)
        pool = Pool(PoolSettings(**limits))
        address = Address(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        try:
            async with asyncio.timeout(10):
                await test(pool, address, server)
        finally:
            await _end(pool, server, writers)

    asyncio.run(main())


def _send(pool: Pool, address: Address, **deadlines: float) -> tuple[Exchange, Heard]:
    heard = Heard()
    exchange = Exchange(REQUEST, heard, Deadlines(**deadlines))
    pool.origin(address).send(exchange)
    return exchange, heard


def test_connections_are_kept_and_counted() -> None:
    async def test(pool: Pool, address: Address, _: asyncio.Server) -> None:
        for _number in range(3):
            _exchange, heard = _send(pool, address)
            assert await heard.end is None
            assert heard.body == b"ok"
        (status,) = pool.status()
        assert (status.open, status.idle, status.opened_total, status.reused_total) == (1, 1, 1, 2)

    _with_pool(test)


def test_calls_wait_for_a_connection_when_there_may_be_only_one() -> None:
    async def test(pool: Pool, address: Address, _: asyncio.Server) -> None:
        all_heard = [_send(pool, address)[1] for _number in range(5)]
        assert [await heard.end for heard in all_heard] == [None] * 5
        assert pool.status()[0].opened_total == 1

    _with_pool(test, connections_per_origin=1)


def test_a_full_queue_is_refused_at_once() -> None:
    async def test(pool: Pool, address: Address, _: asyncio.Server) -> None:
        for _number in range(2):
            _send(pool, address)
        with pytest.raises(PoolFullError):
            _send(pool, address)

    _with_pool(test, serve=_silent, connections_per_origin=1, waiters_per_origin=2)


def test_a_call_that_waits_too_long_is_ended() -> None:
    async def test(pool: Pool, address: Address, _: asyncio.Server) -> None:
        first, _heard = _send(pool, address)
        await _until(lambda: first.phase != "wait")
        _exchange, waiting = _send(pool, address)
        error = await waiting.end
        assert isinstance(error, DeadlineError)
        assert error.phase == "wait"

    _with_pool(test, serve=_silent, connections_per_origin=1, wait_s=0.2)


def test_a_cancelled_call_gives_its_place_to_the_next() -> None:
    async def test(pool: Pool, address: Address, _: asyncio.Server) -> None:
        first, heard = _send(pool, address)
        await _until(lambda: first.phase != "wait")
        second, _heard = _send(pool, address, first_byte_s=0.3)
        first.cancel()
        await _until(lambda: second.phase != "wait")
        assert not heard.end.done()

    _with_pool(test, serve=_silent, connections_per_origin=1)


def test_a_refused_connection_is_an_error_in_words() -> None:
    async def test(pool: Pool, address: Address, server: asyncio.Server) -> None:
        server.close()
        _exchange, heard = _send(pool, address)
        error = await heard.end
        assert isinstance(error, ConnectError)
        assert str(address.port) in str(error)

    _with_pool(test)


def test_an_unknown_host_is_an_error_in_words() -> None:
    async def test(pool: Pool, _: Address, __: asyncio.Server) -> None:
        _exchange, heard = _send(pool, Address(host="no-such-host.invalid", port=80))
        assert isinstance(await heard.end, ConnectError | DeadlineError)

    _with_pool(test, connect_s=2.0)


def test_a_first_byte_that_does_not_come_is_a_deadline() -> None:
    async def test(pool: Pool, address: Address, _: asyncio.Server) -> None:
        _exchange, heard = _send(pool, address, first_byte_s=0.2)
        error = await heard.end
        assert isinstance(error, DeadlineError)
        assert error.phase == "first_byte"
        assert pool.status()[0].failures_total == 1

    _with_pool(test, serve=_silent)


def test_idle_connections_are_closed_after_their_time() -> None:
    async def test(pool: Pool, address: Address, _: asyncio.Server) -> None:
        _exchange, heard = _send(pool, address)
        await heard.end
        await _until(lambda: not pool.status()[0].open)
        assert pool.origin(address).is_unused()

    _with_pool(test, idle_ttl_s=0.1)


def test_an_idle_connection_that_the_peer_closes_is_forgotten() -> None:
    closing = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await closing.wait()
        writer.close()

    async def test(pool: Pool, address: Address, _: asyncio.Server) -> None:
        _exchange, heard = _send(pool, address)
        await heard.end
        assert pool.status()[0].idle == 1
        closing.set()
        await _until(lambda: not pool.status()[0].open)
        assert pool.status()[0].idle == 0

    _with_pool(test, serve=serve)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Makes a certificate for 127.0.0.1 that nobody has reason to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return pem, secret


@pytest.mark.parametrize("how", ["untrusted", "trusted", "not verified"])
def test_tls_is_verified_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    pem, secret = _certificate(tmp_path)
    if how == "trusted":
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))

    async def main() -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem, secret)
        writers: list[asyncio.StreamWriter] = []

        async def noting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            await _answer(reader, writer)

        server = await asyncio.start_server(noting, "127.0.0.1", 0, ssl=context)
        pool = Pool(PoolSettings())
        address = Address(
            host="127.0.0.1",
            port=server.sockets[0].getsockname()[1],
            is_tls=True,
            verify_tls=how != "not verified",
        )
        try:
            async with asyncio.timeout(10):
                _exchange, heard = _send(pool, address)
                error = await heard.end
        finally:
            await _end(pool, server, writers)
        if how == "untrusted":
            assert isinstance(error, ConnectError)
            assert "TLS" in str(error)
        else:
            assert error is None

    asyncio.run(main())
