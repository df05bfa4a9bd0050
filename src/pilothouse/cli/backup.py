"""`pilothouse backup` and `pilothouse restore`: a home in one file, and back.

Refuses to know what a home holds. Invariant: a backup is the same whether Pilothouse runs or not; a restore
goes into an empty home only.
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pilothouse.cli import display
from pilothouse.cli.client import Management
from pilothouse.cli.options import HomeOption, JsonOption, home_of
from pilothouse.contracts.errors import ConfigurationError

WithKeys = Annotated[
    bool,
    typer.Option(
        "--with-keys", help="Put the secret keys in too: the file can then be read by whoever has it."
    ),
]


def backup(*, with_keys: WithKeys = False, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Saves the home into one file in its backups folder; works while Pilothouse runs or not."""
    from pilothouse.supervise.home import running_pid

    place = home_of(home)
    if not Path(place.root).is_dir():
        raise ConfigurationError(f"There is no home at {place.root}.", hint="Name it with --home.")
    out = display.console()
    with out.status("Saving ..."):
        if running_pid(place) is not None:
            made = Management(place).call("POST", "/api/v1/backups", {"with_keys": with_keys})
        else:
            from pilothouse.store.backup import create_backup

            made = asdict(create_backup(place, now_ms=int(time.time() * 1000), with_keys=with_keys))
    _show("Saved", made, as_json=as_json)
    if not with_keys and not as_json:
        out.print(f"[dim]Without the keys: keep a copy of {escape(place.keys)} apart, somewhere safe.[/]")


def restore(
    file: Annotated[
        Path, typer.Argument(help="A file that `pilothouse backup` made.", exists=True, dir_okay=False)
    ],
    *,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Brings a backup back into an empty home, every file checked against its digest."""
    from pilothouse.store.backup import restore_backup
    from pilothouse.supervise.home import running_pid

    place = home_of(home)
    if running_pid(place) is not None:
        raise ConfigurationError(f"Pilothouse runs in {place.root}.", hint="Stop it first.")
    out = display.console()
    with out.status("Restoring ..."):
        restored = asdict(restore_backup(str(file), place))
    _show(f"Restored into {place.root} from", restored, as_json=as_json)
    if not restored["includes_keys"] and not as_json:
        out.print(f"[dim]The backup has no keys: put your copy of them into {escape(place.keys)}.[/]")


def _show(verb: str, report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        display.print_json(report)
        return
    facts = f"{report['files']} files, {display.size(report['size_bytes'])}"
    display.console().print(f"[green]✓[/] {escape(verb)} {escape(report['path'])}  ({facts})", soft_wrap=True)
    for url in report["not_covered"]:
        display.console().print(f"[yellow]![/] Not in it: {escape(url)}. Back it up with its own tools.")
