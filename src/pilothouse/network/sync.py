"""The synchronous way out: one HTTP/1.1 request a connection, on TCP, TLS or a Unix socket.

For commands, pulls and jobs; the gateway's hot path has `network.pool`. URLs are `http://…`, `https://…`
and `unix:/path/to.sock:/path?query`.

Refuses to know who asks, and what an answer means: a status of 404 is an answer, not an error. Invariant:
certificates are always verified, every wait has a deadline, and credentials never follow a redirect to
another origin.
"""

import base64
import http.client
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from pilothouse.contracts.errors import InvalidRequestError, UpstreamError, UpstreamTimeoutError
from pilothouse.network.reach import Allowed, connect_allowed

__all__ = ["Progress", "Response", "StreamingResponse", "request", "stream", "stream_to_file"]

CHUNK_BYTES = 262_144
MAX_REDIRECTS = 5
MAX_BODY_BYTES = 256 * 1024 * 1024
"""`request` keeps the whole body in memory; more than this goes through `stream_to_file`."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})

Progress = Callable[[int, int | None], None]
"""Called with the bytes held so far and the bytes expected in all (`None` when the server does not say)."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(frozen=True, slots=True)
class StreamingResponse:
    """An answer whose body is read as it comes. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    url: str
    chunks: Iterator[bytes]

    def lines(self) -> Iterator[str]:
        """Yields the body's lines without their ends, each as soon as it is complete."""
        rest = b""
        for chunk in self.chunks:
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.rstrip(b"\r").decode("utf-8", "replace")
        if rest:
            yield rest.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a URL leads: what to connect to, and what to ask there."""

    url: str
    scheme: str
    host: str
    port: int
    socket_path: str
    path: str
    authorization: str | None

    @property
    def origin(self) -> tuple[str, str, int, str]:
        """What must be equal for credentials to be sent again."""
        return (self.scheme, self.host, self.port, self.socket_path)


class _Deadline:
    """A moment that all waits of one call share."""

    def __init__(self, timeout_s: float) -> None:
        self._ends = time.monotonic() + timeout_s

    def left_s(self) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


class _AllowedConnection(http.client.HTTPConnection):
    """HTTP or HTTPS to an address that was judged first."""

    def __init__(self, target: _Target, timeout: float, allowed: Allowed) -> None:
        super().__init__(target.host, target.port, timeout=timeout)
        self._is_tls = target.scheme == "https"
        self.default_port = 443 if self._is_tls else 80
        self._allowed = allowed

    def connect(self) -> None:
        timeout_s = float(self.timeout or 0)
        self.sock = connect_allowed(self.host, self.port, timeout_s, self._allowed)
        if self._is_tls:
            plain = self.sock
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout_s: float = 30.0,
    max_redirects: int = MAX_REDIRECTS,
) -> Response:
    """Sends one request and returns the whole answer.

    Args:
        method: The HTTP method.
        url: `http://…`, `https://…` or `unix:/path/to.sock:/path`.
        headers: Extra headers.
        body: The request's body.
        timeout_s: Deadline for all of it together: connecting, redirects and the body.
        max_redirects: How many redirects are followed; only for GET and HEAD.

    Raises:
        InvalidRequestError: The URL is not one of the three kinds.
        UpstreamError: The connection was refused, reset or cut, or the answer is not HTTP or too large.
        UpstreamTimeoutError: The deadline passed.
    """
    with stream(
        method, url, headers=headers, body=body, timeout_s=timeout_s, max_redirects=max_redirects
    ) as answer:
        parts: list[bytes] = []
        size = 0
        for chunk in answer.chunks:
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise UpstreamError(f"{_shown(url)} answered more than {MAX_BODY_BYTES} bytes")
            parts.append(chunk)
        return Response(answer.status, answer.headers, b"".join(parts), answer.url)


@contextmanager
def stream(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout_s: float = 30.0,
    idle_timeout_s: float | None = None,
    max_redirects: int = MAX_REDIRECTS,
    allowed: Allowed | None = None,
) -> Iterator[StreamingResponse]:
    """Sends one request and gives the answer while its body still comes; closes the connection at the end.

    Args:
        method: The HTTP method.
        url: As for `request`.
        headers: Extra headers.
        body: The request's body.
        timeout_s: Deadline for all of it together or, with `idle_timeout_s`, for the answer's head alone.
        idle_timeout_s: When given, the body may last for ever, but no silence in it longer than this.
        max_redirects: How many redirects are followed; only for GET and HEAD.
        allowed: Which addresses may be connected to; all of them when left out.

    Raises:
        InvalidRequestError: The URL is not one of the three kinds.
        PermissionDeniedError: The host has no address that is allowed.
        UpstreamError: The connection was refused, reset or cut, or the answer is not HTTP.
        UpstreamTimeoutError: A deadline passed.
    """
    deadline = _Deadline(timeout_s)
    with _border(url):
        connection, answer, target = _follow(
            method, _parse(url), dict(headers or {}), body, deadline, max_redirects, allowed=allowed
        )
    try:
        names = {name.lower(): value for name, value in answer.getheaders()}
        wait = deadline.left_s if idle_timeout_s is None else lambda: idle_timeout_s
        yield StreamingResponse(answer.status, names, target.url, _chunks(connection, answer, url, wait))
    finally:
        answer.close()
        connection.close()


def stream_to_file(
    url: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    timeout_s: float = 30.0,
    idle_timeout_s: float = 30.0,
) -> int:
    """Downloads a body into a file; what an earlier, broken attempt left there is kept and continued.

    A partly written file stays behind on failure. The caller checks the digest: a file that changed on the
    server between two attempts is found out there.

    Args:
        url: As for `request`.
        path: The file to write.
        headers: Extra headers.
        progress: Called after each piece.
        resume: Continue at the end of what `path` holds, when the server can.
        timeout_s: Deadline for the answer's head.
        idle_timeout_s: The longest silence in the body.

    Returns:
        The file's size in bytes.

    Raises:
        UpstreamError: No answer of 200 or 206, or it was cut midway.
        UpstreamTimeoutError: A deadline passed.
    """
    file = Path(path)
    held = file.stat().st_size if resume and file.exists() else 0
    asked = dict(headers or {})
    asked["accept-encoding"] = "identity"
    if held:
        asked["range"] = f"bytes={held}-"
    with stream("GET", url, headers=asked, timeout_s=timeout_s, idle_timeout_s=idle_timeout_s) as answer:
        if answer.status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and held:
            total = _total_of(answer.headers)
            if total == held:
                return held
            file.unlink()
            raise UpstreamError(
                f"the server has {total} bytes of {_shown(url)}, {held} were held",
                hint="The partial file was removed; try again.",
            )
        if answer.status not in {http.HTTPStatus.OK, http.HTTPStatus.PARTIAL_CONTENT}:
            raise UpstreamError(f"{_shown(url)} answered {answer.status}", code=f"http_{answer.status}")
        start = held if _continues(answer, held) else 0
        return _write(answer, file, start, progress)


def _write(answer: StreamingResponse, file: Path, start: int, progress: Progress | None) -> int:
    length = answer.headers.get("content-length")
    total = start + int(length) if length and length.isdigit() else None
    held = start
    with file.open("r+b" if start else "wb") as out:
        out.seek(start)
        if progress:
            progress(held, total)
        for chunk in answer.chunks:
            out.write(chunk)
            held += len(chunk)
            if progress:
                progress(held, total)
        out.flush()
        os.fsync(out.fileno())
    return held


def _continues(answer: StreamingResponse, held: int) -> bool:
    if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
        return False
    span = answer.headers.get("content-range", "")
    if span.startswith(f"bytes {held}-"):
        return True
    raise UpstreamError(f"the server answered the range {span!r} when bytes from {held} were asked for")


def _total_of(headers: Mapping[str, str]) -> int | None:
    total = headers.get("content-range", "").rpartition("/")[2]
    return int(total) if total.isdigit() else None


def _follow(
    method: str,
    target: _Target,
    headers: dict[str, str],
    body: bytes | None,
    deadline: _Deadline,
    max_redirects: int,
    *,
    allowed: Allowed | None,
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse, _Target]:
    """Sends the request, and again where it is redirected to."""
    for _ in range(max_redirects + 1):
        connection, answer = _send(method, target, headers, body, deadline, allowed)
        place = answer.getheader("location")
        if answer.status not in REDIRECTS or place is None or method not in {"GET", "HEAD"}:
            return connection, answer, target
        answer.close()
        connection.close()
        if target.scheme == "unix":
            raise UpstreamError(f"{_shown(target.url)} redirects, which a local socket must not")
        following = _parse(urljoin(target.url, place))
        if following.scheme == "unix" or (target.scheme == "https" and following.scheme == "http"):
            raise UpstreamError(f"{_shown(target.url)} redirects to {following.scheme}, which is not safe")
        if following.origin != target.origin:
            headers = {k: v for k, v in headers.items() if k.lower() not in {"authorization", "cookie"}}
        target = following
    raise UpstreamError(f"more than {max_redirects} redirects, the last to {_shown(target.url)}")


def _send(
    method: str,
    target: _Target,
    headers: dict[str, str],
    body: bytes | None,
    deadline: _Deadline,
    allowed: Allowed | None,
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = _connection(target, deadline.left_s(), allowed)
    sent = {"user-agent": "pilothouse", "connection": "close", **headers}
    if target.authorization and not any(name.lower() == "authorization" for name in sent):
        sent["authorization"] = target.authorization
    try:
        connection.connect()
        connection.sock.settimeout(deadline.left_s())
        connection.request(method, target.path, body=body, headers=sent)
        connection.sock.settimeout(deadline.left_s())
        return connection, connection.getresponse()
    except BaseException:
        connection.close()
        raise


def _connection(target: _Target, timeout_s: float, allowed: Allowed | None) -> http.client.HTTPConnection:
    if target.scheme == "unix":
        return _UnixConnection(target.socket_path, timeout_s)
    if allowed is not None:
        return _AllowedConnection(target, timeout_s, allowed)
    if target.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(target.host, target.port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(target.host, target.port, timeout=timeout_s)


def _chunks(
    connection: http.client.HTTPConnection,
    answer: http.client.HTTPResponse,
    url: str,
    wait: Callable[[], float],
) -> Iterator[bytes]:
    """Yields the body in pieces as they come, and is sure that none is missing at the end."""
    expected = answer.length
    got = 0
    # http.client lets go of the connection's socket once it knows that the answer ends with it.
    sock = connection.sock or getattr(getattr(answer.fp, "raw", None), "_sock", None)
    with _border(url):
        while True:
            if sock is not None:
                sock.settimeout(wait())
            piece = answer.read1(CHUNK_BYTES)
            if not piece:
                break
            got += len(piece)
            yield piece
        if expected is not None and got < expected:
            raise UpstreamError(f"{_shown(url)} was cut after {got} of {expected} bytes", code="upstream_cut")


@contextmanager
def _border(url: str) -> Iterator[None]:
    """Turns what the socket and http.client raise into our errors."""
    try:
        yield
    except TimeoutError as fault:
        raise UpstreamTimeoutError(f"{_shown(url)} did not answer in time") from fault
    except ssl.SSLCertVerificationError as fault:
        raise UpstreamError(
            f"the certificate of {_shown(url)} is not trusted: {fault.verify_message}",
            code="tls_verification_failed",
            hint="Set SSL_CERT_FILE if the network has a certificate authority of its own.",
        ) from fault
    except (OSError, http.client.HTTPException) as fault:
        raise UpstreamError(f"{_shown(url)} cannot be read: {str(fault) or type(fault).__name__}") from fault


def _parse(url: str) -> _Target:
    if url.startswith("unix:"):
        socket_path, colon, path = url[len("unix:") :].partition(":")
        if not colon or not socket_path.startswith("/"):
            raise InvalidRequestError(
                f"{url!r} is not a Unix socket's URL", hint="Write unix:/path/to.sock:/path."
            )
        return _Target(url, "unix", "localhost", 0, socket_path, path or "/", None)
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidRequestError(
            f"{_shown(url)!r} is not a URL that can be asked", hint="Use http://, https:// or unix:/."
        )
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return _Target(url, parts.scheme, parts.hostname, port, "", path, authorization)


def _shown(url: str) -> str:
    """Returns the URL without a user's name and password, fit for a message."""
    if url.startswith("unix:") or "@" not in url:
        return url.partition("?")[0]
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
