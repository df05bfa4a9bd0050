"""Joins a call's two dialects: who reads what its provider says, and who tells it to its client.

A call from chat to chat has neither, and costs one test. Where client and provider speak the same dialect,
bytes pass as they came but for the model's name, and a chat is made of them for the record alone. Refuses to
know any dialect. Invariant: the record always sees chats.
"""

from pilothouse.contracts.errors import ApiError
from pilothouse.gateway import edits
from pilothouse.gateway.answers import error_event
from pilothouse.gateway.call import Call
from pilothouse.gateway.dialects import openai
from pilothouse.gateway.dialects.catalogue import RESPONSES_UPSTREAM
from pilothouse.gateway.dialects.client import Asked, ClientStream
from pilothouse.gateway.dialects.upstream import UpstreamDialect, UpstreamStream
from pilothouse.gateway.directory import Target
from pilothouse.gateway.passage import PassageReader, PassageWriter
from pilothouse.network.exchange import ResponseHead

NANOSECONDS = 1_000_000_000
Translators = tuple[UpstreamStream | None, ClientStream | None]
NO_TRANSLATORS: Translators = (None, None)


def upstream_of(call: Call, target: Target) -> UpstreamDialect | None:
    """Returns who reads what a deployment says to this call; `None` when it says chats."""
    if target.dialect is None and target.responses and call.dialect == "responses":
        return RESPONSES_UPSTREAM
    return target.dialect


def is_native(call: Call, upstream: UpstreamDialect | None) -> bool:
    """Says whether client and provider speak the same dialect, and it is not chat."""
    return upstream is not None and upstream.name == call.dialect


def chat_of(call: Call, body: bytes) -> bytes:
    """Returns a deployment's plain answer as a chat's.

    Raises:
        msgspec.DecodeError: It is no answer.
    """
    assert call.target is not None
    upstream = upstream_of(call, call.target)
    return body if upstream is None else upstream.answer(body, _at_s(call))


def own_of(call: Call, chat: bytes, native: bytes) -> bytes:
    """Returns a plain answer as the client is to have it.

    Args:
        call: The call.
        chat: The answer as a chat's, with the model's public name.
        native: The same as the deployment said it.
    """
    if call.speaks is None:
        return chat
    target = call.target
    if target is not None and is_native(call, upstream_of(call, target)):
        answered, route = call.model_answered, call.route
        assert route is not None
        if not answered or answered == route.name:
            return native
        return edits.replace_model(native, edits.name_as_json(answered), route.model_json)
    return call.speaks.answer(chat, asked_of(call))


def streams_of(call: Call) -> Translators:
    """Returns who reads the deployment's events, and who writes the client's."""
    target = call.target
    assert target is not None
    if target.dialect is None and call.speaks is None:
        return NO_TRANSLATORS
    upstream = upstream_of(call, target)
    reader = None if upstream is None else upstream.stream(_at_s(call))
    if reader is not None and is_native(call, upstream):
        assert call.route is not None
        assert call.speaks is not None
        passage = PassageReader(reader, call.route.model_json)
        return passage, PassageWriter(passage, call.speaks.stream(asked_of(call)))
    return reader, writer_of(call)


def writer_of(call: Call) -> ClientStream | None:
    """Returns who writes the client's events; `None` when they are a chat's."""
    return None if call.speaks is None else call.speaks.stream(asked_of(call))


def failure(writer: ClientStream | None, error: ApiError) -> bytes:
    """Returns the last events of a stream that was cut."""
    return error_event(error) if writer is None else writer.fail(error)


def refusal_of(call: Call, target: Target, head: ResponseHead, body: bytes) -> ApiError:
    """Returns our error for a deployment's answer that is not 200."""
    read = openai.error_of if target.dialect is None else target.dialect.error_of
    return read(
        head.status,
        body,
        provider=target.provider,
        secrets=call.state.secrets,
        retry_after=head.get(b"retry-after"),
    )


def asked_of(call: Call) -> Asked:
    """Returns what an answer must know of its request."""
    return Asked(call.original, call.request_id, call.call_id, _at_s(call), call.model or "")


def _at_s(call: Call) -> int:
    return call.request.at_ns // NANOSECONDS
