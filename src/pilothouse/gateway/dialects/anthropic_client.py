"""Clients that speak Anthropic's Messages API: what they ask, what they are told, and errors in its shape.

Refuses to know providers. Invariant: every error has one of Anthropic's own types, with our code and hint
beside its message.
"""

from pilothouse.contracts.errors import ApiError
from pilothouse.contracts.events import ClientDialect as Name
from pilothouse.gateway.dialects.anthropic_answers import error_body, message_from_chat
from pilothouse.gateway.dialects.anthropic_client_requests import chat_from_messages
from pilothouse.gateway.dialects.anthropic_client_streams import EventWriter
from pilothouse.gateway.dialects.client import Asked, Translated


class AnthropicClient:
    """The dialect."""

    name: Name = "anthropic"

    def request(self, body: bytes) -> Translated:
        """Returns a request for a message as a chat."""
        return chat_from_messages(body)

    def answer(self, chat: bytes, asked: Asked) -> bytes:
        """Returns a chat's answer as a message."""
        return message_from_chat(chat, asked.model)

    def stream(self, asked: Asked) -> EventWriter:
        """Returns what writes one stream."""
        return EventWriter(asked)

    def error(self, error: ApiError, *, request_id: str) -> bytes:
        """Returns an error's body."""
        return error_body(error, request_id)
