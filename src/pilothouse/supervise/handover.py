"""Turns the command that was typed into the lean process that stays.

The command line's libraries (Typer, Rich, PyYAML, the model sources) are gone after the handover, and so is
every secret in the environment: the plan travels in an anonymous file in memory, which is closed when read.
Refuses to know what a plan holds. Invariant: the process id stays, and with it terminal, lock and socket.
"""

import os
import sys
from typing import NoReturn

import msgspec

from pilothouse.supervise.children import KEPT_VARIABLES, Plan

TERMINAL_VARIABLES = ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


def become_supervisor(plan: Plan) -> NoReturn:
    """Replaces this process by the supervisor; does not return."""
    handed = os.memfd_create("pilothouse-plan", os.MFD_CLOEXEC)
    _write_all(handed, msgspec.json.encode(plan))
    for descriptor in (handed, plan.listen_fd, plan.lock_fd):
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - the standard library's signature
    sys.stdout.flush()
    sys.stderr.flush()
    names = (*KEPT_VARIABLES, *TERMINAL_VARIABLES)
    environment = {name: os.environ[name] for name in names if name in os.environ}
    command = [sys.executable, "-m", "pilothouse.supervise", str(handed)]
    os.execve(sys.executable, command, environment)  # noqa: S606 - ourselves, no shell


def receive(descriptor: int) -> Plan:
    """Reads the plan that was handed over, and closes its file.

    Raises:
        msgspec.MsgspecError: This is no plan.
    """
    with os.fdopen(descriptor, "rb") as handed:
        handed.seek(0)
        return msgspec.json.decode(handed.read(), type=Plan)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
