"""Settles a configuration: reads and checks it, and sees that the models it names are here.

`up` does so itself; `reload` and `upgrade` have it done by `python -m pilothouse.cli.settle`, whose standard
input says what to read. Refuses to know who serves. Invariant: what is settled can be started.
"""

import os
import sys
from importlib import import_module
from typing import Any

import msgspec

from pilothouse import __version__
from pilothouse.cli import models
from pilothouse.config.load import Loaded, load, raise_for
from pilothouse.config.plan import check_plan, control_secrets_of, secrets_of
from pilothouse.config.references import Problems
from pilothouse.contracts.errors import ConfigurationError, PilothouseError
from pilothouse.contracts.home import Home
from pilothouse.gateway.certificate import tls_context
from pilothouse.supervise.children import Origin, Settled
from pilothouse.supervise.handover import Handover
from pilothouse.supervise.settle import Answer, Outcome, Refusal, Task

PROGRAMS = ("pilothouse.supervise.__main__", "pilothouse.gateway.__main__", "pilothouse.control.__main__")


def check(origin: Origin) -> Loaded:
    """Returns the configuration, which holds no contradiction; nothing is made or fetched.

    Raises:
        ConfigurationError: With every mistake, each with its line.
    """
    loaded = load(origin.file, origin.environment, origin.flags)
    check_plan(loaded, origin.environment)
    _check_certificate(loaded)
    return loaded


def settle(origin: Origin, home: Home) -> Settled:
    """Returns what the configuration comes to, with the models it names in the home.

    Raises:
        ConfigurationError: With every mistake, each with its line.
        PilothouseError: A model cannot be had.
    """
    loaded = check(origin)
    models.pull_missing(home, loaded.configuration.rollout)
    return Settled(
        version=__version__,
        configuration=loaded.configuration,
        secrets=secrets_of(loaded, origin.environment),
        control_secrets=control_secrets_of(loaded, origin.environment),
    )


def _check_certificate(loaded: Loaded) -> None:
    tls = loaded.configuration.gateway.tls
    if tls is None:
        return
    try:
        tls_context(tls)
    except ConfigurationError as error:
        problems = Problems(loaded.document)
        problems.add(("gateway", "tls"), error.message, error.hint or "")
        raise_for(problems)


def main() -> None:
    """Answers the task on standard input with one JSON document; all other output goes to standard error."""
    answer_fd = os.dup(1)
    os.dup2(2, 1)
    given = sys.stdin.buffer.read()
    with os.fdopen(answer_fd, "wb") as out:
        out.write(msgspec.json.encode(_answer(given)))


def _answer(given: bytes) -> Answer:
    try:
        task = msgspec.json.decode(given, type=Task)
        _require_same_address(check(task.origin), task.listens)
        settled = settle(task.origin, task.home)
        if task.handover is not None:
            _try_out(task.handover, settled)
        return Outcome(version=__version__, settled=msgspec.Raw(msgspec.json.encode(settled)))
    except msgspec.ValidationError as error:
        return Refusal(
            message=f"The version that is installed now ({__version__}) cannot take over: {error}.",
            hint="Stop Pilothouse and start it again.",
        )
    except PilothouseError as error:
        return Refusal(message=error.message, hint=error.hint)


def _require_same_address(loaded: Loaded, listens: tuple[str, int]) -> None:
    gateway = loaded.configuration.gateway
    for name, held, wanted in zip(("host", "port"), listens, (gateway.host, gateway.port), strict=True):
        if held != wanted:
            problems = Problems(loaded.document)
            problems.add(
                ("gateway", name),
                f"the gateway listens with `{name}` {held}; {wanted} needs a new start.",
                "Set it back, or stop Pilothouse and start it again.",
            )
            raise_for(problems)


def _try_out(document: dict[str, Any], settled: Settled) -> None:
    """Sees that this version can take over: its programs load, and it reads what is handed on."""
    document["plan"]["settled"] = msgspec.to_builtins(settled)
    msgspec.convert(document, Handover)
    for program in PROGRAMS:
        import_module(program)


if __name__ == "__main__":
    main()
