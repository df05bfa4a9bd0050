"""What the control process is handed on standard input.

Refuses to know how it is read. Invariant: no provider's secret is in it, only the names of those set.
"""

import msgspec

from pilothouse.access.settings import AccessSettings
from pilothouse.monitors.alerts.settings import AlertSettings
from pilothouse.monitors.delivery.settings import ReceiverSettings
from pilothouse.monitors.metrics.settings import MetricSettings
from pilothouse.monitors.objectives.settings import ObjectiveSettings
from pilothouse.rollout.settings import RolloutSettings
from pilothouse.store.settings import StateSettings, StoreSettings
from pilothouse.telemetry.settings import JournalSettings, TelemetrySettings


class ControlSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One JSON document, written to the control process's standard input by the supervisor."""

    home: str
    """The home folder, absolute."""
    address: str = "http://127.0.0.1:8080"
    """Where clients reach the gateway."""
    access: AccessSettings = AccessSettings()
    """The `access:` section."""
    rollout: RolloutSettings = RolloutSettings()
    """The sections that decide what serves."""
    journal: JournalSettings = JournalSettings()
    """The `journal:` section."""
    telemetry: TelemetrySettings = TelemetrySettings()
    """The `telemetry:` section."""
    store: StoreSettings = StoreSettings()
    """The `analytics:` section."""
    state: StateSettings = StateSettings()
    """The `state:` section."""
    alerts: AlertSettings = AlertSettings()
    """The `alerts:` section."""
    receivers: dict[str, ReceiverSettings] = {}
    """The `receivers:` section."""
    objectives: dict[str, ObjectiveSettings] = {}
    """The `objectives:` section."""
    metrics: dict[str, MetricSettings] = {}
    """The `metrics:` section."""
    secrets: tuple[str, ...] = ()
    """Names of the environment variables that are set and hold a provider's key (never their values)."""
    own_secrets: dict[str, str] = {}
    """Values of the environment variables that this process itself needs: databases' passwords,
    receivers' addresses."""
    engine_numbers: dict[str, int] = {}
    """The numbers of the sockets of engines that run already, by deployment: they are kept."""
    root_key: str | None = None
    """The root key's text, when the operator gave one; else it is read from the home folder."""
    run: str = ""
    """Names this run of `up`: what is applied while it runs outlives the control process, but not the run."""
