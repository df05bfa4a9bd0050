"""llama.cpp's errors in OpenAI's shape.

Refuses to know sockets. Invariant: what comes out is an `ErrorBody` with a string for its code, whatever
came in.
"""

import msgspec

from pilothouse.contracts.errors import ApiError, ErrorBody, ErrorDetail

__all__ = ["error_answer", "refusal"]

_CONTEXT = "exceed_context_size_error"


class _Detail(msgspec.Struct, frozen=True):
    message: str = "llama.cpp gave no reason"
    type: str = ""
    n_prompt_tokens: int | None = None
    n_ctx: int | None = None


class _Body(msgspec.Struct, frozen=True):
    error: _Detail = _Detail()


_decoder = msgspec.json.Decoder(_Body)

_KINDS = {
    400: ("invalid_request_error", "invalid_request"),
    404: ("invalid_request_error", "not_found"),
    501: ("invalid_request_error", "not_supported"),
    503: ("service_unavailable_error", "engine_starting"),
}


def refusal(status: int, body: bytes) -> tuple[int, bytes]:
    """Returns the status and the body with which a refusal of llama.cpp is passed on."""
    try:
        detail = _decoder.decode(body).error
    except msgspec.DecodeError:
        detail = _Detail()
    if detail.type == _CONTEXT:
        message = (
            f"This model's context is {detail.n_ctx} tokens, but the prompt has {detail.n_prompt_tokens}."
        )
        made = ErrorDetail(
            message=message,
            type="invalid_request_error",
            param="messages",
            code="context_length_exceeded",
            hint="Shorten the prompt, or give the deployment more `context_tokens`.",
        )
        return 400, msgspec.json.encode(ErrorBody(made))
    kind, code = _KINDS.get(status, ("api_error", "engine_error"))
    passed = 400 if status == 501 else status  # noqa: PLR2004 - a request this model cannot serve is the client's
    return passed, msgspec.json.encode(ErrorBody(ErrorDetail(message=detail.message, type=kind, code=code)))


def error_answer(fault: ApiError) -> tuple[int, bytes]:
    """Returns the status and the body for an error of our own."""
    return fault.status, msgspec.json.encode(fault.body())
