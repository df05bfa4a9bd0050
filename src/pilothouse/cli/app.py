"""Assembles the commands into one program.

Refuses to know what a command does. Invariant: every group of commands is listed here, once.
"""

from typing import Annotated

import typer

from pilothouse import __version__
from pilothouse.cli import (
    alerts,
    backup,
    config,
    dashboards,
    doctor,
    journal,
    keys,
    life,
    models,
    requests,
    signin,
    up,
)


def build() -> typer.Typer:
    """Returns the whole command line."""
    app = typer.Typer(
        no_args_is_help=True,
        help="Run large language models in production from one place.",
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback()(_root)
    app.command("up")(up.up)
    app.command("reload")(life.reload)
    app.command("upgrade")(life.upgrade)
    app.add_typer(models.app, name="models")
    app.add_typer(keys.app, name="keys")
    app.add_typer(requests.app, name="requests")
    app.add_typer(alerts.app, name="alerts")
    app.add_typer(dashboards.app, name="dashboards")
    app.add_typer(journal.app, name="journal")
    app.add_typer(config.app, name="config")
    app.command("signin")(signin.signin)
    app.command("backup")(backup.backup)
    app.command("restore")(backup.restore)
    app.command("doctor")(doctor.doctor)
    return app


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if wanted:
        typer.echo(f"pilothouse {__version__}")
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """Does nothing by itself: the commands do."""
    del version
