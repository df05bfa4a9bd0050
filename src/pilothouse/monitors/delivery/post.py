"""Posts JSON to a receiver: pinned to an address that was judged, never redirected, its answer bounded.

Refuses to know what is in the body. Invariant: an error names no address: the path of a webhook is a secret.
"""

from collections.abc import Mapping

from pilothouse.contracts.errors import (
    ApiError,
    InvalidRequestError,
    PermissionDeniedError,
    UpstreamTimeoutError,
)
from pilothouse.monitors.delivery.settings import ReceiverSettings
from pilothouse.monitors.delivery.way import DeliveryError
from pilothouse.network import sync
from pilothouse.network.reach import anywhere, public_only

__all__ = ["post"]

MOST_ANSWER_BYTES = 4096
FIRST_NOT_OK = 300
FIRST_CLIENT_ERROR = 400
FIRST_SERVER_ERROR = 500
TRY_LATER = frozenset({408, 425, 429})


def post(url: str, body: bytes, headers: Mapping[str, str], receiver: ReceiverSettings) -> bytes:
    """Posts a body and returns the beginning of the answer.

    Raises:
        DeliveryError: It was not answered with 2xx.
    """
    if not url.startswith(("http://", "https://")):
        raise DeliveryError("its address is not an http:// or https:// one", may_retry=False)
    allowed = anywhere if receiver.allow_private else public_only
    sent = {"content-type": "application/json", **headers}
    try:
        with sync.stream(
            "POST", url, headers=sent, body=body, timeout_s=receiver.timeout_s, allowed=allowed
        ) as answer:
            status, again = answer.status, answer.headers.get("retry-after", "")
            beginning = b""
            for chunk in answer.chunks:
                beginning += chunk[: MOST_ANSWER_BYTES - len(beginning)]
                if len(beginning) >= MOST_ANSWER_BYTES:
                    break
    except ApiError as error:
        raise _error_of(error, receiver) from None
    except ValueError:  # A host name or a port that cannot be one.
        raise DeliveryError("its address is not one that can be posted to", may_retry=False) from None
    _require_ok(status, again)
    return beginning


def _require_ok(status: int, retry_after: str) -> None:
    if status < FIRST_NOT_OK:
        return
    if status < FIRST_CLIENT_ERROR:
        raise DeliveryError(f"it redirects (HTTP {status}), which is not followed", may_retry=False)
    may_retry = status >= FIRST_SERVER_ERROR or status in TRY_LATER
    after_s = float(retry_after) if retry_after.isdigit() else None
    raise DeliveryError(f"it answered HTTP {status}", may_retry=may_retry, retry_after_s=after_s)


def _error_of(error: ApiError, receiver: ReceiverSettings) -> DeliveryError:
    """Returns what may be told of a fault: its kind, never the address."""
    if isinstance(error, UpstreamTimeoutError):
        return DeliveryError(f"it did not answer within {receiver.timeout_s:g} s")
    if isinstance(error, PermissionDeniedError):
        hint = "its address is private, and `allow_private` is not set"
        return DeliveryError(hint, may_retry=False)
    if isinstance(error, InvalidRequestError):
        return DeliveryError("its address is not one that can be posted to", may_retry=False)
    if error.code == "tls_verification_failed":
        return DeliveryError("its certificate is not trusted")
    cause = error.__cause__
    reason = getattr(cause, "strerror", None) or (type(cause).__name__ if cause else "it cannot be reached")
    return DeliveryError(f"no connection: {reason}")
