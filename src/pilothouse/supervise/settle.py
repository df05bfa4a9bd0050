"""Has the configuration read again, by the program that is installed now, in a process of its own.

So the supervisor stays lean, and a newer version is tried before it takes over. Refuses to know what is in a
configuration. Invariant: what comes back was checked as `up` checks it.
"""

import asyncio
import contextlib
import sys
from typing import Any

import msgspec

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.contracts.home import Home
from pilothouse.supervise.children import Origin


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What the process reads from its standard input."""

    home: Home
    origin: Origin
    listens: tuple[str, int]
    """The host and port of the configuration in force, which cannot change without a new start."""
    handover: dict[str, Any] | None = None
    """What the next program will have to understand, if there is to be one."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """Why the configuration cannot be taken."""

    message: str
    hint: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="settled"):
    """The configuration, settled."""

    version: str
    """Of the program that is installed."""
    settled: msgspec.Raw
    """A `Settled` as that program knows it."""


Answer = Outcome | Refusal


async def settle(task: Task) -> Outcome:
    """Returns what the configuration comes to, as the program that is installed now reads it.

    Raises:
        ConfigurationError: It is refused, with every line that is wrong, or the program that is installed
            cannot run.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pilothouse.cli.settle",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=task.origin.environment,
    )
    try:
        said, complained = await process.communicate(msgspec.json.encode(task))
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    try:
        answer: Answer = msgspec.json.decode(said, type=Answer)
    except msgspec.MsgspecError as error:
        last = complained.decode(errors="replace").strip().rpartition("\n")[2]
        raise ConfigurationError(
            f"The program that is installed now does not run: {last or 'it says nothing'}.",
            hint="Mend the installation; the one that serves goes on.",
        ) from error
    if isinstance(answer, Refusal):
        raise ConfigurationError(answer.message, hint=answer.hint)
    return answer
