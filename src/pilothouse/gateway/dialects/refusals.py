"""What every provider's refusals have in common: which of our errors a status is, and clean messages.

Refuses to know the shape of any provider's error body. Invariant: no byte of a provider's key appears in an
error, and a provider that refuses our credentials is not the client's fault.
"""

from typing import NamedTuple

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

LONGEST_MESSAGE = 2_000
"""Characters of an upstream's message that are passed on."""
LONGEST_CODE = 64

_PASSED_ON: dict[int, type[ApiError]] = {
    400: InvalidRequestError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    422: InvalidRequestError,
    429: RateLimitedError,
    503: UnavailableError,
    504: UpstreamTimeoutError,
    529: UnavailableError,
}
_HINTS: dict[int, str] = {
    429: "The provider limits its callers; wait, or add a deployment of another provider to this model.",
    503: "The provider is overloaded or starting; try again.",
    504: "The provider's own deadline passed; try again.",
    529: "The provider is overloaded; try again, or add a deployment of another provider to this model.",
}
_CREDENTIALS = frozenset((401, 402, 403))


class Said(NamedTuple):
    """What a provider said of its refusal."""

    message: str | None = None
    code: str | None = None
    param: str | None = None


def refusal(
    status: int, said: Said, *, provider: str, secrets: frozenset[str], retry_after: bytes | None
) -> ApiError:
    """Returns our error for an upstream's answer that is not 200.

    Args:
        status: The upstream's HTTP status.
        said: What its body says.
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
    message = clean(said.message, secrets) if said.message else None
    if kind is None:
        tail = f": {message}" if message else "."
        return UpstreamError(
            f"The provider {provider!r} answered {status}{tail}",
            hint="Try again; if it stays, the provider has a fault.",
        )
    return kind(
        message or f"The provider {provider!r} answered {status}.",
        code=said.code[:LONGEST_CODE] if said.code is not None else None,
        param=said.param,
        hint=_HINTS.get(status, f"The provider {provider!r} refused this request; see its message."),
        retry_after_s=_seconds(retry_after),
    )


def broken_off(said: Said, *, provider: str, secrets: frozenset[str]) -> ApiError:
    """Returns our error for an error that an upstream sent in the middle of a stream."""
    tail = f": {clean(said.message, secrets)}" if said.message else "."
    return UpstreamError(
        f"The provider {provider!r} broke its answer off{tail}",
        hint="Try again; what was sent is incomplete.",
    )


def clean(message: str, secrets: frozenset[str]) -> str:
    """Returns a provider's message without any provider's key, and not too long."""
    for secret in secrets:
        if secret:
            message = message.replace(secret, "***")
    return message[:LONGEST_MESSAGE]


def _seconds(value: bytes | None) -> float | None:
    return float(value) if value is not None and value.isdigit() else None
