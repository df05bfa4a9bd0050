"""The gateway's settings: the `gateway:` section a person writes, and what one worker process is handed.

Refuses to know how they were read. Invariant: secrets come only in `GatewayProcess`, which is sent over a
pipe and never written to a file.
"""

from typing import Annotated, Literal

import msgspec

from pilothouse.network.settings import Deadlines, PoolSettings
from pilothouse.telemetry.settings import IntakeSettings, JournalSettings

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class LimitSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is accepted from clients and taken from upstreams, at most."""

    body_bytes: Count = 33_554_432
    """The largest request body of a call, in bytes (32 MB); above it 413."""
    head_bytes: Count = 65_536
    """The largest request line and headers together, in bytes; above it 431."""
    headers: Count = 128
    """The most headers of one request; above it 431."""
    connections: Count = 10_000
    """The most client connections of one worker; further ones are closed with 503."""
    memory_bytes: Count = 1_073_741_824
    """The most that one worker holds of request bodies, of plain answers and of what clients do not take, in
    bytes (1 GB); above it further bodies get 503. Calls under way may take it beyond, each by one answer."""
    answer_bytes: Count = 134_217_728
    """The largest plain answer taken from an upstream, in bytes (128 MB); above it 502."""
    event_bytes: Count = 8_388_608
    """The largest single event of a stream, in bytes (8 MB); above it the stream is cut."""


class DeadlineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long the gateway waits for whom. Their resolution is 0.1 s."""

    head_s: Seconds = 10.0
    """For a client to send its request's headers, in seconds; then 408."""
    body_s: Seconds = 60.0
    """For a client to send its request's body, in seconds; then 408."""
    keep_alive_s: Seconds = 75.0
    """For a client's next request on a kept connection, in seconds; then it is closed."""
    client_stall_s: Seconds = 60.0
    """For a client to take more of its answer, in seconds; then the call is cancelled."""
    first_byte_s: Seconds = 300.0
    """For an upstream to begin its answer, in seconds; then 504. A plain answer begins when all its tokens
    are made."""
    idle_s: Seconds = 60.0
    """For an upstream to send more of an answer it began, in seconds; then 504, or the stream is cut."""
    engine_start_s: Seconds = 30.0
    """For an engine of ours that does not listen yet, in seconds; then 503."""
    drain_s: Seconds = 20.0
    """For running calls when the worker is told to stop, in seconds; then they are cut."""
    handover_s: Seconds = 900.0
    """For running calls of a worker whose successor serves already (`pilothouse reload` and `upgrade`), in
    seconds; then they are cut."""
    farewell_s: Seconds = 30.0
    """For the next request on an idle connection of such a worker, in seconds; then it is closed. Clients
    that call more often never meet a connection that closes under a request."""


class TlsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The certificate that the gateway shows, and which ones it wants; files are read again when changed."""

    certificate: str
    """Path of the certificate with its chain, PEM."""
    key: str
    """Path of its private key, PEM, without a password."""
    client_ca: str | None = None
    """Path of the authorities, PEM, whose client certificates are taken; left out: none is asked for."""
    client_certificates: Literal["required", "optional"] = "required"
    """Whether a client without a certificate is refused; of use with `client_ca` only."""


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `gateway:` section of the configuration file."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8080
    """The port to listen on; 0 takes a free one."""
    workers: Count = 1
    """Worker processes; one serves as much as one core can."""
    tls: TlsSettings | None = None
    """How clients speak TLS to the gateway; left out: they speak plain HTTP."""
    allowed_origins: tuple[str, ...] = ()
    """Origins (`https://host:port`) besides our own whose pages may use a browser session."""
    limits: LimitSettings = LimitSettings()
    """The most that is accepted."""
    deadlines: DeadlineSettings = DeadlineSettings()
    """How long is waited."""
    pool: PoolSettings = PoolSettings()
    """The connections to upstreams."""
    sampled_confidence: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    """The share of calls that are asked for log-probabilities where `record.confidence` is `sampled`."""

    def exchange_deadlines(self) -> Deadlines:
        """Returns the deadlines of one exchange with an upstream."""
        return Deadlines(first_byte_s=self.deadlines.first_byte_s, idle_s=self.deadlines.idle_s)


class GatewayProcess(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one worker process reads from its standard input, as one JSON document."""

    home: str
    """The home folder's absolute path."""
    worker: str
    """This worker's name: letters, digits and dashes, unique in the home."""
    version: str
    """What `/version` says."""
    listen_fd: int
    """The inherited file descriptor of a listening socket."""
    secrets: dict[str, str] = {}
    """Providers' API keys by the name that the snapshot uses."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names that a browser may use for this server, besides loopback names and addresses in figures."""
    window_s: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    """What counts as a minute where requests and tokens are limited, in seconds: tests shorten it."""
    settings: GatewaySettings = GatewaySettings()
    """The `gateway:` section."""
    journal: JournalSettings = JournalSettings()
    """The `journal:` section."""
    intake: IntakeSettings = IntakeSettings()
    """The section `telemetry.intake`."""
