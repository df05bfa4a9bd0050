"""Settings of the journal and of telemetry: how much is written where, and what is taken in.

Refuses to know who writes. Invariant: every field has a default that is safe on one machine.
"""

from typing import Annotated, Literal

import msgspec

__all__ = ["ExportSettings", "IntakeSettings", "JournalSettings", "PrometheusSettings", "TelemetrySettings"]

MEBIBYTE = 1024 * 1024


class JournalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the journal takes up disk, when intake stops, and how long what it holds is kept."""

    segment_bytes: int = 64 * MEBIBYTE
    """Size of one segment file in bytes. Each writing process holds two of them allocated ahead."""
    quota_bytes: int = 16 * 1024 * MEBIBYTE
    """The most the journal folder may take, in bytes. Projected segments go first, oldest first; when
    what is not yet projected fills the quota, intake stops with 503."""
    reserve_bytes: int = 256 * MEBIBYTE
    """Free bytes the file system must keep; below this, intake stops with 503."""
    watch_interval_s: float = 0.25
    """Seconds between two looks at disk, quota and keyring."""
    sync_interval_s: float = 1.0
    """Seconds between two `fdatasync` of the segment being written: what a power cut can take. A process
    that dies takes nothing. 0 leaves it to the operating system."""
    content_retention_days: int = 30
    """Days that content (messages, answers) is kept, sealed."""
    metadata_retention_days: int = 395
    """Days that metadata (who, which model, times, tokens, cost) is kept: 13 months."""

    def __post_init__(self) -> None:
        """Refuses values with which nothing could be written or kept."""
        if self.segment_bytes < 64 * 1024:
            raise ValueError("segment_bytes must be at least 65536")
        if self.quota_bytes < 3 * self.segment_bytes:
            raise ValueError("quota_bytes must be at least three times segment_bytes")
        if self.reserve_bytes < 0 or self.watch_interval_s <= 0 or self.sync_interval_s < 0:
            raise ValueError("reserve_bytes and sync_interval_s must be 0 or more, watch_interval_s above 0")
        if self.content_retention_days < 1 or self.metadata_retention_days < self.content_retention_days:
            raise ValueError(
                "content_retention_days must be at least 1, and metadata_retention_days no less than it"
            )


class IntakeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What applications may send as OpenTelemetry data (`/v1/traces`, `/v1/metrics`, `/v1/logs`)."""

    enabled: bool = True
    """Whether it is taken in at all."""
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] | None = None
    """A second port for it beside the gateway's own, such as OTLP's usual 4318; left out: none."""
    body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=32 * MEBIBYTE)] = 16 * MEBIBYTE
    """The largest body, unpacked, in bytes; above it 413."""
    quota_bytes: Annotated[int, msgspec.Meta(ge=32 * MEBIBYTE)] = 2 * 1024 * MEBIBYTE
    """The most that may wait on disk to be folded in, in bytes; above it senders are told to come back."""
    decoders: Annotated[int, msgspec.Meta(ge=1, le=16)] = 2
    """Processes that decode, when there is something to decode."""
    decoder_idle_s: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    """Seconds after which a decoder with nothing to do ends."""


class ExportSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Calls sent on as OpenTelemetry spans and metrics (OTLP over HTTP, protobuf), made from the journal."""

    endpoint: str | None = None
    """Where to, such as `http://127.0.0.1:4318`; `/v1/traces` and `/v1/metrics` are put behind it. Left out:
    nothing is sent."""
    headers: dict[str, str] = {}
    """Headers of each request, such as `authorization`; each value is a reference like `${OTLP_TOKEN}`."""
    traces: bool = True
    """Whether calls are sent as spans."""
    metrics: bool = True
    """Whether histograms and counts are sent."""
    conventions: Literal["1.41", "latest"] = "1.41"
    """Whose names are used: those of the GenAI conventions 1.41, or of their repository of their own."""
    content: bool = False
    """Whether messages and answers are sent too. They leave this machine unsealed."""
    allow_private: bool = True
    """Whether the endpoint may be at an address of this machine or a private network."""
    gzip: bool = True
    """Whether bodies are compressed."""
    batch_spans: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 512
    """The most calls in one request."""
    interval_s: Annotated[float, msgspec.Meta(ge=0.1)] = 1.0
    """Seconds between two looks for calls to be sent."""
    metrics_interval_s: Annotated[float, msgspec.Meta(ge=1)] = 30.0
    """Seconds between two sendings of metrics."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 8.0
    """Seconds that one request may take."""
    retry_most_s: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    """The longest wait before a request is tried again, in seconds."""
    resource: dict[str, str] = {}
    """Further attributes of the resource, such as `deployment.environment.name`."""

    def __post_init__(self) -> None:
        """Refuses an endpoint that is none."""
        if self.endpoint is not None and not self.endpoint.startswith(("http://", "https://")):
            raise ValueError("endpoint must begin with http:// or https://")
        if "@" in (self.endpoint or ""):
            raise ValueError("endpoint must hold no name and password: give them as a header, by reference")


class PrometheusSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `/metrics` tells apart."""

    label_keys: bool = False
    """Whether counts are told apart by API key too (label `key`: its id)."""
    most_series: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 500
    """The most label sets of one kind; what comes beyond is counted under `other`."""


class TelemetrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `telemetry:` section of the configuration file."""

    intake: IntakeSettings = IntakeSettings()
    """What applications may send."""
    export: ExportSettings = ExportSettings()
    """What is sent on to a collector or another backend."""
    prometheus: PrometheusSettings = PrometheusSettings()
    """What `/metrics` tells apart."""
