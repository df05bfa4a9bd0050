"""Every error of the management API in OpenAI's shape, the framework's own included.

Refuses to know which route failed. Invariant: an answer holds nothing of a fault but our own words: details
are in the log, and no value that was sent is repeated.
"""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pilothouse.contracts.errors import (
    ApiError,
    AuthenticationError,
    ErrorBody,
    InternalError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
    PilothouseError,
    UnavailableError,
)
from pilothouse.telemetry.logs import redact

logger = logging.getLogger(__name__)

BY_STATUS: dict[int, type[ApiError]] = {
    404: NotFoundError,
    405: MethodNotAllowedError,
    413: PayloadTooLargeError,
    503: UnavailableError,
}
HINTS = {
    404: "See /docs for the paths that are there.",
    405: "See /docs for the methods of this path.",
    413: "The management API takes bodies of up to 1 MB.",
}


def answer(error: ApiError) -> Response:
    """Returns the HTTP answer for an error."""
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    if isinstance(error, AuthenticationError):
        headers["www-authenticate"] = "Bearer"
    detail = error.body().error
    # A key typed in the wrong place, as a path or a field's name, must not come back in what we say of it.
    safe = msgspec.structs.replace(
        detail, message=redact(detail.message), param=redact(detail.param) if detail.param else None
    )
    body = msgspec.json.encode(ErrorBody(safe))
    return Response(body, error.status, headers=headers, media_type="application/json")


def install(app: FastAPI) -> None:
    """Makes every error of `app` one in OpenAI's shape."""
    app.add_exception_handler(PilothouseError, _on_our_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(Exception, _on_fault)


def from_status(status: int, path: str) -> ApiError:
    """Returns the error for a status that the framework chose."""
    kind = BY_STATUS.get(status)
    if kind is None:
        return InvalidRequestError("The request could not be read.", hint="See /docs for what is expected.")
    messages = {
        404: f"There is nothing at {path[:200]}.",
        405: f"{path[:200]} does not take this method.",
        413: "The body is too large.",
    }
    return kind(messages.get(status, "The server cannot answer now."), hint=HINTS.get(status))


def from_validation(problems: Sequence[Any]) -> InvalidRequestError:
    """Returns the error for what pydantic found wrong; values that were sent are left out."""
    problem = problems[0]
    place = [str(part) for part in problem["loc"]]
    where, name = place[0], ".".join(place[1:])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if problem["type"] == "json_invalid":
        return InvalidRequestError(
            "The body is not valid JSON.", code="invalid_json", hint="Check quotes, commas and braces."
        )
    if problem["type"] == "extra_forbidden":
        return InvalidRequestError(
            f"The field {name!r} is not known here{more}.", param=name, hint="Take it out; see /docs."
        )
    named = f"{name!r} in the {where}" if name else f"the {where}"
    return InvalidRequestError(
        f"Wrong value for {named}: {problem['msg']}{more}.", param=name or None, hint="See /docs."
    )


def _on_our_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        return answer(error)
    assert isinstance(error, PilothouseError)
    logger.error("%s %s: %s", request.method, request.url.path, error.message)
    return answer(InternalError(error.message, hint=error.hint))


def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    made = answer(from_status(error.status_code, request.url.path))
    for name, value in (error.headers or {}).items():
        made.headers[name] = value
    return made


def _on_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer(from_validation(error.errors()))


def _on_fault(request: Request, _: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path)
    return answer(
        InternalError("The server made a mistake.", hint="The log of the control process has the details.")
    )
