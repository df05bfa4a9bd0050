"""`pilothouse config`: check the configuration file, explain what holds and why, put it in force.

Refuses to know what a setting does. Invariant: but for `apply`, nothing is changed and nothing needs to run.
"""

import os
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape

from pilothouse.cli import display
from pilothouse.cli.client import Management
from pilothouse.cli.options import ConfigOption, HomeOption, JsonOption, home_of
from pilothouse.contracts.errors import ConfigurationError

app = typer.Typer(no_args_is_help=True, help="Check, explain and apply the configuration.")


@app.command()
def check(config: ConfigOption = None) -> None:
    """Checks the configuration file; each mistake is shown with its line and a remedy."""
    from pilothouse.config.load import load
    from pilothouse.config.plan import check_plan

    loaded = load(str(config) if config else None, os.environ)
    check_plan(loaded, os.environ)
    name = str(config) if config else "the defaults (no file is named)"
    display.console().print(f"[green]OK[/]  {escape(name)}")


@app.command()
def apply(*, config: ConfigOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Puts what the file says about models, providers, prices, record, teams, limits and admission in force.

    Nothing is restarted; calls under way are not touched. The other sections are read at the start only.
    """
    from pilothouse.cli import models
    from pilothouse.config.load import load
    from pilothouse.config.plan import check_plan

    if config is None:
        raise ConfigurationError(
            "There is no file to apply.", hint="Name one with --config or PILOTHOUSE_CONFIG."
        )
    loaded, place = load(str(config), os.environ), home_of(home)
    check_plan(loaded, os.environ)
    management = Management(place)
    in_force = management.call("GET", "/api/v1/configuration")
    rollout = loaded.configuration.rollout
    if not as_json:
        models.pull_missing(place, rollout)
    body = {"replaces": in_force["digest"], "settings": msgspec.to_builtins(rollout)}
    applied = management.call("PUT", "/api/v1/configuration", body)
    if as_json:
        display.print_json(applied)
        return
    out = display.console()
    out.print(f"[green]Applied[/]  {escape(str(config))} as revision {applied['revision']}")
    out.print(f"[dim]Served now: {escape(', '.join(applied['models']) or 'nothing')}[/]", soft_wrap=True)
    for source in applied["missing"]:
        out.print(f"[yellow]Not here, not served:[/] {escape(source)}", soft_wrap=True)


@app.command()
def explain(
    config: ConfigOption = None,
    *,
    prefix: Annotated[str, typer.Argument(help="Only settings that begin so, for example `gateway`.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Shows every setting that holds, and where it comes from."""
    from pilothouse.config.explain import explain as rows_of
    from pilothouse.config.load import load

    rows = [
        row
        for row in rows_of(load(str(config) if config else None, os.environ))
        if row.name.startswith(prefix)
    ]
    if as_json:
        display.print_json([msgspec.to_builtins(row) for row in rows])
        return
    table = display.table("SETTING", "VALUE", "FROM")
    for row in rows:
        colour = "dim" if row.origin == "default" else "bold"
        table.add_row(f"[{colour}]{escape(row.name)}[/]", escape(_shown(row.value)), escape(row.origin))
    display.console().print(table)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and not value:
        return "[]"
    return display.value(value)
