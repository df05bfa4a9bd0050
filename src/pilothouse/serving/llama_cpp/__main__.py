"""The engine process: `python -m pilothouse.serving.llama_cpp`, its settings as JSON on stdin.

Refuses to know who started it. Invariant: the socket appears only when the model answers, and is gone when
the process ends in order.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from pilothouse.contracts.errors import ArtefactError
from pilothouse.serving.llama_cpp.front import Front
from pilothouse.serving.llama_cpp.inner import Inner
from pilothouse.serving.llama_cpp.listener import Connection
from pilothouse.serving.llama_cpp.native import Native, start_native
from pilothouse.serving.process import EXIT_GIVE_UP
from pilothouse.serving.settings import EngineProcess

KEEPS_WORDS = 2
"""The log level from which llama.cpp's own words are kept while it serves."""


def main() -> None:
    """Loads the model, serves until SIGTERM, and leaves without waiting for native threads."""
    process = msgspec.json.decode(sys.stdin.buffer.read(), type=EngineProcess)
    try:
        native = start_native(process.spec, process.settings)
    except ArtefactError as fault:
        print(f"{fault.message} {fault.hint or ''}", file=sys.stderr, flush=True)  # noqa: T201 - the log file
        os._exit(EXIT_GIVE_UP)
    if process.settings.log_level < KEEPS_WORDS:
        _silence_native()
    Path(process.spec.socket).unlink(missing_ok=True)
    uvloop.run(_serve(process, native))
    Path(process.spec.socket).unlink(missing_ok=True)
    Path(native.socket).unlink(missing_ok=True)
    os._exit(0)


def _silence_native() -> None:
    """Lets only Python write to the log from now on.

    llama.cpp quotes a grammar or schema that it cannot read, and what a caller sent has no place in a log.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = os.fdopen(kept, "w", buffering=1)


async def _serve(process: EngineProcess, native: Native) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    front = Front(process.spec, Inner(native.socket, native.key))
    alive: set[Connection] = set()
    before = os.umask(0o177)
    try:
        await loop.create_unix_server(lambda: Connection(front, alive), process.spec.socket, backlog=1024)
    finally:
        os.umask(before)
    await stop.wait()


if __name__ == "__main__":
    main()
