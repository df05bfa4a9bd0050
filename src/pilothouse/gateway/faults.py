"""What a client's connection is refused for, before anybody knows what is asked.

Refuses to know sockets. Invariant: each says what to do about it.
"""

from typing import TYPE_CHECKING

from pilothouse.contracts.errors import (
    ApiError,
    HeadersTooLargeError,
    InvalidRequestError,
    PayloadTooLargeError,
    RequestTimeoutError,
    UnavailableError,
)

if TYPE_CHECKING:
    from pilothouse.gateway.settings import LimitSettings

TLS_HANDSHAKE = b"\x16\x03"
"""How a TLS client's first record begins (RFC 8446, 5.1)."""


def too_many_connections() -> ApiError:
    """Returns the error for a connection above the limit."""
    return UnavailableError(
        "This server has too many connections open.", hint="Try again, or reuse connections."
    )


def not_http(data: bytes) -> ApiError:
    """Returns the error for bytes that are no request."""
    if data.startswith(TLS_HANDSHAKE):
        return InvalidRequestError(
            "This port speaks plain HTTP, and a TLS handshake came.",
            hint="Use http://, or give the gateway a certificate: `gateway.tls` in the configuration.",
            code="bad_http",
        )
    return InvalidRequestError(
        "The bytes sent are not an HTTP/1.1 request.",
        hint="Speak HTTP/1.1 here; put a proxy in front for HTTP/2.",
        code="bad_http",
    )


def too_slow(what: str) -> ApiError:
    """Returns the error for a request whose `what` (headers or body) missed its deadline."""
    return RequestTimeoutError(
        f"The request's {what} did not arrive in time.", hint="Send it faster, or in one piece."
    )


def head_too_large(limits: "LimitSettings") -> ApiError:
    """Returns the error for a request line and headers above the limit."""
    return HeadersTooLargeError(
        f"The request's head is over the limit of {limits.head_bytes} bytes or {limits.headers} headers.",
        hint="Send fewer or shorter headers, or a shorter URL.",
    )


def body_too_large(limits: "LimitSettings") -> ApiError:
    """Returns the error for a body above the limit."""
    return PayloadTooLargeError(
        f"The request's body is over the limit of {limits.body_bytes} bytes.",
        hint="Send less, or raise `gateway.limits.body_bytes` in the configuration.",
    )


def memory_is_full() -> ApiError:
    """Returns the error for a body that has no room beside those that are held already."""
    return UnavailableError(
        "The gateway holds as many request and answer bytes as it may.",
        hint="Try again in a moment; the operator can raise `gateway.limits.memory_bytes`.",
        code="memory_full",
        retry_after_s=1,
    )
