"""The machine's GPUs, as NVIDIA's management library tells of them; none where there is no library or driver.

The library is handed in as `nvidia-ml-py` has it (its module `pynvml`), an extra of the installation:
`pip install 'pilothouse[gpu]'`. It is only read; no setting of a GPU is touched.

Refuses to know who uses a GPU. Invariant: what a GPU does not tell is `None`, never 0, and a GPU that has
fallen off the bus takes no other with it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Gpu", "Gpus", "nvidia_library"]

MILLIWATTS = 1000.0
PERCENT = 100.0
MOST_EVENTS = 64
"""Events that are taken at one look, so that a GPU gone mad cannot hold us."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU at one moment."""

    index: int
    name: str
    use: float | None = None
    """Share of the last sample's time in which it worked, 0 to 1."""
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    power_w: float | None = None
    power_most_w: float | None = None
    temperature_c: float | None = None
    xids: tuple[tuple[int, int], ...] = ()
    """The driver's critical errors by their Xid, and how many of each were seen."""


def nvidia_library() -> Any | None:
    """Returns the library, started; `None` where there is none."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


class Gpus:
    """All GPUs; asked from one thread."""

    def __init__(self, library: Any | None) -> None:
        self._nvml = library
        self._xids: dict[int, Counter[int]] = {}
        self._events: dict[int, Any] = {}
        for index in range(self._count()):
            self._watch(index)

    def read(self) -> tuple[Gpu, ...]:
        """Returns each GPU as it is."""
        return tuple(self._read(index) for index in range(self._count()))

    def _count(self) -> int:
        if self._nvml is None:
            return 0
        return int(self._tell(self._nvml.nvmlDeviceGetCount) or 0)

    def _read(self, index: int) -> Gpu:
        nvml = self._nvml
        assert nvml is not None
        handle = self._tell(lambda: nvml.nvmlDeviceGetHandleByIndex(index))
        if handle is None:
            return Gpu(index, "unknown", xids=self._errors(index))
        rates = self._tell(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        memory = self._tell(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        power = self._tell(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        most = self._tell(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
        heat = self._tell(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
        name = self._tell(lambda: nvml.nvmlDeviceGetName(handle)) or "unknown"
        return Gpu(
            index=index,
            name=name.decode() if isinstance(name, bytes) else str(name),
            use=None if rates is None else rates.gpu / PERCENT,
            memory_total_bytes=None if memory is None else int(memory.total),
            memory_used_bytes=None if memory is None else int(memory.used),
            power_w=None if power is None else power / MILLIWATTS,
            power_most_w=None if most is None else most / MILLIWATTS,
            temperature_c=None if heat is None else float(heat),
            xids=self._errors(index),
        )

    def _watch(self, index: int) -> None:
        """Has the driver tell of critical errors; some GPUs and containers cannot."""
        nvml = self._nvml
        assert nvml is not None
        self._xids[index] = Counter()
        events = self._tell(nvml.nvmlEventSetCreate)
        if events is None:
            return
        # A void function: what it returns says nothing, whether it raises does.
        if self._tell(lambda: self._register(index, events)):
            self._events[index] = events

    def _register(self, index: int, events: Any) -> bool:
        nvml = self._nvml
        assert nvml is not None
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, events)
        return True

    def _errors(self, index: int) -> tuple[tuple[int, int], ...]:
        nvml, events = self._nvml, self._events.get(index)
        assert nvml is not None
        seen = self._xids.setdefault(index, Counter())
        for _ in range(MOST_EVENTS if events is not None else 0):
            event = self._tell(lambda: nvml.nvmlEventSetWait_v2(events, 0))
            if event is None:
                break
            seen[int(event.eventData)] += 1
        return tuple(sorted(seen.items()))

    def _tell(self, ask: Callable[[], Any]) -> Any | None:
        """Returns what the library says, `None` where it cannot."""
        assert self._nvml is not None
        try:
            return ask()
        except self._nvml.NVMLError:
            return None
