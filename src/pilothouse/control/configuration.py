"""The configuration in force: settled at the start, and changed while everything runs.

Refuses to know files and the environment: settings come parsed, secrets as the names of those that gateways
were handed. Invariant: what cannot be served is refused whole; then nothing has changed. What was applied
while running stays in force when the control process is started again, until Pilothouse itself is.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from threading import Lock

import msgspec
from sqlalchemy import Engine

from pilothouse.contracts.errors import ConfigurationError, ConflictError, InvalidRequestError
from pilothouse.contracts.home import Home
from pilothouse.control.settings import ControlSettings
from pilothouse.registry.catalogue import BUNDLE
from pilothouse.registry.pull import find
from pilothouse.rollout import repository
from pilothouse.rollout.applied import Applied, InForce
from pilothouse.rollout.build import Artefact, Catalogue, Surroundings, build_catalogue, sources
from pilothouse.rollout.prices import PricesWhenAsked
from pilothouse.rollout.publish import Publisher
from pilothouse.rollout.settings import RolloutSettings
from pilothouse.store.artefacts import ArtefactStore

logger = logging.getLogger(__name__)


class Settled(msgspec.Struct, frozen=True):
    """A configuration that can be served."""

    revision: int
    settings: RolloutSettings
    catalogue: Catalogue


class _AppliedInRun(msgspec.Struct, frozen=True):
    """What is kept of a change while running, so that a control process started again finds it."""

    run: str
    revision: int
    engine_numbers: dict[str, int] = {}


def settle(settings: ControlSettings, home: Home, engine: Engine, *, now_ms: int) -> Settled:
    """Returns the configuration to start with: the one applied last in this run, else the file's.

    Raises:
        ConfigurationError: It cannot be served.
    """
    builder = _Builder(home, settings.secrets)
    with engine.begin() as connection:
        applied = repository.applied(connection, _AppliedInRun) if settings.run else None
        numbers: Mapping[str, int] = settings.engine_numbers
        rollout = settings.rollout
        if applied is not None and applied.run == settings.run:
            document = repository.document(connection, applied.revision)
            rollout = msgspec.json.decode(document, type=RolloutSettings)
            numbers = applied.engine_numbers
        origin: repository.Origin = "default" if rollout == RolloutSettings() else "file"
        revision, configured_at_ms = repository.record_configuration(
            connection, _document(rollout), origin=origin, now_ms=now_ms
        )
        catalogue = builder.build(rollout, numbers, now_ms=now_ms, configured_at_ms=configured_at_ms)
    return Settled(revision, rollout, catalogue)


class LiveConfiguration:
    """The configuration of a running control process."""

    def __init__(
        self,
        settings: ControlSettings,
        settled: Settled,
        *,
        engine: Engine,
        publisher: Publisher,
        obeyed: Callable[[int], None],
    ) -> None:
        """Takes what a change needs.

        Args:
            settings: What the process was started with.
            settled: What is in force now.
            engine: The state database.
            publisher: Who publishes the snapshot.
            obeyed: Waits until the gateways obey a revision.
        """
        self._run = settings.run
        self._builder = _Builder(Home(settings.home), settings.secrets)
        self._settled = settled
        self._engine = engine
        self._publisher = publisher
        self._obeyed = obeyed
        self._lock = Lock()

    def show(self) -> InForce:
        """Returns what is in force."""
        document = _document(self._settled.settings)
        return InForce(
            revision=self._settled.revision, digest=_digest(document), settings=msgspec.json.decode(document)
        )

    def apply(self, document: bytes, *, replaces: str, by: str, now_ms: int) -> Applied:
        """Puts a configuration in force; returns once the gateways obey it.

        Raises:
            ConflictError: Another one is in force than the caller replaces.
            InvalidRequestError: It cannot be served, and why.
        """
        with self._lock:
            applied = self._apply(document, replaces, by, now_ms)
        self._obeyed(applied.snapshot_revision)
        logger.info("applied", extra={"configuration_revision": applied.revision, "by": by})
        return applied

    def _apply(self, document: bytes, replaces: str, by: str, now_ms: int) -> Applied:
        if replaces != self.show().digest:
            raise ConflictError(
                "Another configuration is in force than the one that this was to replace.",
                hint="Read /api/v1/configuration again, and send its digest as `replaces`.",
                param="replaces",
            )
        try:
            settings = msgspec.json.decode(document, type=RolloutSettings)
            settled = self._record(settings, by, now_ms)
        except msgspec.ValidationError as error:
            raise InvalidRequestError(str(error), param="settings", hint=_CHECK_HINT) from error
        except ConfigurationError as error:
            raise InvalidRequestError(error.message, param="settings", hint=error.hint) from error
        self._settled = settled
        published = self._publisher.change(
            settled.catalogue,
            configuration_revision=settled.revision,
            reason="the configuration has changed",
            now_ms=now_ms,
        )
        return Applied(
            revision=settled.revision,
            snapshot_revision=published,
            models=[model.name for model in settled.catalogue.models],
            missing=list(settled.catalogue.missing),
        )

    def _record(self, settings: RolloutSettings, by: str, now_ms: int) -> Settled:
        running = self._publisher.catalogue.engine_numbers
        with self._engine.begin() as connection:
            revision, configured_at_ms = repository.record_configuration(
                connection, _document(settings), origin="api", now_ms=now_ms, by=by
            )
            catalogue = self._builder.build(
                settings, running, now_ms=now_ms, configured_at_ms=configured_at_ms
            )
            numbers = dict(catalogue.engine_numbers)
            repository.note_applied(
                connection, _AppliedInRun(self._run, revision, numbers), by=by, now_ms=now_ms
            )
        return Settled(revision, settings, catalogue)


_CHECK_HINT = "`pilothouse config check` names the line of each mistake in a file."


class _Builder:
    """Builds catalogues from what is on this machine."""

    def __init__(self, home: Home, secrets: tuple[str, ...]) -> None:
        self._home = home
        self._secrets = frozenset(secrets)

    def build(
        self,
        settings: RolloutSettings,
        engine_numbers: Mapping[str, int],
        *,
        now_ms: int,
        configured_at_ms: int,
    ) -> Catalogue:
        """Returns what `settings` mean here.

        Raises:
            ConfigurationError: They are wrong, or need a secret that gateways were not handed.
        """
        store = ArtefactStore(self._home.artefacts)
        stored = {source: find(source, store) for source in sources(settings, BUNDLE)}
        around = Surroundings(
            bundle=BUNDLE,
            prices=PricesWhenAsked(datetime.fromtimestamp(now_ms / 1000, UTC)),
            engine_socket=self._home.engine_socket,
            artefacts={source: Artefact(got.path, got.digest) for source, got in stored.items() if got},
            secrets=self._secrets,
            engine_numbers=engine_numbers,
        )
        catalogue = build_catalogue(settings, around, configured_at_s=configured_at_ms // 1000)
        for source in catalogue.missing:
            logger.warning("weights are not here; their model is not served", extra={"source": source})
        return catalogue


def _document(settings: RolloutSettings) -> bytes:
    return msgspec.json.encode(settings, order="deterministic")


def _digest(document: bytes) -> str:
    return f"sha256:{sha256(document).hexdigest()}"
