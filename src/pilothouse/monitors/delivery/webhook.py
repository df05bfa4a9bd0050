"""The way `webhook`: the notice as JSON, signed.

Refuses to know who receives. Invariant: with a signing secret, every body is signed together with its time.
"""

import msgspec

from pilothouse.monitors.delivery.notice import Notice, headline
from pilothouse.monitors.delivery.post import post
from pilothouse.monitors.delivery.signature import HEADER, sign
from pilothouse.monitors.delivery.way import Errand

__all__ = ["Webhook"]

VERSION = 1


class Webhook:
    """Posts the notice itself; a receiver tells repeats by the delivery's id."""

    def wants(self, notice: Notice) -> bool:
        """Takes all of them."""
        del notice
        return True

    def send(self, errand: Errand) -> None:
        """Posts a notice."""
        document = {
            "version": VERSION,
            "delivery": errand.delivery_id,
            "title": headline(errand.notice),
            "severity": errand.notice.severity,
            **msgspec.to_builtins(errand.notice),
        }
        body = msgspec.json.encode(document)
        headers = {"x-pilothouse-delivery": errand.delivery_id}
        if errand.receiver.signing_secret is not None:
            headers[HEADER] = sign(errand.secret("signing_secret"), body, errand.now_ms)
        post(errand.secret("webhook_url"), body, headers, errand.receiver)
