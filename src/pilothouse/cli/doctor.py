"""`pilothouse doctor`: says what is wrong with this machine or this home, and what to do about it.

Refuses to know the checks. Invariant: the exit status is 1 when something is wrong, and nothing is changed.
"""

import msgspec
import typer
from rich.markup import escape

from pilothouse.cli import display
from pilothouse.cli.options import HomeOption, JsonOption, home_of

MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "error": "[red]✗[/]"}


def doctor(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Looks the installation over; works while Pilothouse runs or not."""
    from pilothouse.supervise.doctor import examine

    findings = list(examine(home_of(home)))
    if as_json:
        display.print_json(msgspec.to_builtins(findings))
    else:
        table = display.table("", "CHECK", "FOUND")
        for finding in findings:
            hint = f"\n[dim]{escape(finding.hint)}[/]" if finding.hint else ""
            table.add_row(MARKS[finding.level], finding.check, escape(finding.message) + hint)
        display.console().print(table)
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)
