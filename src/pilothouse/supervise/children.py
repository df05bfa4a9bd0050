"""What each child process of `up` is: its command, its settings, how one knows that it is ready.

Refuses to know what the children do with their settings. Invariant: a child gets the sections it reads and
no more; secrets go to the gateway alone, over a pipe.
"""

import asyncio
import os
import sys

import msgspec

from pilothouse import __version__
from pilothouse.config.sections import Configuration
from pilothouse.contracts.home import Home
from pilothouse.control.settings import ControlSettings
from pilothouse.gateway.settings import GatewayProcess
from pilothouse.serving.process import ChildSpec
from pilothouse.supervise import management

KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What children keep of the environment; no secret is among it."""

CONTROL_STOPS_WITHIN_S = 20.0
SPARE_S = 5.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that `up` was told, settled before the first process starts."""

    home: Home
    listen_fd: int
    """The listening socket, inherited by every gateway."""
    lock_fd: int
    """Holds the home's lock for as long as the supervisor lives."""
    configuration: Configuration
    address: str
    """`http://host:port` as clients on this machine use it."""
    secrets: dict[str, str]
    """Providers' API keys by the name of their environment variable."""
    root_key: str
    new_root_key: str | None = None
    """The root key again, when it was made just now and is to be shown once."""


def environment() -> dict[str, str]:
    """Returns the environment that children get."""
    return {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}


def control_child(plan: Plan) -> ChildSpec:
    """Returns how the control process is run."""
    settings = ControlSettings(
        home=plan.home.root,
        address=plan.address,
        access=plan.configuration.access,
        rollout=plan.configuration.rollout,
        journal=plan.configuration.journal,
        store=plan.configuration.analytics,
        secrets=tuple(sorted(plan.secrets)),
        root_key=plan.root_key,
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


def gateway_child(plan: Plan, number: int) -> ChildSpec:
    """Returns how the `number`-th gateway worker is run; it inherits the listening socket."""
    worker = str(number)
    status_socket = plan.home.gateway_status_socket(worker)
    gateway = plan.configuration.gateway
    settings = GatewayProcess(
        home=plan.home.root,
        worker=worker,
        version=__version__,
        listen_fd=plan.listen_fd,
        secrets=plan.secrets,
        allowed_hosts=(*plan.configuration.access.allowed_hosts, gateway.host),
        settings=gateway,
        journal=plan.configuration.journal,
    )

    async def is_ready() -> bool:
        return await asyncio.to_thread(management.answers, status_socket, "/status")

    return ChildSpec(
        name=f"gateway-{worker}",
        command=(sys.executable, "-m", "pilothouse.gateway"),
        settings=msgspec.json.encode(settings),
        log_path=f"{plan.home.logs}/gateway-{worker}.out",
        environment=environment(),
        pass_fds=(plan.listen_fd,),
        is_ready=is_ready,
        ready_poll_s=0.05,
        stop_within_s=gateway.deadlines.drain_s + SPARE_S,
    )
