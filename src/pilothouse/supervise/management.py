"""What the supervisor asks of control, over the admin socket.

Refuses to know sessions. Invariant: only paths and numbers are returned, nothing is kept.
"""

import msgspec

from pilothouse.contracts.errors import PilothouseError
from pilothouse.contracts.home import Home
from pilothouse.network import sync

OK = range(200, 300)


class _Link(msgspec.Struct, frozen=True):
    path: str


def signin_path(home: Home) -> str:
    """Returns the path of a new single-use sign-in link.

    Raises:
        PilothouseError: Control does not answer, or refuses.
    """
    answer = sync.request(
        "POST", f"unix:{home.admin_socket}:/api/v1/signin-links", body=b"{}", timeout_s=10.0
    )
    if answer.status not in OK:
        raise PilothouseError(f"the control process answered {answer.status}")
    return msgspec.json.decode(answer.body, type=_Link).path


def answers(socket_path: str, path: str) -> bool:
    """Returns whether a GET of `path` on a Unix socket is answered with 2xx."""
    try:
        return sync.request("GET", f"unix:{socket_path}:{path}", timeout_s=2.0).status in OK
    except PilothouseError:
        return False
