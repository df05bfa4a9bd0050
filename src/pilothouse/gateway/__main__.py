"""One gateway worker as a process: `python -m pilothouse.gateway`, its settings as JSON on standard input.

Refuses to know who started it. Invariant: it ends with its journal closed, whatever is asked of it by
SIGUSR1, SIGTERM or SIGINT; killed in any other way, the journal's frames are complete all the same.
"""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import time
from pathlib import Path

import msgspec
import uvloop

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.contracts.home import Home
from pilothouse.contracts.snapshot import Snapshot
from pilothouse.gateway.certificate import Certificate
from pilothouse.gateway.directory import Directory
from pilothouse.gateway.ending import Ending
from pilothouse.gateway.follow import Follower
from pilothouse.gateway.front import FrontDoor
from pilothouse.gateway.health import Health
from pilothouse.gateway.intake import Intake
from pilothouse.gateway.limits.upkeep import STORE_ADDRESS, Upkeep
from pilothouse.gateway.server import Server
from pilothouse.gateway.settings import GatewayProcess
from pilothouse.gateway.state import GatewayState
from pilothouse.gateway.watch import Watch
from pilothouse.network.pool import Pool
from pilothouse.telemetry.journal import Journal
from pilothouse.telemetry.keyring import Keyring
from pilothouse.telemetry.logs import configure_logging
from pilothouse.telemetry.status import serve_status

YOUNG_OBJECTS = 20_000
"""Objects made between two collections: a call makes about a hundred, and reference counts free them all."""

logger = logging.getLogger("pilothouse.gateway")


async def serve(process: GatewayProcess, pepper: bytes) -> None:
    """Runs the worker until it is told to stop."""
    loop = asyncio.get_running_loop()
    ending = Ending(process.settings.deadlines)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.stop)
    loop.add_signal_handler(signal.SIGUSR1, ending.retire)
    tls = process.settings.tls
    certificate = Certificate(tls) if tls is not None else None
    home = Home(process.home)
    keyring = Keyring(home.keyring, home.master_key)
    journal = Journal.open(
        home.journal, writer=f"gateway-{process.worker}", keyring=keyring, settings=process.journal
    )
    pool = Pool(process.settings.pool)
    state = GatewayState(process, pepper=pepper, journal=journal, pool=pool, loop=loop)
    upkeep = Upkeep(state.meter, home, process.worker, process.secrets.get(STORE_ADDRESS))
    follower = Follower(home.snapshot, home.verifying_key, lambda snapshot: _obey(snapshot, state, upkeep))
    follower.look()
    await upkeep.ready()
    intake = Intake(state, keyring)
    health = Health(
        state,
        follower,
        journal,
        time.time_ns() // 1_000_000,
        upkeep=upkeep,
        intake=intake,
        certificate=certificate,
    )
    server = Server(FrontDoor(state, health, intake), process.settings.limits, process.settings.deadlines)
    await _listen(server, process, certificate)
    status = await serve_status(
        home.gateway_status_socket(process.worker), health.status, more={b"/usage": upkeep.usage}
    )
    _calm_collector()
    watch = Watch(state)
    watch.start()
    logger.info("worker %s serves", process.worker)
    tasks = [
        asyncio.create_task(follower.follow()),
        asyncio.create_task(journal.watch()),
        asyncio.create_task(_keep_date(state)),
        asyncio.create_task(upkeep.run()),
    ]
    if certificate is not None:
        tasks.append(asyncio.create_task(certificate.follow(server.renew)))
    try:
        await _until(ending.asked, tasks)
    finally:
        await ending.carry_out(server, state)
        watch.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await intake.close()
        await pool.close()
        status.close()
        journal.close()
        logger.info("worker %s has stopped", process.worker)


async def _listen(server: Server, process: GatewayProcess, certificate: Certificate | None) -> None:
    await server.listen(
        socket.socket(fileno=process.listen_fd),
        certificate.context if certificate is not None else None,
        is_shared=process.settings.workers > 1,
    )
    if process.intake.enabled and process.intake.port is not None:
        await server.listen_too(process.settings.host, process.intake.port)


def _calm_collector() -> None:
    """Leaves out of collections what is there for good, and has them less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)


def _obey(snapshot: Snapshot, state: GatewayState, upkeep: Upkeep) -> None:
    """Puts a snapshot in force, whole or not at all."""
    directory = Directory(
        snapshot,
        pepper=state.pepper,
        secrets=state.process.secrets,
        origins=state.pool.origin,
        book=state.book,
        caches=state.caches,
    )
    upkeep.obey(snapshot)
    state.gatekeeper.obey(snapshot.admission)
    state.obey(directory)


async def _until(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Waits for a signal; a background task that ends is a fault, and ends the worker."""
    waiting = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done:
        if task is not waiting:
            task.result()


async def _keep_date(state: GatewayState) -> None:
    while True:
        state.clock.set(int(time.time()))
        await asyncio.sleep(0.5)


def main() -> int:
    """Reads the settings and serves."""
    process = msgspec.json.decode(sys.stdin.buffer.read(), type=GatewayProcess)
    configure_logging(f"gateway-{process.worker}", Home(process.home).logs)
    home = Home(process.home)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(serve(process, Path(home.pepper).read_bytes()))
    except ConfigurationError as error:
        sys.stderr.write(f"{error.message} {error.hint or ''}\n")
        return 1
    Path(home.gateway_status_socket(process.worker)).unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
