"""`pilothouse dashboards`: the Grafana dashboards and Prometheus rules that come with this version, as files.

Refuses to know what they show. Invariant: nothing that is there already is written over unless that is asked
for.
"""

import shutil
from pathlib import Path
from typing import Annotated

import typer

import pilothouse
from pilothouse.contracts.errors import ConfigurationError

app = typer.Typer(help="Grafana dashboards and Prometheus alert rules.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `export` a word of its own."""


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="Where to; it is made when it is not there.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Write over what is there.")] = False,
) -> None:
    """Writes the dashboards to `DIR/grafana` and the alert rules to `DIR/prometheus`."""
    files = sorted(path for path in shipped().rglob("*") if path.suffix in {".json", ".yml"})
    wanted = {path: folder / path.relative_to(shipped()) for path in files}
    there = [str(target) for target in wanted.values() if target.exists()]
    if there and not force:
        raise ConfigurationError(f"{there[0]} is there already.", hint="Give --force to write over it.")
    for path, target in wanted.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        typer.echo(str(target))


def shipped() -> Path:
    """Returns the folder they come in: in the package, or in the repository beside it.

    Raises:
        ConfigurationError: This installation came without them.
    """
    package = Path(pilothouse.__file__).parent
    for folder in (package / "ops", package.parents[1] / "ops"):
        if (folder / "grafana").is_dir():
            return folder
    raise ConfigurationError("This installation came without dashboards.", hint="Install the wheel anew.")
