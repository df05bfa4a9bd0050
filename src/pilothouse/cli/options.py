"""Options that several commands share.

Refuses to know the commands. Invariant: one spelling, one default, one help text for each option.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from pilothouse.contracts.home import Home

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="PILOTHOUSE_HOME",
        help="The folder that holds everything that is kept.",
        show_default="~/.pilothouse",
        file_okay=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", envvar="PILOTHOUSE_CONFIG", help="The configuration file (YAML).", dir_okay=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def home_of(option: Path | None) -> Home:
    """Returns the home that an option names, else the default one."""
    folder = option or Path(os.environ.get("PILOTHOUSE_HOME") or "~/.pilothouse")
    return Home(str(folder.expanduser().absolute()))
