"""Orders to the supervisor: taken one by one, answered to the end, refused when they are none."""

import asyncio
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pilothouse.contracts.errors import PilothouseError
from pilothouse.supervise.orders import Asker, Order, Word, give, serve_orders

Take = Callable[[Order, Asker], Awaitable[None]]


def answered(path: Path, take: Take, order: Order) -> list[Word]:
    """Gives an order to a server that takes it so; returns the whole answer."""

    modes: list[int] = []

    async def main() -> list[Word]:
        server = await serve_orders(str(path), take)
        try:
            modes.append(os.stat(str(path)).st_mode)  # noqa: PTH116 - looked at while it listens
            return await asyncio.to_thread(lambda: list(give(str(path), order)))
        finally:
            server.close()

    said = asyncio.run(main())
    assert stat.S_IMODE(modes[0]) == 0o600
    return said


def test_an_order_is_answered_word_by_word(tmp_path: Path) -> None:
    taken = []

    async def take(order: Order, asker: Asker) -> None:
        taken.append(order)
        asker.say(Word(text="begun"))
        asker.say(Word(text="done", state="done"))

    order = Order(verb="reload", environment={"KEY": "value"})
    said = answered(tmp_path / "o.sock", take, order)
    assert [word.text for word in said] == ["begun", "done"]
    assert taken == [order]


def test_an_answer_that_ends_too_early_is_an_error(tmp_path: Path) -> None:
    async def take(order: Order, asker: Asker) -> None:
        asker.say(Word(text=order.verb))

    with pytest.raises(PilothouseError, match="before it was done"):
        answered(tmp_path / "o.sock", take, Order(verb="upgrade"))


def test_what_is_no_order_is_refused(tmp_path: Path) -> None:
    async def take(_: Order, __: Asker) -> None:
        pytest.fail("it was taken")

    async def main() -> bytes:
        path = str(tmp_path / "o.sock")
        server = await serve_orders(path, take)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"verb":"explode"}\n')
        said = await reader.read()
        writer.close()
        server.close()
        return said

    assert b'"state":"refused"' in asyncio.run(main())


def test_nobody_there_is_said_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(PilothouseError) as caught:
        list(give(str(tmp_path / "none.sock"), Order(verb="reload")))
    assert "pilothouse up" in (caught.value.hint or "")


def test_an_asker_who_has_gone_holds_nobody_up() -> None:
    one, other = socket.socketpair()
    other.close()
    asker = Asker(one)
    for _ in range(3):
        asker.say(Word(text="x"))
    assert asker.descriptor is None
