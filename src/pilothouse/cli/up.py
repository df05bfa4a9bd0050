"""`pilothouse up`: runs everything until it is told to stop.

Refuses to know how processes are run. Invariant: what is wrong is said before anything is started.
"""

import os
from typing import Annotated

import typer
from rich.console import Console

from pilothouse.cli.options import ConfigOption, HomeOption, home_of


def up(
    *,
    home: HomeOption = None,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on [env: PILOTHOUSE_HOST; default: 127.0.0.1].")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="The port to listen on [env: PILOTHOUSE_PORT; default: 8080]."),
    ] = None,
    config: ConfigOption = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Gateway processes [env: PILOTHOUSE_WORKERS; default: 1].")
    ] = None,
) -> None:
    """Runs the gateway, the engines, the record and the console, here, until Ctrl-C."""
    from pilothouse import __version__
    from pilothouse.cli import models
    from pilothouse.config.load import load
    from pilothouse.config.plan import check_plan, secrets_of
    from pilothouse.supervise.announce import Announcer
    from pilothouse.supervise.children import Plan
    from pilothouse.supervise.handover import become_supervisor
    from pilothouse.supervise.home import HomeLock, prepare, root_key
    from pilothouse.supervise.listen import address_of, is_loopback, listen

    loaded = load(
        str(config) if config else None, os.environ, {"host": host, "port": port, "workers": workers}
    )
    check_plan(loaded, os.environ)
    configuration, place = loaded.configuration, home_of(home)
    announcer = Announcer(Console(highlight=False))
    announcer.starting(__version__, place.root)
    prepare(place)
    lock_fd = HomeLock(place).acquire()
    models.pull_missing(place, configuration.rollout)
    listening = listen(configuration.gateway.host, configuration.gateway.port)
    if not is_loopback(configuration.gateway.host):
        announcer.warn(
            f"{configuration.gateway.host} can be reached from other machines, without encryption. "
            "Put a TLS proxy in front (docs/how-to/run-behind-a-tls-proxy.md)."
        )
    text, is_new = root_key(place, os.environ.get("PILOTHOUSE_ROOT_KEY"))
    plan = Plan(
        home=place,
        listen_fd=listening.fileno(),
        lock_fd=lock_fd,
        configuration=configuration,
        address=address_of(configuration.gateway.host, listening.getsockname()[1]),
        secrets=secrets_of(loaded, os.environ),
        root_key=text,
        new_root_key=text if is_new else None,
    )
    become_supervisor(plan)
