"""`python -m pilothouse.control`: reads its settings from standard input and serves until it is told to stop.

Refuses to know what is served. Invariant: a wrong configuration ends it with status 2 and one clear line.
"""

import gc
import logging
import os
import sys
import time

import msgspec

from pilothouse.contracts.errors import PilothouseError
from pilothouse.contracts.home import Home
from pilothouse.control.foundation import lay
from pilothouse.control.settings import ControlSettings
from pilothouse.telemetry.logs import configure_logging
from pilothouse.worker import Lease

logger = logging.getLogger(__name__)

WRONG_CONFIGURATION = 2


def main() -> int:
    """Runs the control process and returns its exit status."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy only copies here; a thread a core is waste.
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=ControlSettings)
    home = Home(settings.home)
    configure_logging("control", home.logs)
    lease = Lease(f"{home.run}/control.lock")
    try:
        lease.take()
        _run(settings)
    except PilothouseError as error:
        logger.error("%s %s", error.message, error.hint or "")  # noqa: TRY400 - the message says it all
        sys.stderr.write(f"{error.message} {error.hint or ''}\n")
        return WRONG_CONFIGURATION
    finally:
        lease.release()
    return 0


def _run(settings: ControlSettings) -> None:
    now_ms = time.time_ns() // 1_000_000
    # What is made while starting stays; looking through it again and again for rubbish is time lost.
    gc.disable()
    foundation = lay(settings, now_ms=now_ms)

    from pilothouse.control.process import run

    gc.freeze()
    gc.enable()
    try:
        run(settings, foundation, now_ms=now_ms)
    finally:
        gc.unfreeze()


if __name__ == "__main__":
    sys.exit(main())
