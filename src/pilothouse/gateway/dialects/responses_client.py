"""Clients that speak OpenAI's Responses API: what they ask and what they are told.

Refuses to know providers. Invariant: errors have OpenAI's shape, as that API's own have.
"""

from pilothouse.contracts.errors import ApiError
from pilothouse.contracts.events import ClientDialect as Name
from pilothouse.gateway.dialects.client import Asked, Translated
from pilothouse.gateway.dialects.responses_answers import response_from_chat
from pilothouse.gateway.dialects.responses_client_streams import ResponseWriter
from pilothouse.gateway.dialects.responses_requests import chat_from_response_request
from pilothouse.gateway.wire import encode


class ResponsesClient:
    """The dialect."""

    name: Name = "responses"

    def request(self, body: bytes) -> Translated:
        """Returns a request for a response as a chat."""
        return chat_from_response_request(body)

    def answer(self, chat: bytes, asked: Asked) -> bytes:
        """Returns a chat's answer as a response."""
        return response_from_chat(chat, asked)

    def stream(self, asked: Asked) -> ResponseWriter:
        """Returns what writes one stream."""
        return ResponseWriter(asked)

    def error(self, error: ApiError, *, request_id: str) -> bytes:  # noqa: ARG002 - it goes in a header here
        """Returns an error's body."""
        return encode(error.body())
