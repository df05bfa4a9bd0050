"""What tells others how we are: the look at the machine, what is added to `/metrics`, and what is sent on.

Refuses to know what a number means. Invariant: everything here only reads; without it, all else goes on.
"""

from collections.abc import Sequence

from pilothouse.api.counters import Counters
from pilothouse.api.engine_metrics import EngineTarget, Scrapes, engine_families, merged
from pilothouse.api.history import STEP_S
from pilothouse.api.limit_metrics import limit_families
from pilothouse.api.machine import machine_families
from pilothouse.api.metrics import Instruments
from pilothouse.api.resources import Resources
from pilothouse.api.screen import ScreenSettings
from pilothouse.config.references import secret_name
from pilothouse.contracts.events import RequestCompleted
from pilothouse.contracts.home import Home
from pilothouse.control.settings import ControlSettings
from pilothouse.rollout.build import Catalogue
from pilothouse.rollout.providers import CATALOGUE
from pilothouse.rollout.publish import Publisher
from pilothouse.store.projector import Projector
from pilothouse.telemetry.export.exporter import MetricsExporter, SpansExporter, Tally, export_families
from pilothouse.telemetry.export.sender import Sender
from pilothouse.telemetry.export.spool import Spool
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.machine_gpus import Gpus, nvidia_library
from pilothouse.telemetry.prometheus import Family
from pilothouse.worker import Job

SCRAPE_S = 10.0

__all__ = ["Sending", "observing"]


class Sending:
    """Sends calls and histograms on, where the configuration says where to."""

    def __init__(
        self, settings: ControlSettings, projector: Projector, counters: Counters, *, now_ms: int
    ) -> None:
        """Takes what is sent, and from where."""
        export, home = settings.telemetry.export, Home(settings.home)
        self._spans: SpansExporter | None = None
        self.jobs: tuple[Job, ...] = ()
        self.label_keys = settings.telemetry.prometheus.label_keys
        """Whether keys may be labels of metrics."""
        self._tally = Tally.empty()
        self._spool: Spool | None = None
        if export.endpoint is None:
            return
        headers = _headers(settings)
        if export.traces:
            self._spool = spool = Spool(home.journal, home.export_cursor, lambda: _reached(projector))
            self._spans = SpansExporter(
                export,
                spool,
                Sender(export, headers, "traces"),
                Keyring(home.keyring, home.master_key),
                self._tally,
            )
            self.jobs += (Job("export of spans", self._spans.tick, export.interval_s),)
        if export.metrics:
            metrics = MetricsExporter(
                export,
                counters.book,
                counters.lock,
                Sender(export, headers, "metrics"),
                tally=self._tally,
                now_ms=now_ms,
            )
            self.jobs += (Job("export of metrics", metrics.tick, export.metrics_interval_s),)

    def families(self, _: int) -> list[Family]:
        """Returns what became of what was to be sent; nothing where nothing is."""
        return export_families(self._tally, self._spool) if self.jobs else []

    def tell(self, calls: Sequence[RequestCompleted]) -> None:
        """Takes the calls that have come on record."""
        if self._spans is not None:
            self._spans.tell(calls)


def _reached(projector: Projector) -> dict[str, int]:
    return {name: progress.position for name, progress in projector.positions.items()}


def _headers(settings: ControlSettings) -> dict[str, str]:
    """Returns the headers with their secrets; one whose variable is not set is left out."""
    named = settings.telemetry.export.headers.items()
    found = {header: settings.own_secrets.get(secret_name(reference) or "") for header, reference in named}
    return {header: value for header, value in found.items() if value is not None}


def observing(
    instruments: Instruments,
    screen: ScreenSettings,
    home: Home,
    sending: Sending,
    publisher: Publisher,
) -> tuple[Resources, Sequence[Job]]:
    """Adds what looks at the machine, and what was sent on, to the metrics and the first screen.

    Returns:
        What looks, for the API, and the jobs that look and send.
    """
    resources = Resources(home.root, instruments.status, Gpus(nvidia_library()))
    instruments.further.append(lambda _: machine_families(resources.last()))
    instruments.further.append(sending.families)
    instruments.further.append(
        lambda _: limit_families(instruments.status.usage(), has_keys=sending.label_keys)
    )
    scrapes = Scrapes(lambda: _targets(publisher.catalogue))
    instruments.further.append(lambda _: _engines(instruments, scrapes))
    screen.sources["resources"] = resources.source
    return resources, (
        Job("resources", resources.tick, float(STEP_S)),
        Job("metrics of engines elsewhere", scrapes.tick, SCRAPE_S),
        *sending.jobs,
    )


def _engines(instruments: Instruments, scrapes: Scrapes) -> list[Family]:
    supervisor = instruments.status.supervisor()
    own = engine_families(supervisor.engines if supervisor else ())
    return merged([*own, *instruments.counters.engine_families(), *scrapes.families()])


def _targets(catalogue: Catalogue) -> list[EngineTarget]:
    """Returns the servers of models that somebody runs: no vendor of the catalogue, no engine of ours."""
    own = {
        provider.name: provider.base_url
        for provider in catalogue.providers
        if provider.name not in CATALOGUE and provider.base_url.startswith(("http://", "https://"))
    }
    return [
        EngineTarget(deployment.id, own[deployment.provider].rstrip("/").removesuffix("/v1") + "/metrics")
        for route in catalogue.models
        for deployment in route.deployments
        if deployment.engine is None and deployment.provider in own
    ]
