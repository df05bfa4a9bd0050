"""Makes the tries that are due: claims each, sends it by its way, and notes what came of it.

Refuses to know why something is told. Invariant: a try is claimed in the database before it is made, so that
two processes never make the same one; what a crash leaves claimed is tried again after the claim has ended.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from pilothouse.contracts.errors import InvalidRequestError, NotFoundError
from pilothouse.monitors.delivery import repository
from pilothouse.monitors.delivery.catalogue import WAYS
from pilothouse.monitors.delivery.notice import Notice
from pilothouse.monitors.delivery.pace import next_try_ms
from pilothouse.monitors.delivery.references import secrets_for
from pilothouse.monitors.delivery.repository import Delivery
from pilothouse.monitors.delivery.settings import ReceiverSettings
from pilothouse.monitors.delivery.way import DeliveryError, Errand

__all__ = ["Sender"]

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 100
MOST_RECEIVERS_AT_ONCE = 4
CLAIM_MS = 180_000
"""Longer than the longest try: two connections with deadlines of a minute each."""


class Sender:
    """Tells receivers, each in a thread of its own while there is something to tell."""

    def __init__(
        self, engine: Engine, receivers: Mapping[str, ReceiverSettings], secrets: Mapping[str, str]
    ) -> None:
        """Takes its parts.

        Args:
            engine: The state database.
            receivers: The `receivers:` section.
            secrets: Values of the environment variables that receivers refer to.
        """
        self._engine = engine
        self._receivers = receivers
        self._secrets = secrets

    @property
    def receivers(self) -> Mapping[str, ReceiverSettings]:
        """Who can be told, by name."""
        return self._receivers

    def wants(self, receiver: str, notice: Notice) -> bool:
        """Says whether a receiver is there and is told this kind of notice."""
        settings = self._receivers.get(receiver)
        if settings is None:
            return False
        if notice.status == "resolved" and not settings.with_resolved:
            return False
        return WAYS[settings.kind].wants(notice)

    def tick(self, now_ms: int) -> bool:
        """Makes all tries that are due; returns whether there may be more at once."""
        with self._engine.connect() as connection:
            found = repository.due(connection, now_ms, MOST_AT_ONCE)
        if not found:
            return False
        lines: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in found:
            lines[delivery.receiver].append(delivery)
        with ThreadPoolExecutor(min(len(lines), MOST_RECEIVERS_AT_ONCE), "delivery") as pool:
            list(pool.map(lambda line: self._work_off(line, now_ms), lines.values()))
        return len(found) == MOST_AT_ONCE

    def test(self, receiver: str, notice: Notice, now_ms: int) -> None:
        """Tells one receiver something now, once.

        Raises:
            NotFoundError: There is no such receiver.
            InvalidRequestError: It could not be told, and why.
        """
        if receiver not in self._receivers:
            raise NotFoundError(
                f"There is no receiver {receiver!r}.",
                hint="Receivers are in the configuration, under `receivers:`.",
            )
        try:
            self._send(f"dlv_test_{now_ms}", receiver, notice, now_ms)
        except DeliveryError as error:
            raise InvalidRequestError(
                f"{receiver} was not told: {error.message}.",
                code="delivery_failed",
                hint="Check its address and secrets in the configuration.",
            ) from error

    def _work_off(self, line: Sequence[Delivery], now_ms: int) -> None:
        """Makes the tries for one receiver; after a failed one the others wait, the receiver may be away."""
        for delivery in line:
            with self._engine.begin() as connection:
                is_ours = repository.claim(connection, delivery, until_ms=now_ms + CLAIM_MS)
            if is_ours and not self._try(delivery, now_ms):
                return

    def _try(self, delivery: Delivery, now_ms: int) -> bool:
        try:
            self._send(delivery.id, delivery.receiver, delivery.notice, now_ms)
        except DeliveryError as error:
            self._note_failure(delivery, error, now_ms)
            return False
        with self._engine.begin() as connection:
            repository.settle(connection, delivery.id, "sent", now_ms)
        logger.info("told", extra={"receiver": delivery.receiver, "delivery": delivery.id})
        return True

    def _note_failure(self, delivery: Delivery, error: DeliveryError, now_ms: int) -> None:
        again_ms = None
        if error.may_retry:
            again_ms = next_try_ms(
                delivery.id,
                attempts=delivery.attempts + 1,
                created_at_ms=delivery.created_at_ms,
                now_ms=now_ms,
                retry_after_s=error.retry_after_s,
            )
        with self._engine.begin() as connection:
            if again_ms is None:
                repository.settle(connection, delivery.id, "failed", now_ms, error.message)
            else:
                repository.put_off(connection, delivery.id, again_ms, error.message)
        logger.warning(
            "a receiver was not told: %s",
            error.message,
            extra={"receiver": delivery.receiver, "delivery": delivery.id, "is_given_up": again_ms is None},
        )

    def _send(self, delivery_id: str, receiver: str, notice: Notice, now_ms: int) -> None:
        settings = self._receivers.get(receiver)
        if settings is None:
            raise DeliveryError("it is no longer in the configuration", may_retry=False)
        secrets = secrets_for(settings, self._secrets)
        WAYS[settings.kind].send(Errand(delivery_id, notice, settings, secrets, now_ms))
