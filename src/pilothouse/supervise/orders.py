"""Orders to the supervisor, over its Unix socket: one JSON line each, answered by lines until the last.

Refuses to know how an order is carried out. Invariant: only the home's owner can open the socket; an order
that is refused changes nothing.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from pilothouse.contracts.errors import PilothouseError

READ_WITHIN_S = 5.0
MOST_BYTES = 1_048_576
_encode = msgspec.json.Encoder().encode


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done."""

    verb: Literal["reload", "upgrade"]
    environment: dict[str, str] = {}
    """Variables that hold from now on for what the configuration refers to."""


class Word(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the answer."""

    text: str
    hint: str | None = None
    state: Literal["going on", "done", "refused"] = "going on"


class Asker:
    """Whoever gave an order and waits for its end."""

    def __init__(self, connection: socket.socket | None) -> None:
        self._connection = connection

    @property
    def descriptor(self) -> int | None:
        """The connection, to be handed to the next program."""
        return self._connection.fileno() if self._connection is not None else None

    def say(self, word: Word) -> None:
        """Sends one line; somebody who has gone away misses it."""
        if self._connection is None:
            return
        try:
            self._connection.sendall(_encode(word) + b"\n")
        except OSError:
            self.close()

    def close(self) -> None:
        """Ends the answer."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


Take = Callable[[Order, Asker], Awaitable[None]]


async def serve_orders(path: str, take: Take) -> asyncio.Server:
    """Takes orders on the Unix socket at `path`; the caller closes the returned server."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno()))
        connection.setblocking(True)  # noqa: FBT003 - the socket module's own signature
        connection.settimeout(READ_WITHIN_S)
        asker = Asker(connection)
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                order = msgspec.json.decode(await reader.readline(), type=Order)
            await take(order, asker)
        except (msgspec.MsgspecError, ValueError, TimeoutError, OSError):
            asker.say(Word(text="This is no order.", state="refused"))
        finally:
            asker.close()
            writer.close()

    _clear(path)
    mask = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(answer, path, limit=MOST_BYTES)
    finally:
        os.umask(mask)


def _clear(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def give(path: str, order: Order) -> Iterator[Word]:
    """Gives an order, and yields each line of its answer.

    Raises:
        PilothouseError: Nobody takes orders there, or the answer ended before its end.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
            connection.sendall(_encode(order) + b"\n")
            with connection.makefile("rb") as lines:
                for line in lines:
                    word = msgspec.json.decode(line, type=Word)
                    yield word
                    if word.state != "going on":
                        return
        except (OSError, msgspec.MsgspecError) as error:
            raise PilothouseError(
                f"The supervisor takes no orders: {error}.", hint="Is `pilothouse up` running in this home?"
            ) from error
    raise PilothouseError(
        "The supervisor ended before it was done.",
        hint="See the logs in the home folder, and `pilothouse doctor`.",
    )
