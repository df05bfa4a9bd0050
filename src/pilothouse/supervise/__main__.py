"""The supervisor process: what `pilothouse up` becomes once everything is settled."""

import os
import sys

from rich.console import Console

from pilothouse.supervise.announce import Announcer
from pilothouse.supervise.handover import receive
from pilothouse.supervise.home import clear_sockets
from pilothouse.supervise.up import run
from pilothouse.telemetry.logs import configure_logging


def main() -> None:
    """Runs until SIGINT or SIGTERM."""
    plan = receive(int(sys.argv[1]))
    for descriptor in (plan.lock_fd, plan.listen_fd):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - children get what is passed to them, no more
    configure_logging("supervisor", plan.home.logs)
    clear_sockets(plan.home)
    try:
        run(plan, Announcer(Console(highlight=False)))
    finally:
        clear_sockets(plan.home)


if __name__ == "__main__":
    main()
