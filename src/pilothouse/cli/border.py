"""The border of the command line: what a person sees when a command fails.

Refuses to know the commands. Invariant: an expected error prints its message and its hint on standard error
and exits with 1 (2 for wrong usage); a traceback is only for our own faults.
"""

from rich.console import Console
from rich.markup import escape

from pilothouse.contracts.errors import PilothouseError


def show(error: PilothouseError) -> None:
    """Prints an error and its hint on standard error."""
    console = Console(stderr=True, soft_wrap=True)
    console.print(f"[bold red]Error:[/] {escape(error.message)}", highlight=False)
    if error.hint:
        console.print(f"[dim]{escape(error.hint)}[/]", highlight=False)
