"""`pilothouse reload` and `pilothouse upgrade`: other settings, or other code, without a gap.

Refuses to know how it is done: the supervisor does it. Invariant: when a command ends with an error, what
served before serves on.
"""

import os
from typing import Annotated

import typer
from rich.markup import escape

from pilothouse.cli import display
from pilothouse.cli.options import HomeOption, home_of
from pilothouse.contracts.errors import PilothouseError

EnvironmentOption = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="NAME",
        help="Take this variable from here; the others are those that `up` was started with.",
    ),
]


def reload(home: HomeOption = None, *, env: EnvironmentOption = None) -> None:
    """Puts the configuration file in force as it stands now, while calls and streams go on."""
    _give("reload", home_of(home).orders_socket, env or [])


def upgrade(home: HomeOption = None, *, env: EnvironmentOption = None) -> None:
    """Has the version that is installed now take over, while calls, streams and engines go on."""
    _give("upgrade", home_of(home).orders_socket, env or [])


def _give(verb: str, path: str, names: list[str]) -> None:
    import msgspec

    from pilothouse.supervise.orders import Order, give

    missing = [name for name in names if name not in os.environ]
    if missing:
        raise PilothouseError(
            f"The variable {missing[0]} is not set here.", hint="Set it, or leave out its --env."
        )
    order = msgspec.convert({"verb": verb, "environment": {name: os.environ[name] for name in names}}, Order)
    out = display.console()
    for word in give(path, order):
        if word.state == "refused":
            raise PilothouseError(word.text, hint=word.hint)
        out.print(f"[green]✓[/] {escape(word.text)}" if word.state == "done" else f"  {escape(word.text)}")
