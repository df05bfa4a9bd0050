"""Providers that speak Anthropic's Messages API: heads, requests, answers, streams and errors.

Refuses to know clients, sockets and records. Invariant: no byte of a provider's key appears in anything but
the prepared head of a request to that provider.
"""

import msgspec

from pilothouse.contracts.errors import ApiError
from pilothouse.contracts.events import ClientDialect as Name
from pilothouse.contracts.snapshot import Provider
from pilothouse.gateway.dialects.anthropic_answers import chat_from_message
from pilothouse.gateway.dialects.anthropic_upstream_requests import messages_from_chat, without_unsigned
from pilothouse.gateway.dialects.anthropic_upstream_streams import EventReader
from pilothouse.gateway.dialects.anthropic_wire import VERSION, ErrorDetail
from pilothouse.gateway.dialects.heads import heads_of
from pilothouse.gateway.dialects.refusals import Said, refusal

PATHS = {"chat": "/messages", "count_tokens": "/messages/count_tokens"}
UNSIGNED = (b'"signature":""', b'"signature": ""')
TOO_LONG = "prompt is too long"
"""How Anthropic's message for a context that is too long begins."""


class _ErrorBody(msgspec.Struct):
    error: ErrorDetail | None = None


_decode_error = msgspec.json.Decoder(_ErrorBody).decode


class AnthropicUpstream:
    """The dialect."""

    name: Name = "anthropic"

    def request_heads(
        self, provider: Provider, authority: str, base_path: str, upstream_model: str, secret: str | None
    ) -> dict[str, bytes]:
        """Returns the heads; the key goes in `x-api-key` unless the provider names another header."""
        given = {name.lower(): value for name, value in provider.headers.items()}
        lines = [f"{name}: {value}" for name, value in ({"anthropic-version": VERSION} | given).items()]
        if secret is not None:
            is_usual = provider.auth_header.lower() == "authorization" and provider.auth_prefix == "Bearer "
            header = "x-api-key" if is_usual else provider.auth_header.lower()
            prefix = "" if is_usual else provider.auth_prefix
            lines.append(f"{header}: {prefix}{secret}")
        return heads_of(provider, authority, base_path, upstream_model, paths=PATHS, lines=lines)

    def request(self, chat: bytes, upstream_model: str) -> bytes:
        """Returns a chat as a request for a message."""
        return messages_from_chat(chat, upstream_model)

    def own(self, body: bytes) -> bytes:
        """Returns a request without thoughts that were not Claude's: they have no signature to check."""
        return without_unsigned(body) if any(mark in body for mark in UNSIGNED) else body

    def answer(self, body: bytes, at_s: int) -> bytes:
        """Returns a message as a chat's answer."""
        return chat_from_message(body, at_s)

    def stream(self, at_s: int) -> EventReader:
        """Returns what reads one stream."""
        return EventReader(at_s)

    def error_of(
        self, status: int, body: bytes, *, provider: str, secrets: frozenset[str], retry_after: bytes | None
    ) -> ApiError:
        """Returns our error for an answer that is not 200."""
        try:
            said = _decode_error(body).error or ErrorDetail()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = ErrorDetail()
        code = None if said.type == "invalid_request_error" else said.type
        if said.message is not None and said.message.startswith(TOO_LONG):
            code = "context_length_exceeded"  # OpenAI's word for it
        return refusal(
            status, Said(said.message, code), provider=provider, secrets=secrets, retry_after=retry_after
        )
