"""Turns one program into the next in the same process: a command into the supervisor, that into a newer.

The command line's libraries (Typer, Rich, PyYAML, the model sources) are gone after the first, and so are the
secrets in the process's environment: what is handed over travels in an anonymous file in memory, which is
closed when read. Refuses to know what a plan holds. Invariant: the process id stays, and with it terminal,
lock, listening socket and children.
"""

import os
import signal
import sys
from typing import NoReturn

import msgspec

from pilothouse.serving.adopted import HandedChild, HandedEngine
from pilothouse.supervise.children import KEPT_VARIABLES, Plan

TERMINAL_VARIABLES = ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Held back while nobody can hear them, from one program to the next."""


class HandedGateway(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway worker that runs."""

    number: int
    generation: int
    child: HandedChild
    is_serving: bool
    """Whether it is of the generation that serves; else it ends what it began."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What an earlier program leaves to the next: everything that runs, and what was ordered."""

    started_at_ms: int
    generation: int
    control: HandedChild | None = None
    gateways: tuple[HandedGateway, ...] = ()
    engines: tuple[HandedEngine, ...] = ()
    answer_fd: int | None = None
    """Who gave the order, and waits for its end."""


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """All that the next program is told."""

    plan: Plan
    running: Running | None = None
    """`None` at a first start."""


def document_of(handover: Handover, settled: msgspec.Raw | None = None) -> bytes:
    """Returns what the next program reads: with `settled` as that program said it, if it did.

    Its configuration may have settings that are not known here, and lack others.
    """
    document = msgspec.to_builtins(handover)
    if settled is not None:
        document["plan"]["settled"] = settled
    return msgspec.json.encode(document)


def become_supervisor(handover: Handover, settled: msgspec.Raw | None = None) -> NoReturn:
    """Replaces this program by the supervisor that is installed now; does not return."""
    handed = os.memfd_create("pilothouse-plan", os.MFD_CLOEXEC)
    _write_all(handed, document_of(handover, settled))
    for descriptor in (handed, *_descriptors(handover)):
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - the standard library's signature
    sys.stdout.flush()
    sys.stderr.flush()
    names = (*KEPT_VARIABLES, *TERMINAL_VARIABLES)
    environment = {name: os.environ[name] for name in names if name in os.environ}
    command = [sys.executable, "-m", "pilothouse.supervise", str(handed)]
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # what comes now is heard by the next program
    os.execve(sys.executable, command, environment)  # noqa: S606 - ourselves, no shell


def receive(descriptor: int) -> Handover:
    """Reads what was handed over, closes its file, and keeps the rest from children.

    Raises:
        msgspec.MsgspecError: This is no handover.
    """
    with os.fdopen(descriptor, "rb") as handed:
        handed.seek(0)
        handover = msgspec.json.decode(handed.read(), type=Handover)
    for kept in _descriptors(handover):
        os.set_inheritable(kept, False)  # noqa: FBT003 - children get what is passed to them, no more
    return handover


def _descriptors(handover: Handover) -> tuple[int, ...]:
    plan, running = handover.plan, handover.running
    answer = running.answer_fd if running is not None else None
    return (plan.listen_fd, plan.lock_fd) if answer is None else (plan.listen_fd, plan.lock_fd, answer)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
