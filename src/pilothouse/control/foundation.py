"""The first half of the start: the state database, who may, and the snapshot published.

It imports no web framework and no analytics, so that the gateway has its snapshot as early as can be.

Refuses to know HTTP. Invariant: when `lay` returns, a snapshot of this configuration is in force.
"""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from pilothouse.access.desk import Desk
from pilothouse.api.status import StatusReader
from pilothouse.contracts.errors import ConfigurationError
from pilothouse.contracts.home import Home
from pilothouse.control.configuration import LiveConfiguration, settle
from pilothouse.control.settings import ControlSettings
from pilothouse.rollout.publish import Publisher
from pilothouse.store.elsewhere import note_elsewhere
from pilothouse.store.state import open_state

if TYPE_CHECKING:
    from pilothouse.store.state_postgres import StateLease

logger = logging.getLogger(__name__)

OBEYED_WITHIN_S = 1.0
OBEYED_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Foundation:
    """What the rest of the control process stands on."""

    home: Home
    engine: Engine
    desk: Desk
    publisher: Publisher
    configuration: LiveConfiguration
    lease: "StateLease | None" = None
    """Of the state, when it is in PostgreSQL."""


class _Announcement:
    """Publishes after each change to who may call, and waits until the gateways obey.

    So a key works, or works no more, everywhere when its command returns. Set up in two steps, since desk and
    publisher each need the other.
    """

    def __init__(self, status: StatusReader) -> None:
        self._status = status
        self.publisher: Publisher | None = None

    def __call__(self, now_ms: int) -> None:
        """Publishes now; a gateway that does not obey within a second holds nobody up for longer."""
        assert self.publisher is not None
        self.wait(self.publisher.publish("who may call has changed", now_ms=now_ms))

    def wait(self, revision: int) -> None:
        """Waits until the gateways obey a snapshot, for a second at most."""
        ends = time.monotonic() + OBEYED_WITHIN_S
        while time.monotonic() < ends:
            if all(gateway.snapshot_revision >= revision for gateway in self._status.gateways()):
                return
            time.sleep(OBEYED_POLL_S)
        logger.warning("a gateway does not obey the new snapshot yet", extra={"snapshot_revision": revision})


def lay(settings: ControlSettings, *, now_ms: int) -> Foundation:
    """Opens the state, applies the configuration and publishes the snapshot.

    Raises:
        ConfigurationError: The configuration cannot be served, or the home is not prepared.
    """
    home = Home(settings.home)
    lease = _state_lease(settings)
    note_elsewhere(home, settings.state, settings.store)
    engine = open_state(
        home.state,
        backups=home.backups,
        now_ms=now_ms,
        settings=settings.state,
        password=secret_value(settings, settings.state.password),
    )
    announce = _Announcement(StatusReader(home))
    desk = Desk(
        engine,
        pepper=_secret(home.pepper),
        root_key=settings.root_key or _kept_root_key(home),
        settings=settings.access,
        changed=announce,
    )
    settled = settle(settings, home, engine, now_ms=now_ms)
    publisher = Publisher(
        engine,
        path=home.snapshot,
        signing_key=_secret(home.signing_key),
        catalogue=settled.catalogue,
        configuration_revision=settled.revision,
        keys=desk.key_records,
    )
    announce.publisher = publisher
    published = publisher.publish("control has started", now_ms=now_ms)
    logger.info(
        "published", extra={"snapshot_revision": published, "configuration_revision": settled.revision}
    )
    configuration = LiveConfiguration(
        settings, settled, engine=engine, publisher=publisher, obeyed=announce.wait
    )
    return Foundation(home, engine, desk, publisher, configuration, lease)


def secret_value(settings: ControlSettings, reference: str | None) -> str | None:
    """Returns what a reference like `${NAME}` in a section of ours stands for."""
    return None if reference is None else settings.own_secrets.get(reference.strip("${}"))


def _state_lease(settings: ControlSettings) -> "StateLease | None":
    """Takes the lease of a state that other machines reach too; a home's own file needs none."""
    if settings.state.url is None:
        return None
    from pilothouse.store.state_postgres import StateLease

    lease = StateLease(settings.state, secret_value(settings, settings.state.password))
    lease.take()
    return lease


def _secret(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}.", hint="`pilothouse up` makes what a home needs."
        ) from error


def _kept_root_key(home: Home) -> str | None:
    try:
        return Path(home.root_key).read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
