"""Sends one OTLP request over HTTP and says what became of it; waits longer after each failure.

https://opentelemetry.io/docs/specs/otlp/#otlphttp: 429, 502, 503 and 504 are tried again, as `Retry-After`
says if it does; other errors are the sender's and are not.

Refuses to know what is in a request. Invariant: an error's text holds no header and no body.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from pilothouse.contracts.errors import PilothouseError
from pilothouse.network import sync
from pilothouse.network.reach import anywhere, public_only
from pilothouse.telemetry.settings import ExportSettings

__all__ = ["Answer", "Sender"]

Signal = Literal["traces", "metrics"]

OK = 200
TOO_LARGE = 413
RETRYABLE = frozenset({429, 502, 503, 504})
FIRST_WAIT_S = 1.0
LONGEST_RETRY_AFTER_S = 600.0
MOST_ANSWER_BYTES = 65_536
COMPRESSION_LEVEL = 1
"""Half the time of the usual level, for a tenth more bytes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request."""

    outcome: Literal["sent", "later", "refused", "too_large"]
    body: bytes = b""
    said: str = ""
    """Why, where it was not sent."""


class Sender:
    """Sends to one endpoint one signal; used by one thread."""

    def __init__(self, settings: ExportSettings, headers: Mapping[str, str], signal: Signal) -> None:
        """Takes the headers with their secrets in them."""
        assert settings.endpoint is not None
        self._url = f"{settings.endpoint.rstrip('/')}/v1/{signal}"
        self._settings = settings
        self._headers = {
            "content-type": "application/x-protobuf",
            **({"content-encoding": "gzip"} if settings.gzip else {}),
            **{name.lower(): value for name, value in headers.items()},
        }
        self._failures = 0
        self._not_before_ms = 0

    def may_send(self, now_ms: int) -> bool:
        """Says whether the wait after the last failure is over."""
        return now_ms >= self._not_before_ms

    def send(self, body: bytes, now_ms: int) -> Answer:
        """Sends a request's body, and notes how long to wait if it must be sent again."""
        answer, asked_s = self._post(body, now_ms)
        if answer.outcome == "later":
            self._failures += 1
            wait_s = min(self._settings.retry_most_s, FIRST_WAIT_S * 2.0 ** min(self._failures - 1, 30))
            wait_s = max(wait_s, min(asked_s, LONGEST_RETRY_AFTER_S))
            self._not_before_ms = now_ms + int(wait_s * 1000)
        else:
            self._failures = 0
        return answer

    def _post(self, body: bytes, now_ms: int) -> tuple[Answer, float]:
        sent = gzip.compress(body, COMPRESSION_LEVEL) if self._settings.gzip else body
        try:
            with sync.stream(
                "POST",
                self._url,
                headers=self._headers,
                body=sent,
                timeout_s=self._settings.timeout_s,
                allowed=anywhere if self._settings.allow_private else public_only,
            ) as answer:
                said = b""
                for chunk in answer.chunks:
                    said = (said + chunk)[:MOST_ANSWER_BYTES]
        except PilothouseError as error:
            return Answer("later", said=error.message), 0.0
        if answer.status == OK:
            return Answer("sent", said), 0.0
        text = f"{self._url} answered {answer.status}"
        if answer.status in RETRYABLE:
            return Answer("later", said=text), _asked_s(answer.headers.get("retry-after"), now_ms)
        return Answer("too_large" if answer.status == TOO_LARGE else "refused", said=text), 0.0


def _asked_s(retry_after: str | None, now_ms: int) -> float:
    """Returns for how long a receiver asks to be left alone: seconds, or a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return 0.0
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now_ms / 1000)
    except ValueError:
        return 0.0
