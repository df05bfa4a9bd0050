"""Notices that a client has left while its answer is made, and gives up what was asked for it.

Refuses to know routes and what they ask. Invariant: every message reaches the application once, in order.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pilothouse.store.asking import Asking, asking

__all__ = ["Leaving"]

AGAIN_S = 0.25
BODILESS = frozenset(("GET", "HEAD", "DELETE", "OPTIONS"))


class Leaving:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        """Takes what it stands around."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, and watches its connection meanwhile."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with asking() as asked:
            watch = _Watch(receive, asked)
            if scope["method"] in BODILESS:
                watch.start()
            try:
                await self._app(scope, watch.receive, send)
            finally:
                await watch.stop()


class _Watch:
    """Reads on, after the request's body, for the end of the connection."""

    def __init__(self, receive: Receive, asked: Asking) -> None:
        self._receive = receive
        self._asked = asked
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Reads from now on by itself."""
        self._task = asyncio.create_task(self._read())

    async def receive(self) -> Message:
        """Gives the application the next message."""
        if self._task is not None:
            if self._asked.is_over and self._messages.empty():
                return {"type": "http.disconnect"}
            return await self._messages.get()
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self.start()
        return message

    async def stop(self) -> None:
        """Reads no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        while not self._asked.is_over:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._asked.give_up()
            self._messages.put_nowait(message)
        while True:  # a stop that comes just before a question begins stops nothing
            await asyncio.sleep(AGAIN_S)
            self._asked.give_up()
