"""A deployment as a strategy sees it: its name, weight, price and vitals.

Refuses to know how it is spoken to. Invariant: what a snapshot fixed stays fixed; only the vitals live.
"""

from hashlib import blake2b

from pilothouse.contracts.snapshot import Deployment, Price
from pilothouse.gateway.routing.vitals import Vitals


class Seat:
    """One deployment among those of a model."""

    __slots__ = ("arm", "deployment", "price", "vitals", "weight")

    def __init__(self, deployment: Deployment, vitals: Vitals) -> None:
        self.deployment = deployment.id
        self.weight = max(0, deployment.weight)
        self.price: Price | None = deployment.price
        self.arm = deployment.arm
        self.vitals = vitals


def stable_number(*parts: str | bytes) -> int:
    """Returns a number of 64 bits that is the same for the same parts on every worker and after restarts."""
    digest = blake2b(digest_size=8)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return int.from_bytes(digest.digest(), "big")
