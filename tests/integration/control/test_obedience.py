"""A change to who may call is answered once the gateways obey it, and at the latest after about a second."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pilothouse.contracts.status import GatewayStatus
from pilothouse.telemetry.status import serve_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.control.conftest import Control


@contextmanager
def gateway(control: "Control", revision: "Callable[[], int]") -> Iterator[None]:
    """Answers `/status` as a gateway worker does."""
    ready, stop = threading.Event(), threading.Event()

    def status() -> GatewayStatus:
        return GatewayStatus(
            worker="t", pid=1, version="t", snapshot_revision=revision(), started_at_ms=0, is_accepting=True
        )

    async def serve() -> None:
        server = await serve_status(control.home.gateway_status_socket("t"), status)
        ready.set()
        await asyncio.to_thread(stop.wait)
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def test_an_answer_waits_for_the_gateways(control: "Control") -> None:
    asked: list[int] = []

    def obeys_at_the_fifth_look() -> int:
        asked.append(1)
        return control.snapshot().revision if len(asked) >= 5 else 0

    with gateway(control, obeys_at_the_fifth_look):
        assert control.new_key()["key"]
    assert len(asked) == 5


def test_a_gateway_that_never_obeys_holds_nobody_up_for_long(control: "Control") -> None:
    with gateway(control, lambda: 0):
        assert control.new_key()["key"]
    assert "does not obey" in control.log()
