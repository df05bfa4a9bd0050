"""Every error a caller can meet, as one tree, each leaf with its HTTP status and OpenAI type and code.

    PilothouseError
    ├── ConfigurationError            the operator's file or flags are wrong
    ├── ArtefactError                 a model file is missing, damaged or not what it claims
    ├── JournalError                  the record cannot be written or read
    │   └── JournalFullError          no room: intake stops with 503
    ├── SnapshotError                 unsigned, older or broken: the last good one is kept
    └── ApiError                      answered over HTTP in OpenAI's error shape
        ├── InvalidRequestError   400   malformed, wrong type, unknown value
        ├── AuthenticationError   401   no key, or a wrong one
        ├── PermissionDeniedError 403   a good key, not allowed to do this
        ├── NotFoundError         404   no such model, path or record
        ├── MethodNotAllowedError 405
        ├── RequestTimeoutError   408   the sender was too slow
        ├── ConflictError         409
        ├── PayloadTooLargeError  413
        ├── RateLimitedError      429
        ├── HeadersTooLargeError  431
        ├── InternalError         500   our fault
        ├── UpstreamError         502   the provider answered garbage, reset or cut
        ├── UnavailableError      503   starting, stopping, disk full, nothing to route to
        └── UpstreamTimeoutError  504   the provider missed a deadline

Refuses to know how an answer is written to a socket. Invariant: a message names what was wrong and what to
do, and never holds a secret.
"""

from typing import ClassVar

import msgspec

__all__ = [
    "ApiError",
    "ArtefactError",
    "AuthenticationError",
    "ConfigurationError",
    "ConflictError",
    "ErrorBody",
    "ErrorDetail",
    "HeadersTooLargeError",
    "InternalError",
    "InvalidRequestError",
    "JournalError",
    "JournalFullError",
    "MethodNotAllowedError",
    "NotFoundError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "PilothouseError",
    "RateLimitedError",
    "RequestTimeoutError",
    "SnapshotError",
    "UnavailableError",
    "UpstreamError",
    "UpstreamTimeoutError",
]


class ErrorDetail(msgspec.Struct, frozen=True):
    """The inner object of OpenAI's error shape, with our `hint` beside it."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None
    hint: str | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """OpenAI's error shape: `{"error": {"message", "type", "param", "code", "hint"}}`."""

    error: ErrorDetail


class PilothouseError(Exception):
    """The root of every error Pilothouse raises on purpose."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigurationError(PilothouseError):
    """The configuration file, a flag or an environment variable is wrong."""


class ArtefactError(PilothouseError):
    """A model's file is missing, damaged, or not what its digest says."""


class JournalError(PilothouseError):
    """The record of calls cannot be written or read."""


class JournalFullError(JournalError):
    """There is no room left for the record, so no new call is taken in."""


class SnapshotError(PilothouseError):
    """A snapshot is unsigned, older than the one held, or broken."""


class ApiError(PilothouseError):
    """An error that is answered over HTTP; subclasses fix its status, type and code."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "api_error"
    default_code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code or self.default_code
        self.param = param
        self.retry_after_s = retry_after_s

    def body(self) -> ErrorBody:
        """Returns the answer's body in OpenAI's error shape."""
        return ErrorBody(
            ErrorDetail(
                message=self.message, type=self.type, param=self.param, code=self.code, hint=self.hint
            )
        )


class InvalidRequestError(ApiError):
    """400: the request is malformed, or a value in it is not possible."""

    status = 400
    type = "invalid_request_error"
    default_code = "invalid_request"


class AuthenticationError(ApiError):
    """401: there is no API key, or it is not one we know."""

    status = 401
    type = "authentication_error"
    default_code = "invalid_api_key"


class PermissionDeniedError(ApiError):
    """403: the caller is known but may not do this."""

    status = 403
    type = "permission_error"
    default_code = "permission_denied"


class NotFoundError(ApiError):
    """404: there is no such model, path or record."""

    status = 404
    type = "invalid_request_error"
    default_code = "not_found"


class MethodNotAllowedError(ApiError):
    """405: the path exists, this method on it does not."""

    status = 405
    type = "invalid_request_error"
    default_code = "method_not_allowed"


class RequestTimeoutError(ApiError):
    """408: the sender took too long to send its request."""

    status = 408
    type = "invalid_request_error"
    default_code = "request_timeout"


class ConflictError(ApiError):
    """409: the thing has changed or exists already."""

    status = 409
    type = "invalid_request_error"
    default_code = "conflict"


class PayloadTooLargeError(ApiError):
    """413: the body is over the limit."""

    status = 413
    type = "invalid_request_error"
    default_code = "request_too_large"


class RateLimitedError(ApiError):
    """429: a limit is reached; `retry_after_s` says when to come back."""

    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"


class HeadersTooLargeError(ApiError):
    """431: the request line and headers are over the limit."""

    status = 431
    type = "invalid_request_error"
    default_code = "headers_too_large"


class InternalError(ApiError):
    """500: a fault of ours; the log has the details, the answer has none."""


class UpstreamError(ApiError):
    """502: the provider or engine refused, reset, cut, or answered something that is not an answer."""

    status = 502
    type = "upstream_error"
    default_code = "upstream_failed"


class UnavailableError(ApiError):
    """503: starting, stopping, the disk is full, or no deployment can take the call."""

    status = 503
    type = "service_unavailable_error"
    default_code = "unavailable"


class UpstreamTimeoutError(ApiError):
    """504: the provider or engine missed a deadline."""

    status = 504
    type = "upstream_error"
    default_code = "upstream_timeout"
