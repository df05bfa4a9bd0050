"""How the processes are: what each answers on its own `/status` socket, gathered.

Refuses to know history. Invariant: a process that does not answer is left out, and never waited for long.
"""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pilothouse.contracts.errors import PilothouseError
from pilothouse.contracts.home import Home
from pilothouse.contracts.status import GatewayStatus, LimitUsage, SupervisorStatus, UsageStatus
from pilothouse.network import sync

TIMEOUT_S = 1.0
OK = 200

Status = TypeVar("Status", bound=msgspec.Struct)


class StatusReader:
    """Asks the processes of one home how they are."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def supervisor(self) -> SupervisorStatus | None:
        """Returns how the supervisor is, `None` when it does not answer."""
        return _ask(self._home.supervisor_status_socket, SupervisorStatus)

    def gateways(self) -> list[GatewayStatus]:
        """Returns how each gateway worker is."""
        sockets = sorted(str(path) for path in Path(self._home.run).glob("gateway-*.sock"))
        answers = (_ask(socket, GatewayStatus) for socket in sockets)
        return [status for status in answers if status is not None]

    def usage(self) -> tuple[LimitUsage, ...]:
        """Returns how much of each limit is used; any worker of the host knows for all."""
        for path in sorted(Path(self._home.run).glob("gateway-*.sock")):
            found = _ask(str(path), UsageStatus, "/usage")
            if found is not None:
                return found.limits
        return ()


def whole(value: Any) -> Any:
    """Returns a status as plain values with every field, also those that stand at their default."""
    if isinstance(value, msgspec.Struct):
        return {name: whole(field) for name, field in msgspec.structs.asdict(value).items()}
    if isinstance(value, tuple | list):
        return [whole(item) for item in value]
    return value


def _ask(socket: str, kind: type[Status], path: str = "/status") -> Status | None:
    try:
        answer = sync.request("GET", f"unix:{socket}:{path}", timeout_s=TIMEOUT_S)
        if answer.status != OK:
            return None
        return msgspec.json.decode(answer.body, type=kind)
    except (PilothouseError, msgspec.MsgspecError):
        return None
