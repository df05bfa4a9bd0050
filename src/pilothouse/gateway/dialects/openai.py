"""The OpenAI-compatible dialect: how a request's head is put, and how an upstream's error is read.

Refuses to know sockets and records. Invariant: no byte of a provider's key appears in anything but the
prepared head of a request to that provider.
"""

import msgspec

from pilothouse.contracts.errors import (
    ApiError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PayloadTooLargeError,
    RateLimitedError,
    UnavailableError,
    UpstreamError,
    UpstreamTimeoutError,
)
from pilothouse.contracts.events import Operation
from pilothouse.contracts.snapshot import Provider
from pilothouse.gateway import wire

PATHS: dict[Operation, str] = {
    "chat": "/chat/completions",
    "text_completion": "/completions",
    "embeddings": "/embeddings",
}
LONGEST_MESSAGE = 2_000
"""Characters of an upstream's message that are passed on."""

_PASSED_ON: dict[int, type[ApiError]] = {
    400: InvalidRequestError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    422: InvalidRequestError,
    429: RateLimitedError,
    503: UnavailableError,
    504: UpstreamTimeoutError,
}
_HINTS: dict[int, str] = {
    429: "The provider limits its callers; wait, or add a deployment of another provider to this model.",
    503: "The provider is overloaded or starting; try again.",
    504: "The provider's own deadline passed; try again.",
}
_CREDENTIALS = frozenset((401, 402, 403))


def request_heads(
    provider: Provider, authority: str, base_path: str, upstream_model: str, secret: str | None
) -> dict[Operation, bytes]:
    """Returns, for each operation, a request's head up to the value of `content-length`."""
    lines = [f"host: {authority}"]
    lines += [f"{name.lower()}: {value}" for name, value in provider.headers.items()]
    if secret is not None:
        lines.append(f"{provider.auth_header.lower()}: {provider.auth_prefix}{secret}")
    lines += ["content-type: application/json", "accept-encoding: identity", "content-length: "]
    query = f"?{provider.query}" if provider.query else ""
    heads: dict[Operation, bytes] = {}
    for operation, usual in PATHS.items():
        path = provider.paths.get(usual, usual).replace("{model}", upstream_model)
        heads[operation] = "\r\n".join([f"POST {base_path}{path}{query} HTTP/1.1", *lines]).encode("latin-1")
    return heads


def error_of(
    status: int, body: bytes, *, provider: str, secrets: frozenset[str], retry_after: bytes | None
) -> ApiError:
    """Returns our error for an upstream's answer that is not 200.

    Args:
        status: The upstream's HTTP status.
        body: The upstream's body, in whatever shape.
        provider: The provider's name.
        secrets: Keys of providers; where one stands in a message it is blotted out.
        retry_after: The upstream's `retry-after`.
    """
    if status in _CREDENTIALS:
        return UpstreamError(
            f"The provider {provider!r} refused the credentials it was sent ({status}).",
            code="upstream_credentials",
            hint="Ask the operator to check this provider's API key in the configuration.",
        )
    kind = _PASSED_ON.get(status)
    detail = _detail(body)
    message = _clean(detail.message, secrets) if detail is not None and detail.message else None
    if kind is None:
        said = f": {message}" if message else "."
        return UpstreamError(
            f"The provider {provider!r} answered {status}{said}",
            hint="Try again; if it stays, the provider has a fault.",
        )
    return kind(
        message or f"The provider {provider!r} answered {status}.",
        code=str(detail.code)[:64] if detail is not None and detail.code is not None else None,
        param=detail.param if detail is not None else None,
        hint=_HINTS.get(status, f"The provider {provider!r} refused this request; see its message."),
        retry_after_s=_seconds(retry_after),
    )


def event_error(raw: msgspec.Raw, *, provider: str, secrets: frozenset[str]) -> ApiError:
    """Returns our error for an error that an upstream sent in the middle of a stream."""
    detail = _detail(b'{"error":' + bytes(raw) + b"}")
    said = f": {_clean(detail.message, secrets)}" if detail is not None and detail.message else "."
    return UpstreamError(
        f"The provider {provider!r} broke its answer off{said}",
        hint="Try again; what was sent is incomplete.",
    )


def _detail(body: bytes) -> wire.UpstreamErrorDetail | None:
    try:
        parsed = wire.decode_error(body)
    except msgspec.DecodeError:
        return None
    if isinstance(parsed.error, wire.UpstreamErrorDetail):
        return parsed.error
    if isinstance(parsed.error, str):
        return wire.UpstreamErrorDetail(message=parsed.error)
    said = parsed.message or (parsed.detail if isinstance(parsed.detail, str) else None)
    return wire.UpstreamErrorDetail(message=said)


def _clean(message: str, secrets: frozenset[str]) -> str:
    for secret in secrets:
        if secret:
            message = message.replace(secret, "***")
    return message[:LONGEST_MESSAGE]


def _seconds(value: bytes | None) -> float | None:
    return float(value) if value is not None and value.isdigit() else None
