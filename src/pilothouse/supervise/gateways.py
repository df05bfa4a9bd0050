"""All gateway workers: one generation serves, and earlier ones end what they began.

Refuses to know why workers are replaced. Invariant: the serving generation is left alone until each worker of
the next one is ready; the listening socket is never without somebody who accepts.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pilothouse.contracts.errors import PilothouseError
from pilothouse.contracts.status import ProcessStatus
from pilothouse.serving.process import ChildProcess
from pilothouse.supervise.children import SPARE_S, Plan, gateway_child
from pilothouse.supervise.handover import HandedGateway

READY_WITHIN_S = 60.0
READY_POLL_S = 0.02
KEPT_GENERATIONS = 5
"""How many generations' logs are kept."""


class _Worker:
    """One worker: its number, its generation, and its process."""

    def __init__(self, number: int, generation: int, child: ChildProcess, plan: Plan) -> None:
        self.number = number
        self.generation = generation
        self.child = child
        self.plan = plan


class Gateways:
    """The workers of all generations."""

    def __init__(self, changed: Callable[[ChildProcess], None]) -> None:
        self.generation = 1
        self._changed = changed
        self._serving: list[_Worker] = []
        self._retiring: dict[_Worker, asyncio.Task[None]] = {}

    def start(self, plan: Plan) -> None:
        """Begins to run the first generation."""
        self._serving = self._begun(plan, {})

    def adopt(self, handed: Iterable[HandedGateway], plan: Plan, generation: int) -> None:
        """Goes on with workers that an earlier program of this process started."""
        self.generation = generation
        for each in handed:
            spec = gateway_child(plan, each.number, generation=each.generation)
            worker = _Worker(each.number, each.generation, ChildProcess(spec, changed=self._changed), plan)
            worker.child.start(each.child)
            if each.is_serving:
                self._serving.append(worker)
            else:
                self._retire(worker)

    def handed(self) -> tuple[HandedGateway, ...]:
        """Returns what the next program of this process needs to go on with the workers that run."""
        return tuple(
            HandedGateway(
                number=worker.number,
                generation=worker.generation,
                child=child,
                is_serving=worker in self._serving,
            )
            for worker in (*self._serving, *self._retiring)
            if (child := worker.child.handed()) is not None
        )

    async def replace(self, plan: Plan, secrets: Mapping[str, str]) -> None:
        """Has a new generation serve as `plan` says, and the one that served end what it began.

        Raises:
            PilothouseError: The new workers do not become ready; those that serve are left as they are.
        """
        self.generation += 1
        fresh = self._begun(plan, secrets)
        try:
            await _until_ready(fresh, plan)
        except BaseException:
            await asyncio.gather(*(worker.child.stop() for worker in fresh))
            raise
        old, self._serving = self._serving, fresh
        for worker in old:
            self._retire(worker)

    async def wait_ready(self, timeout_s: float) -> bool:
        """Waits until each serving worker is ready; returns whether all are."""
        waits = (worker.child.wait_ready(timeout_s) for worker in self._serving)
        return all(await asyncio.gather(*waits))

    def statuses(self) -> tuple[ProcessStatus, ...]:
        """Returns each worker's live state."""
        return tuple(worker.child.status() for worker in (*self._serving, *self._retiring))

    async def stop(self) -> None:
        """Ends all workers, each within its deadline for running calls."""
        for worker in self._retiring:
            worker.child.signal(signal.SIGTERM)
        await asyncio.gather(
            *(worker.child.stop() for worker in self._serving),
            *(self._hurry(worker, task) for worker, task in self._retiring.items()),
        )

    def signal(self, number: int) -> None:
        """Sends a signal to every worker."""
        for worker in (*self._serving, *self._retiring):
            worker.child.signal(number)

    def _begun(self, plan: Plan, secrets: Mapping[str, str]) -> list[_Worker]:
        begun = []
        for number in range(plan.configuration.gateway.workers):
            spec = gateway_child(plan, number, generation=self.generation, secrets=secrets)
            begun.append(_Worker(number, self.generation, ChildProcess(spec, changed=self._changed), plan))
            begun[-1].child.start()
        return begun

    def _retire(self, worker: _Worker) -> None:
        task = asyncio.create_task(self._retired(worker), name=f"retire {worker.child.spec.name}")
        self._retiring[worker] = task

    async def _retired(self, worker: _Worker) -> None:
        handover_s = worker.plan.configuration.gateway.deadlines.handover_s
        try:
            await worker.child.stop(signal.SIGUSR1, within_s=handover_s + worker.child.spec.stop_within_s)
        finally:
            self._retiring.pop(worker, None)
        _forget_logs(worker.plan.home.logs, self.generation - KEPT_GENERATIONS)

    async def _hurry(self, worker: _Worker, task: asyncio.Task[None]) -> None:
        """Waits for a worker that was told to stop at last."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(worker.child.spec.stop_within_s + SPARE_S):
                await asyncio.shield(task)
        worker.child.signal(signal.SIGKILL)
        await task


async def _until_ready(workers: list[_Worker], plan: Plan) -> None:
    hint = f"Those that served before go on. See {plan.home.logs}."
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            for worker in workers:
                while worker.child.state != "ready":
                    if worker.child.state in {"restarting", "failed"}:
                        name, reason = worker.child.spec.name, worker.child.reason
                        raise PilothouseError(f"The new worker {name} {reason}.", hint=hint)
                    await asyncio.sleep(READY_POLL_S)
    except TimeoutError:
        raise PilothouseError("The new workers do not become ready.", hint=hint) from None


def _forget_logs(folder: str, before: int) -> None:
    """Removes the logs of workers of generations before `before`."""
    for path in Path(folder).glob("gateway-*.*.log*"):
        generation = path.name.split(".")[1]
        if generation.isdigit() and int(generation) < before:
            path.unlink(missing_ok=True)
