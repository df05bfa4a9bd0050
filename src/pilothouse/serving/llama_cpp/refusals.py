"""llama.cpp's errors in OpenAI's shape.

Refuses to know sockets. Invariant: what comes out is an `ErrorBody` with a string for its code, whatever
came in.
"""

import re

import msgspec

from pilothouse.contracts.errors import ApiError, ErrorBody, ErrorDetail

__all__ = ["error_answer", "refusal"]

_CONTEXT = "exceed_context_size_error"


_TOO_LONG = re.compile(r"input \((\d+) tokens\) is too large to process.*batch size: (\d+)")
"""How llama.cpp refuses a text that an embedding model cannot read in one piece."""


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
    too_long = _TOO_LONG.search(detail.message)
    if detail.type == _CONTEXT or too_long:
        size = detail.n_prompt_tokens if too_long is None else too_long[1]
        limit = detail.n_ctx if too_long is None else too_long[2]
        message = f"This model's context is {limit} tokens, but the prompt has {size}."
        made = ErrorDetail(
            message=message,
            type="invalid_request_error",
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
