"""What a way of telling is: it takes a notice to one receiver, or says why it cannot.

Refuses to know retries. Invariant: an error's text names what went wrong and holds no address and no secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pilothouse.monitors.delivery.notice import Notice
from pilothouse.monitors.delivery.settings import ReceiverSettings

__all__ = ["DeliveryError", "Errand", "Way"]


class DeliveryError(Exception):
    """A notice did not arrive."""

    def __init__(self, message: str, *, may_retry: bool = True, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.may_retry = may_retry
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Errand:
    """One notice for one receiver."""

    delivery_id: str
    notice: Notice
    receiver: ReceiverSettings
    secrets: Mapping[str, str]
    """The receiver's secrets, by the setting that refers to them."""
    now_ms: int

    def secret(self, setting: str) -> str:
        """Returns a secret.

        Raises:
            DeliveryError: It is not set.
        """
        found = self.secrets.get(setting)
        if not found:
            raise DeliveryError(f"its {setting} is not set", may_retry=False)
        return found


class Way(Protocol):
    """A way of telling."""

    def wants(self, notice: Notice) -> bool:
        """Says whether this kind of notice is told this way."""

    def send(self, errand: Errand) -> None:
        """Takes a notice to its receiver.

        Raises:
            DeliveryError: It did not arrive.
        """
