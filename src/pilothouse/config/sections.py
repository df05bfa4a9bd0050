"""The sections of the configuration file, each the settings of the package that reads it.

Refuses to know what is in a section. Invariant: an empty file is a whole configuration.
"""

import msgspec

from pilothouse.access.settings import AccessSettings
from pilothouse.gateway.settings import GatewaySettings
from pilothouse.monitors.alerts.settings import AlertSettings
from pilothouse.monitors.delivery.settings import ReceiverSettings
from pilothouse.monitors.metrics.settings import MetricSettings
from pilothouse.monitors.objectives.settings import ObjectiveSettings
from pilothouse.rollout.settings import (
    ModelSettings,
    PriceSettings,
    ProviderSettings,
    RecordSettings,
    RolloutSettings,
)
from pilothouse.rollout.traffic_settings import AdmissionSettings, CounterSettings, TeamSettings
from pilothouse.serving.settings import EngineSettings
from pilothouse.store.settings import StateSettings, StoreSettings
from pilothouse.telemetry.settings import JournalSettings, TelemetrySettings


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    models: dict[str, ModelSettings] | None = None
    """Models by the name that clients ask for. Left out: the bundled models."""
    providers: dict[str, ProviderSettings] = {}
    """Vendors and servers by name. Left out: each vendor of the catalogue whose key is in the environment."""
    prices: dict[str, PriceSettings] = {}
    """Prices by `<provider>/<model>`, before those of the `genai-prices` package."""
    record: RecordSettings = RecordSettings()
    """What of each call is kept, unless its model or key says otherwise."""
    teams: dict[str, TeamSettings] = {}
    """What all keys with one team label may use together, by label."""
    limits: CounterSettings = CounterSettings()
    """Where the limits of keys, teams and models are counted."""
    admission: AdmissionSettings = AdmissionSettings()
    """What happens when there are more calls than can be worked on at once."""
    gateway: GatewaySettings = GatewaySettings()
    """Where the gateway listens, and its limits and deadlines."""
    engines: EngineSettings = EngineSettings()
    """Defaults of the engines that Pilothouse runs."""
    journal: JournalSettings = JournalSettings()
    """How the record of calls is written and how long it is kept."""
    telemetry: TelemetrySettings = TelemetrySettings()
    """What is taken in from applications' own instrumentation, and sent on to others."""
    analytics: StoreSettings = StoreSettings()
    """Where the record of calls and traces is kept for questions, and what it may use."""
    state: StateSettings = StateSettings()
    """Where keys, sessions, configuration revisions and alerts are kept."""
    alerts: AlertSettings = AlertSettings()
    """What is watched, and when somebody is told."""
    receivers: dict[str, ReceiverSettings] = {}
    """Who is told of alerts, by name."""
    objectives: dict[str, ObjectiveSettings] = {}
    """What is promised of which calls, by name: error budgets, and how fast they go."""
    metrics: dict[str, MetricSettings] = {}
    """Numbers of your own, by name, computed of each call."""
    access: AccessSettings = AccessSettings()
    """How people and programs prove who they are."""

    @property
    def rollout(self) -> RolloutSettings:
        """The sections that decide what serves, as the rollout package takes them."""
        return RolloutSettings(
            models=self.models,
            providers=self.providers,
            prices=self.prices,
            record=self.record,
            teams=self.teams,
            limits=self.limits,
            admission=self.admission,
        )
