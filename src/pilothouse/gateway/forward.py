"""Streams a request to control over its Unix socket, and the answer back, both as they come.

Refuses to know what is asked: control authenticates by itself. Invariant: hop-by-hop headers and the
client's own idea of who it is stay here; what control is told about the client comes from the socket.
"""

from pilothouse.contracts.errors import ApiError, UnavailableError, UpstreamError
from pilothouse.gateway.answers import STATUS_LINES, error_bytes
from pilothouse.gateway.client import ClientConnection
from pilothouse.gateway.ids import new_call_id, usable_request_id
from pilothouse.gateway.request import Request
from pilothouse.gateway.state import GatewayState
from pilothouse.network.address import Address
from pilothouse.network.errors import ConnectError, NetworkError, PoolFullError
from pilothouse.network.exchange import Exchange, ResponseHead
from pilothouse.network.settings import Deadlines

CLIENT_HOST = b"x-pilothouse-client-host"
CLIENT_SCHEME = b"x-forwarded-proto"
STREAMED_BODY_BYTES = 1_048_576
"""Request bodies above this, in bytes, and those without a length, are streamed; others are sent whole."""
CONTROL_DEADLINES = Deadlines(first_byte_s=60.0, idle_s=300.0)
_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
        b"content-length",
        CLIENT_HOST,
    )
)
_SAFE_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS"))


class Forwarding:
    """One request on its way to control."""

    __slots__ = ("_client", "_exchange", "_is_begun", "_is_chunked", "_is_head", "_request", "_state")

    def __init__(self, state: GatewayState, client: ClientConnection, request: Request) -> None:
        self._state = state
        self._client = client
        self._request = request
        self._exchange: Exchange | None = None
        self._is_begun = False
        self._is_chunked = False
        self._is_head = request.method == b"HEAD"

    def start(self, *, is_streamed: bool) -> None:
        """Sends the request: whole, or its head now and its body as it comes."""
        request, body = self._request, self._request.body
        length = request.headers.get(b"content-length") if is_streamed else None
        lines = [b"%b %b HTTP/1.1\r\n" % (request.method, request.target)]
        headers = request.headers
        if self._state.settings.tls is not None:  # else a proxy in front may know better
            headers = {**headers, CLIENT_SCHEME: b"https"}
        lines += [b"%b: %b\r\n" % (name, value) for name, value in headers.items() if name not in _HOP_BY_HOP]
        peer = self._client.transport.get_extra_info("peername")
        host = peer[0] if isinstance(peer, tuple) else "local"
        lines.append(b"%b: %b\r\n" % (CLIENT_HOST, host.encode()))
        self._is_chunked = is_streamed and length is None
        if self._is_chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        elif is_streamed or body or request.method not in _SAFE_METHODS:
            lines.append(b"content-length: %b\r\n" % (length if length is not None else b"%d" % len(body)))
        exchange = Exchange(
            b"".join([*lines, b"\r\n", body]),
            self,
            CONTROL_DEADLINES,
            is_repeatable=not is_streamed,
            is_head_request=self._is_head,
            source=self._client.transport if is_streamed else None,
        )
        self._exchange = exchange
        self._client.occupant = self
        origin = self._state.pool.origin(
            Address(host="localhost", port=80, socket_path=self._state.home.control_socket)
        )
        try:
            origin.send(exchange)
        except PoolFullError:
            self._state.loop.call_soon(self._refuse, _away())

    # -- the request's body -------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Sends more of the request's body."""
        if self._exchange is not None:
            self._exchange.feed(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)

    def feed_end(self) -> None:
        """Ends the request's body."""
        if self._exchange is not None and self._is_chunked:
            self._exchange.feed(b"0\r\n\r\n")

    # -- the answer ---------------------------------------------------------------------------------

    def on_head(self, head: ResponseHead) -> None:
        """Sends the head on."""
        self._is_begun = True
        length = head.get(b"content-length")
        line = STATUS_LINES.get(head.status, b"HTTP/1.1 %d \r\n" % head.status)
        kept = b"".join(
            b"%b: %b\r\n" % (name, value) for name, value in head.headers if name not in _HOP_BY_HOP
        )
        if length is not None:
            kept += b"content-length: %b\r\n" % length
        is_bodyless = self._is_head or head.status in {204, 304}
        self._client.begin(line + kept, is_chunked=length is None and not is_bodyless)

    def on_body(self, data: bytes) -> None:
        """Sends more of the body on."""
        self._client.write(data)

    def on_end(self, error: NetworkError | None) -> None:
        """Ends the answer; one that was cut is cut here too, so that nobody takes it for whole."""
        self._exchange = None
        if error is None:
            self._client.end()
        elif self._is_begun:
            self._client.cut()
        else:
            self._refuse(_away() if isinstance(error, ConnectError) else _fault())

    # -- the client ---------------------------------------------------------------------------------

    def on_client_gone(self) -> None:
        """Gives the request up."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.cancel()

    def on_client_paused(self) -> None:
        """Stops reading control."""
        if self._exchange is not None:
            self._exchange.pause()

    def on_client_resumed(self) -> None:
        """Reads control again."""
        if self._exchange is not None:
            self._exchange.resume()

    def _refuse(self, error: ApiError) -> None:
        self._exchange = None
        request = self._request
        request_id = usable_request_id(request.headers.get(b"x-request-id")) or new_call_id(request.at_ns)
        answer = error_bytes(
            error,
            extra=b"x-request-id: %b\r\n" % request_id.encode(),
            will_close=self._client.will_close,
        )
        self._client.complete(answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if self._is_head else answer)


def _away() -> ApiError:
    return UnavailableError(
        "The control process is away, so the console and the management API cannot be reached.",
        hint="Calls to /v1 are answered all the same. It restarts by itself; see its log in the home folder.",
        code="control_away",
        retry_after_s=2,
    )


def _fault() -> ApiError:
    return UpstreamError(
        "The control process did not answer.",
        hint="Try again; see its log in the home folder.",
        code="control_failed",
    )
