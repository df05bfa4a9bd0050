"""Step 3: what is asked. Decodes the few fields of the body that the gateway needs, and names the people.

Refuses to know which models there are. Invariant: nothing a person wrote leaves here but under a keyed
hash: the subject and the conversation are pseudonyms.
"""

import hmac

import msgspec

from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.contracts.events import Parameters
from pilothouse.gateway import wire
from pilothouse.gateway.call import Call
from pilothouse.gateway.dialects.client import ClientDialect
from pilothouse.gateway.wire import CallRequest, ChatRequest

LONGEST_LABEL = 128
LONGEST_HASHED = 512
"""Of a longer message, in bytes, only both ends and its size name the conversation."""
HASHED_END = 256
_DECODERS = {
    "chat": wire.decode_chat,
    "text_completion": wire.decode_completion,
    "embeddings": wire.decode_embedding,
}
API_NAMES = {"openai": "OpenAI", "responses": "OpenAI", "anthropic": "Anthropic"}
_FIRST_TURNS = frozenset(("system", "developer"))


def read(call: Call) -> None:
    """Sets what was asked for, by whom and in which conversation."""
    asked = _decode(call)
    call.asked = asked
    call.model = asked.model
    call.is_stream = asked.stream is True and call.operation != "embeddings"
    call.parameters = parameters_of(asked)
    call.subject = _subject(call, asked)
    call.conversation_id = _conversation(call, asked)
    purpose = call.request.headers.get(b"x-pilothouse-purpose")
    if purpose is not None:
        call.purpose = _label(purpose.decode("latin-1")) or call.purpose


def _decode(call: Call) -> CallRequest:
    speaks = call.speaks
    try:
        if speaks is not None:
            _translate(call, speaks)
        return _DECODERS[call.operation](call.request.body)
    except msgspec.ValidationError as error:
        raise invalid(error, api=API_NAMES[call.dialect]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error) from error


def _translate(call: Call, speaks: ClientDialect) -> None:
    """Puts a chat in the place of a request in another dialect; the original is kept beside it."""
    translated = speaks.request(call.request.body)
    call.original, call.request.body = call.request.body, translated.chat
    call.only_native = translated.only_native


def not_json(error: Exception) -> InvalidRequestError:
    """Returns our error for a body that cannot be read at all."""
    return InvalidRequestError(
        f"The request's body is not JSON: {error}.",
        hint="Send one JSON object, in UTF-8.",
        code="invalid_json",
    )


def invalid(error: msgspec.ValidationError, *, api: str) -> InvalidRequestError:
    """Returns our error for a body with a member that is missing or of a wrong type."""
    said, _, path = str(error).partition(" - at `$.")
    param = path.rstrip("`") or None
    if "required field" in said:
        param = said.rpartition("required field `")[2].rstrip("`")
    return InvalidRequestError(
        f"The request is not valid: {error}.",
        param=param,
        hint=f"See the {api} API reference for the type of this field.",
    )


def parameters_of(asked: CallRequest) -> Parameters:
    """Returns the settings of a call, for its record."""
    stop, choice, messages = asked.stop, asked.tool_choice, None
    if isinstance(asked, ChatRequest):
        messages = len(asked.messages)
    # By position, in the order of the fields: by name takes several times as long.
    return Parameters(
        asked.temperature,
        asked.top_p,
        asked.max_tokens if asked.max_tokens is not None else asked.max_completion_tokens,  # max_tokens
        asked.n,
        asked.seed,
        0 if stop is None else 1 if isinstance(stop, str) else len(stop),  # stop_count
        asked.presence_penalty,
        asked.frequency_penalty,
        None if asked.logprobs is None else bool(asked.logprobs),  # logprobs
        _top_logprobs(asked),  # top_logprobs
        asked.echo,
        asked.response_format.type[:32] if asked.response_format else None,  # response_format
        len(asked.tools) if asked.tools else 0,  # tool_count
        None if choice is None else choice[:32] if isinstance(choice, str) else "named",  # tool_choice
        messages,  # message_count
        asked.encoding_format[:32] if asked.encoding_format else None,  # encoding_format
        asked.dimensions,
    )


def _top_logprobs(asked: CallRequest) -> int | None:
    """Returns how many alternatives were asked for; text completions say it in `logprobs` itself."""
    if isinstance(asked.logprobs, int) and not isinstance(asked.logprobs, bool):
        return asked.logprobs
    return asked.top_logprobs


def _subject(call: Call, asked: CallRequest) -> str | None:
    person = asked.safety_identifier or asked.user
    if person:
        return hmac.digest(call.state.pepper, b"subject\0" + person.encode(), "sha256")[:16].hex()
    return call.key.id if call.key is not None else None


def _conversation(call: Call, asked: CallRequest) -> str | None:
    """Returns a header's, else the metadata's, else a keyed hash of who calls and the first turns."""
    header = call.request.headers.get(b"x-conversation-id")
    given = header.decode("latin-1") if header is not None else None
    if given is None and asked.metadata is not None:
        given = asked.metadata.conversation_id
    if given is not None:
        label = _label(given)
        if label is not None:
            return label
    if not isinstance(asked, ChatRequest):
        return None
    return _hash_of_first_turns(call, asked.messages)


def _hash_of_first_turns(call: Call, messages: list[msgspec.Raw]) -> str | None:
    """Hashes the messages up to the first that is not an instruction of the developer's.

    BLAKE2b keyed once a process: OpenSSL 3 takes as long to look an HMAC up as this takes to hash.
    """
    if not messages:
        return None
    digest = call.state.conversations.copy()
    digest.update((call.subject or "").encode())
    for message in messages:
        size = len(message)
        if size <= LONGEST_HASHED:
            digest.update(message)
        else:
            whole = bytes(message)
            digest.update(b"%b%d%b" % (whole[:HASHED_END], size, whole[-HASHED_END:]))
        try:
            role = wire.decode_role(message).role
        except msgspec.DecodeError:
            break
        if role not in _FIRST_TURNS:
            break
    return digest.hexdigest()


def _label(text: str) -> str | None:
    """Returns a short printable ASCII label, else `None`."""
    is_good = 0 < len(text) <= LONGEST_LABEL and text.isascii() and text.isprintable()
    return text if is_good else None
