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
    from pilothouse.cli.settle import check, settle
    from pilothouse.supervise.announce import Announcer
    from pilothouse.supervise.children import Origin, Plan
    from pilothouse.supervise.handover import Handover, become_supervisor
    from pilothouse.supervise.home import HomeLock, prepare, root_key
    from pilothouse.supervise.listen import is_loopback, listen

    place = home_of(home)
    origin = Origin(
        file=str(config.expanduser().absolute()) if config else None,
        flags={"host": host, "port": port, "workers": workers},
        environment=dict(os.environ),
    )
    announcer = Announcer(Console(highlight=False))
    check(origin)
    announcer.starting(__version__, place.root)
    prepare(place)
    lock_fd = HomeLock(place).acquire()
    settled = settle(origin, place)
    gateway = settled.configuration.gateway
    listening = listen(gateway.host, gateway.port)
    if not is_loopback(gateway.host) and gateway.tls is None:
        announcer.warn(
            f"{gateway.host} can be reached from other machines, without encryption. Give the gateway "
            "a certificate (`gateway.tls`), or put a proxy in front (docs/how-to/run-behind-a-tls-proxy.md)."
        )
    text, is_new = root_key(place, os.environ.get("PILOTHOUSE_ROOT_KEY"))
    plan = Plan(
        home=place,
        listen_fd=listening.fileno(),
        lock_fd=lock_fd,
        origin=origin,
        port=listening.getsockname()[1],
        settled=settled,
        root_key=text,
        new_root_key=text if is_new else None,
    )
    become_supervisor(Handover(plan=plan))
