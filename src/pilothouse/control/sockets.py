"""The two Unix sockets of the control process.

Refuses to know who may do what. Invariant: only the home's owner can connect, from the first moment on.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

BACKLOG = 128


@contextmanager
def listening(*paths: str) -> Iterator[list[socket.socket]]:
    """Listens on Unix sockets (0600) in place of what a dead process left, and removes them at the end."""
    with ExitStack() as stack:
        for path in paths:
            stack.callback(Path(path).unlink, missing_ok=True)
        yield [stack.enter_context(_listen(path)) for path in paths]


def _listen(path: str) -> socket.socket:
    with suppress(FileNotFoundError):
        Path(path).unlink()
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        opened.bind(path)
    except OSError:
        opened.close()
        raise
    finally:
        os.umask(mask)
    opened.listen(BACKLOG)
    opened.settimeout(0)
    return opened
