"""The command line: one file a group of commands, assembled here.

Refuses to know how anything is done: commands that need a running Pilothouse speak to the management API.
Invariant: an error is one clear line with a hint and a non-zero exit status, never a traceback.
"""

import sys


def main() -> None:
    """Runs the command line; the entry point of the `pilothouse` program."""
    from pilothouse.cli.app import build
    from pilothouse.cli.border import show
    from pilothouse.contracts.errors import PilothouseError

    try:
        build()(prog_name="pilothouse")
    except PilothouseError as error:
        show(error)
        sys.exit(1)
