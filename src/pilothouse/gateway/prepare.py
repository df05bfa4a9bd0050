"""Makes the bytes that are sent upstream: a prepared head and the body, edited only where it must be.

Refuses to know sockets. Invariant: between two that speak the same dialect, without a need, the body's bytes
are the client's own.
"""

import msgspec

from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.gateway import edits, wire
from pilothouse.gateway.call import Call
from pilothouse.gateway.dialects.upstream import UpstreamDialect
from pilothouse.gateway.directory import Target
from pilothouse.gateway.translate import is_native, upstream_of

BETA = b"anthropic-beta"
LONGEST_BETA = 1_024
NATIVE_HEADS = {"anthropic": "chat", "responses": "responses"}
OPENAI_REFUSES = ("top_k",)
"""What OpenAI's own chats refuse; other engines that speak their dialect take it."""


def prepare(call: Call, target: Target) -> bytes:
    """Returns the whole request for one deployment.

    Raises:
        InvalidRequestError: The deployment's provider has nothing that does what is asked.
    """
    if target.dialect is not None or call.speaks is not None:
        return _translated(call, target)
    body = _body(call, target, call.request.body)
    return b"%b%d\r\n%b\r\n%b" % (target.heads[call.operation], len(body), call.names, body)


def _body(call: Call, target: Target, body: bytes) -> bytes:
    asked = call.asked
    assert asked is not None
    body = _with_model(call, target, body)
    if call.wants_usage and "stream_options" not in target.drops:
        body = edits.ask_usage(body, asked.stream_options)
    if call.wants_confidence and "logprobs" not in target.drops:
        is_chat = call.operation == "chat"
        member = edits.ASK_CHAT_LOGPROBS if is_chat else edits.ASK_COMPLETION_LOGPROBS
        body = edits.ask_logprobs(body, member)
    return edits.drop_members(body, target.drops) if target.drops else body


def _with_model(call: Call, target: Target, body: bytes) -> bytes:
    asked = call.asked
    assert asked is not None
    if call.key is not None and call.key.models is not None and not edits.is_model_plain(body):
        body = edits.canonical(body)  # two readers might see two models in it
    if target.upstream_model != asked.model:
        body = edits.replace_model(body, edits.name_as_json(asked.model), target.model_json)
    return body


def _translated(call: Call, target: Target) -> bytes:
    upstream = upstream_of(call, target)
    names = call.names
    operation: str = call.operation
    if upstream is not None and is_native(call, upstream):
        operation = NATIVE_HEADS[call.dialect]
        body = upstream.own(_with_model(call, target, call.original))
        body = edits.drop_members(body, target.drops) if target.drops else body
        beta = call.request.headers.get(BETA)
        if beta is not None and call.dialect == "anthropic" and len(beta) <= LONGEST_BETA:
            names += b"%b: %b\r\n" % (BETA, beta)
    elif call.only_native is not None:
        raise _only_native(call, target, call.only_native)
    elif operation not in target.heads:
        raise InvalidRequestError(
            f"The provider {target.provider!r} of this model answers chats only.",
            hint="Ask on /v1/chat/completions, /v1/responses or /v1/messages.",
            code="not_translatable",
        )
    elif upstream is not None:
        body = _asked(upstream, call, target)
    else:
        body = _body(call, target, call.request.body)
        if target.responses:
            body = _for_openai(body)
    return b"%b%d\r\n%b\r\n%b" % (target.heads[operation], len(body), names, body)


def _asked(upstream: UpstreamDialect, call: Call, target: Target) -> bytes:
    try:
        body = upstream.request(call.request.body, target.upstream_model)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError(
            f"The request is not valid: {error}.",
            hint="See the OpenAI API reference for the type of this field.",
        ) from error
    return edits.drop_members(body, target.drops) if target.drops else body


def _for_openai(body: bytes) -> bytes:
    """Returns a chat that was made here as OpenAI itself takes it."""
    members = wire.decode_members(body)
    for name in OPENAI_REFUSES:
        members.pop(name, None)
    if "max_tokens" in members:
        members["max_completion_tokens"] = members.pop("max_tokens")
    return wire.encode(members)


def _only_native(call: Call, target: Target, what: str) -> InvalidRequestError:
    is_anthropic = call.dialect == "anthropic"
    api = "Anthropic's Messages API" if is_anthropic else "OpenAI's Responses API"
    hint = (
        "Leave it out, or ask a model whose provider has `dialect: anthropic`."
        if is_anthropic
        else "Send the whole conversation in `input`, with tools of your own, or ask a model whose provider "
        "has `responses: true`."
    )
    return InvalidRequestError(
        f"The request uses {what}, which only a provider that speaks {api} itself can serve; "
        f"{target.provider!r} does not.",
        hint=hint,
        code="not_translatable",
        param=what.split("`")[1].partition(":")[0] if "`" in what else None,
    )
