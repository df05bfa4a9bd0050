"""The supervisor process: what `pilothouse up` becomes once everything is settled, or is upgraded to."""

import sys

from rich.console import Console

from pilothouse.supervise.announce import Announcer
from pilothouse.supervise.handover import receive
from pilothouse.supervise.home import clear_sockets
from pilothouse.supervise.up import run
from pilothouse.telemetry.logs import configure_logging


def main() -> None:
    """Runs until SIGINT or SIGTERM."""
    handover = receive(int(sys.argv[1]))
    home = handover.plan.home
    configure_logging("supervisor", home.logs)
    if handover.running is None:
        clear_sockets(home)
    try:
        run(handover, Announcer(Console(highlight=False)))
    finally:
        clear_sockets(home)


if __name__ == "__main__":
    main()
