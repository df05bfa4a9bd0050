"""The command line's way to the management API of the local home, over its Unix socket.

Refuses to know what the answers mean. Invariant: no key is needed here, since only the home's owner can open
the socket; every failure is one of our errors with a hint.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pilothouse.contracts.errors import ApiError, PilothouseError, UpstreamError
from pilothouse.contracts.home import Home
from pilothouse.network import sync
from pilothouse.supervise.home import running_pid

FIRST_ERROR_STATUS = 400
START_WITHIN_S = 15.0
"""How long a control process that is starting is waited for."""
START_POLL_S = 0.1


class Management:
    """The management API as the local user."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def call(self, method: str, path: str, body: object = None, **query: object) -> Any:
        """Sends one request and returns the decoded answer.

        Raises:
            PilothouseError: Pilothouse does not run in this home, or it refused.
        """
        self._check_running()
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"} if data else {}
        try:
            answer = sync.request(method, self._url(path, query), headers=headers, body=data)
        except UpstreamError as error:
            raise self._away() from error
        if answer.status >= FIRST_ERROR_STATUS:
            raise _error_of(answer.status, answer.body)
        return json.loads(answer.body) if answer.body else None

    def events(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        """Yields the data of each server-sent event, for as long as the server sends.

        Raises:
            PilothouseError: Pilothouse does not run in this home, or it refused.
        """
        self._check_running()
        with sync.stream("GET", self._url(path, query), idle_timeout_s=60.0) as answer:
            if answer.status >= FIRST_ERROR_STATUS:
                raise _error_of(answer.status, b"".join(answer.chunks))
            for line in answer.lines():
                if line.startswith("data:"):
                    yield json.loads(line[5:])

    def _url(self, path: str, query: dict[str, object]) -> str:
        given = {name: value for name, value in query.items() if value is not None}
        return f"unix:{self._home.admin_socket}:{path}" + (f"?{urlencode(given)}" if given else "")

    def _check_running(self) -> None:
        """Waits for a control process that is starting.

        Raises:
            PilothouseError: Nothing runs in this home, or control does not come.
        """
        ends = time.monotonic() + START_WITHIN_S
        while not Path(self._home.admin_socket).exists():
            if running_pid(self._home) is None or time.monotonic() > ends:
                raise self._away()
            time.sleep(START_POLL_S)

    def _away(self) -> PilothouseError:
        if running_pid(self._home) is not None:
            return PilothouseError(
                "Pilothouse runs, but its control process does not answer.",
                hint=f"See {self._home.logs}/control.log; calls are served and recorded meanwhile.",
            )
        return PilothouseError(
            f"Pilothouse does not run in {self._home.root}.",
            hint="Start it with `pilothouse up`, or name its home with --home or PILOTHOUSE_HOME.",
        )


def _error_of(status: int, body: bytes) -> PilothouseError:
    try:
        detail = json.loads(body)["error"]
        return ApiError(str(detail["message"]), hint=detail.get("hint"), code=detail.get("code"))
    except (ValueError, KeyError, TypeError):
        return PilothouseError(
            f"The management API answered {status}.", hint="See the logs in the home folder."
        )
