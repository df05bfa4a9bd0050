"""The border of the command line: what a person sees when a command fails.

Refuses to know the commands. Invariant: an expected error prints its message and its hint on standard error
and exits with 1 (2 for wrong usage, 130 after an interrupt); a traceback is only for our own faults.
"""

from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from pilothouse.contracts.errors import PilothouseError

INTERRUPTED = 130


class ErrorBorder(TyperGroup):
    """The root group of commands: turns our errors into two clear lines."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the chosen command."""
        try:
            return super().invoke(ctx)
        except PilothouseError as error:
            show(error)
            ctx.exit(1)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            ctx.exit(0)


def show(error: PilothouseError) -> None:
    """Prints an error and its hint on standard error."""
    console = Console(stderr=True, soft_wrap=True)
    console.print(f"[bold red]Error:[/] {escape(error.message)}", highlight=False)
    if error.hint:
        console.print(f"[dim]{escape(error.hint)}[/]", highlight=False)
