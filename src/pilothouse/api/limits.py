"""The largest body that the management API takes.

Refuses to know what a body is for. Invariant: no more than the limit is ever held, whether a length was
announced or not.
"""

from pilothouse.api.errors import answer, from_status
from pilothouse.api.headers import Application, Message, Receive, Scope, Send
from pilothouse.contracts.errors import PayloadTooLargeError

TOO_LARGE = PayloadTooLargeError.status


class BodyLimit:
    """Wraps an application and refuses bodies over a limit."""

    def __init__(self, app: Application, *, most_bytes: int) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"])
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > self._most_bytes:
            await answer(from_status(TOO_LARGE, path))(scope, receive, send)
            return
        taken = 0

        async def receive_within_limit() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most_bytes:
                raise from_status(TOO_LARGE, path)
            return message

        await self._app(scope, receive_within_limit, send)
