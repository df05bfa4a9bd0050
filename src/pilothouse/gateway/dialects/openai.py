"""The OpenAI-compatible dialect: how a request's head is put, and how an upstream's error is read.

Refuses to know sockets and records. Invariant: no byte of a provider's key appears in anything but the
prepared head of a request to that provider.
"""

import msgspec

from pilothouse.contracts.errors import ApiError
from pilothouse.contracts.snapshot import Provider
from pilothouse.gateway import wire
from pilothouse.gateway.dialects.heads import heads_of
from pilothouse.gateway.dialects.refusals import Said, broken_off, refusal

PATHS = {
    "chat": "/chat/completions",
    "text_completion": "/completions",
    "embeddings": "/embeddings",
    "count_tokens": "/messages/count_tokens",
}
"""The last is Anthropic's; engines of ours answer it too."""
RESPONSES = {"responses": "/responses"}
"""Of providers that answer this themselves."""


def request_heads(
    provider: Provider, authority: str, base_path: str, upstream_model: str, secret: str | None
) -> dict[str, bytes]:
    """Returns, for each operation, a request's head up to the value of `content-length`."""
    lines = [f"{name.lower()}: {value}" for name, value in provider.headers.items()]
    if secret is not None:
        lines.append(f"{provider.auth_header.lower()}: {provider.auth_prefix}{secret}")
    paths = PATHS | RESPONSES if provider.responses else PATHS
    return heads_of(provider, authority, base_path, upstream_model, paths=paths, lines=lines)


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
    return refusal(status, _said(body), provider=provider, secrets=secrets, retry_after=retry_after)


def event_error(raw: msgspec.Raw, *, provider: str, secrets: frozenset[str]) -> ApiError:
    """Returns our error for an error that an upstream sent in the middle of a stream."""
    return broken_off(_said(b'{"error":' + bytes(raw) + b"}"), provider=provider, secrets=secrets)


def _said(body: bytes) -> Said:
    try:
        parsed = wire.decode_error(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Said()
    inner = parsed.error
    if isinstance(inner, wire.UpstreamErrorDetail):
        code = str(inner.code) if inner.code is not None else None
        return Said(inner.message, code, inner.param)
    if isinstance(inner, str):
        return Said(inner)
    return Said(parsed.message or (parsed.detail if isinstance(parsed.detail, str) else None))
