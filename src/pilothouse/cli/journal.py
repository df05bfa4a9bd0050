"""`pilothouse journal`: check the record of calls, frame by frame.

Refuses to know how frames are written. Invariant: reads only, and works while Pilothouse runs or not.
"""

import msgspec
import typer
from rich.markup import escape

from pilothouse.cli import display
from pilothouse.cli.options import HomeOption, JsonOption, home_of
from pilothouse.contracts.errors import JournalError

app = typer.Typer(no_args_is_help=True, help="Check the record of calls.")


@app.callback()
def group() -> None:
    """Check the record of calls."""


@app.command()
def verify(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Checks every frame: its length, checksum and form, and its seal where the key still exists."""
    from pilothouse.telemetry.keyring import Keyring
    from pilothouse.telemetry.segments import list_segments
    from pilothouse.telemetry.segments import verify as verify_folder

    place = home_of(home)
    if not list_segments(place.journal):
        raise JournalError(f"There is no journal in {place.journal}.", hint="Name the home with --home.")
    report = verify_folder(place.journal, Keyring(place.keyring, place.master_key))
    if as_json:
        display.print_json(msgspec.to_builtins(report))
    else:
        columns = ("FRAMES", "SEALED", "AUTHENTIC", "ERASED", "DAMAGED", "USED")
        table = display.table("SEGMENT", *columns, "STATE", right=columns)
        for segment in report.segments:
            counts = (segment.frames, segment.sealed, segment.authentic, segment.erased, len(segment.damages))
            state = (
                "being written" if segment.is_running else "torn tail" if segment.has_torn_tail else "closed"
            )
            table.add_row(segment.name, *map(display.count, counts), display.size(segment.used_bytes), state)
        out = display.console()
        out.print(table)
        for segment in report.segments:
            for damage in segment.damages:
                out.print(f"[red]✗[/] {escape(segment.name)}: {escape(str(damage))}")
        sound = (
            "[green]✓ Every frame is whole.[/]" if report.is_sound else f"[red]✗ {report.damaged} damaged.[/]"
        )
        out.print(f"{sound} {report.frames} frames in {len(report.segments)} segments.")
    if not report.is_sound:
        raise typer.Exit(1)
