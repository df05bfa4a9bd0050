"""What each child process of `up` is: its command, its settings, how one knows that it is ready.

Refuses to know what the children do with their settings. Invariant: a child gets the sections it reads and
no more; secrets go over a pipe: providers' to the gateway alone, databases' to control alone.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from secrets import token_hex

import msgspec

from pilothouse import __version__
from pilothouse.config.sections import Configuration
from pilothouse.contracts.home import Home
from pilothouse.control.settings import ControlSettings
from pilothouse.gateway.settings import GatewayProcess
from pilothouse.serving.process import ChildSpec
from pilothouse.supervise import management
from pilothouse.supervise.listen import address_of

KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What children keep of the environment; no secret is among it."""

CONTROL_STOPS_WITHIN_S = 20.0
SPARE_S = 5.0


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration was read from, so that it can be read again."""

    file: str | None = None
    """The configuration file's absolute path."""
    flags: dict[str, int | str | None] = {}
    """What the command line said of `host`, `port` and `workers`."""
    environment: dict[str, str] = {}
    """The variables that `up` was started with; kept in memory, and given to no child but the one that reads
    the configuration again."""


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What a configuration came to."""

    version: str
    """Of the program that read it."""
    configuration: Configuration
    secrets: dict[str, str]
    """Providers' API keys by the name of their environment variable."""
    control_secrets: dict[str, str] = {}
    """What the control process itself needs, by the name of its environment variable."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that `up` was told, settled before the first process starts."""

    home: Home
    listen_fd: int
    """The listening socket, inherited by every gateway."""
    port: int
    """Where it listens."""
    lock_fd: int
    """Holds the home's lock for as long as the supervisor lives."""
    origin: Origin
    """What the configuration was read from."""
    settled: Settled
    """What it came to."""
    root_key: str
    new_root_key: str | None = None
    """The root key again, when it was made just now and is to be shown once."""

    @property
    def configuration(self) -> Configuration:
        """The configuration in force."""
        return self.settled.configuration

    @property
    def address(self) -> str:
        """`http://host:port`, or `https://`, as clients on this machine use it."""
        gateway = self.configuration.gateway
        return address_of(gateway.host, self.port, is_tls=gateway.tls is not None)


def environment() -> dict[str, str]:
    """Returns the environment that children get."""
    return {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}


def control_child(plan: Plan, engine_numbers: Mapping[str, int] | None = None) -> ChildSpec:
    """Returns how the control process is run; engines that run already keep the numbers of their sockets."""
    settings = ControlSettings(
        home=plan.home.root,
        address=plan.address,
        access=plan.configuration.access,
        rollout=plan.configuration.rollout,
        journal=plan.configuration.journal,
        telemetry=plan.configuration.telemetry,
        store=plan.configuration.analytics,
        state=plan.configuration.state,
        alerts=plan.configuration.alerts,
        receivers=plan.configuration.receivers,
        objectives=plan.configuration.objectives,
        metrics=plan.configuration.metrics,
        secrets=tuple(sorted(plan.settled.secrets)),
        own_secrets=plan.settled.control_secrets,
        root_key=plan.root_key,
        run=token_hex(8),
        engine_numbers=dict(engine_numbers or {}),
    )

    async def is_ready() -> bool:
        return await asyncio.to_thread(management.answers, plan.home.admin_socket, "/api/v1/session")

    return ChildSpec(
        name="control",
        command=(sys.executable, "-m", "pilothouse.control"),
        settings=msgspec.json.encode(settings),
        log_path=f"{plan.home.logs}/control.out",
        environment=environment(),
        is_ready=is_ready,
        ready_poll_s=0.1,
        stop_within_s=CONTROL_STOPS_WITHIN_S,
    )


def gateway_name(number: int, generation: int) -> str:
    """Returns a worker's name: workers of two generations live side by side while one takes over."""
    return str(number) if generation == 1 else f"{number}.{generation}"


def gateway_child(
    plan: Plan, number: int, *, generation: int = 1, secrets: Mapping[str, str] | None = None
) -> ChildSpec:
    """Returns how the `number`-th gateway worker is run; it inherits the listening socket.

    Args:
        plan: What was settled.
        number: From 0 on.
        generation: From 1 on.
        secrets: Keys that the snapshot in force still needs, and the plan's configuration may not.
    """
    worker = gateway_name(number, generation)
    status_socket = plan.home.gateway_status_socket(worker)
    gateway = plan.configuration.gateway
    settings = GatewayProcess(
        home=plan.home.root,
        worker=worker,
        version=__version__,
        listen_fd=plan.listen_fd,
        secrets={**(secrets or {}), **plan.settled.secrets},
        allowed_hosts=(*plan.configuration.access.allowed_hosts, gateway.host),
        settings=gateway,
        journal=plan.configuration.journal,
        intake=plan.configuration.telemetry.intake,
    )

    async def is_ready() -> bool:
        return await asyncio.to_thread(management.answers, status_socket, "/status")

    return ChildSpec(
        name=f"gateway-{worker}",
        command=(sys.executable, "-m", "pilothouse.gateway"),
        settings=msgspec.json.encode(settings),
        log_path=f"{plan.home.logs}/gateway-{number}.out",
        environment=environment(),
        pass_fds=(plan.listen_fd,),
        is_ready=is_ready,
        ready_poll_s=0.05,
        stop_within_s=gateway.deadlines.drain_s + SPARE_S,
    )
