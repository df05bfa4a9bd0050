"""`pilothouse config`: check the configuration file, and explain what holds and why.

Refuses to know what a setting does. Invariant: nothing is changed and nothing needs to run.
"""

import os
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape

from pilothouse.cli import display
from pilothouse.cli.options import ConfigOption, JsonOption

app = typer.Typer(no_args_is_help=True, help="Check and explain the configuration.")


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
