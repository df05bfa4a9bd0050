"""Makes the bytes that are sent upstream: a prepared head and the body, edited only where it must be.

Refuses to know sockets. Invariant: without a need the body's bytes are the client's own.
"""

from pilothouse.gateway import edits
from pilothouse.gateway.call import Call
from pilothouse.gateway.directory import Target


def prepare(call: Call, target: Target) -> bytes:
    """Returns the whole request for one deployment."""
    body = _body(call, target)
    return b"%b%d\r\n%b\r\n%b" % (target.heads[call.operation], len(body), call.names, body)


def _body(call: Call, target: Target) -> bytes:
    body, asked, route = call.request.body, call.asked, call.route
    assert asked is not None
    assert route is not None
    if call.key is not None and call.key.models is not None and not edits.is_model_plain(body):
        body = edits.canonical(body)  # two readers might see two models in it
    if target.upstream_model != asked.model:
        body = edits.replace_model(body, edits.name_as_json(asked.model), target.model_json)
    if call.wants_usage and "stream_options" not in target.drops:
        body = edits.ask_usage(body, asked.stream_options)
    if call.wants_confidence and "logprobs" not in target.drops:
        is_chat = call.operation == "chat"
        member = edits.ASK_CHAT_LOGPROBS if is_chat else edits.ASK_COMPLETION_LOGPROBS
        body = edits.ask_logprobs(body, member)
    return edits.drop_members(body, target.drops) if target.drops else body
