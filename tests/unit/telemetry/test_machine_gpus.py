"""GPUs as a library with the names of `pynvml` tells of them: whole, in part, and gone."""

from types import SimpleNamespace
from typing import Any

from pilothouse.telemetry.machine_gpus import Gpus


class Library:
    """What of NVIDIA's library is used, with two GPUs: the second tells nearly nothing."""

    NVML_TEMPERATURE_GPU = 0
    nvmlEventTypeXidCriticalError = 8  # noqa: N815 - the library's own names, here and below

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        self.waiting = [79, 79, 31]
        self.is_gone = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        if self.is_gone:
            raise self.NVMLError
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes | str:  # noqa: N802
        return b"NVIDIA H200" if handle == 0 else "old"

    def _only_first(self, handle: int, told: Any) -> Any:
        if handle:
            raise self.NVMLError
        return told

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        return self._only_first(handle, SimpleNamespace(gpu=37, memory=9))

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        return self._only_first(handle, SimpleNamespace(total=1000, used=400, free=600))

    def nvmlDeviceGetPowerUsage(self, handle: int) -> Any:  # noqa: N802
        return self._only_first(handle, 123_400)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: int) -> Any:  # noqa: N802
        return self._only_first(handle, 700_000)

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> Any:  # noqa: N802
        assert sensor == self.NVML_TEMPERATURE_GPU
        return self._only_first(handle, 45)

    def nvmlEventSetCreate(self) -> object:  # noqa: N802
        return object()

    def nvmlDeviceRegisterEvents(self, handle: int, kinds: int, events: object) -> None:  # noqa: N802
        assert kinds == self.nvmlEventTypeXidCriticalError
        assert events is not None
        self._only_first(handle, None)

    def nvmlEventSetWait_v2(self, events: object, timeout_ms: int) -> Any:  # noqa: N802
        assert events is not None
        assert timeout_ms == 0
        if not self.waiting:
            raise self.NVMLError
        return SimpleNamespace(eventData=self.waiting.pop())


def test_a_gpu_tells_all_that_it_knows() -> None:
    first, second = Gpus(Library()).read()
    assert (first.name, first.use, first.power_w, first.power_most_w) == ("NVIDIA H200", 0.37, 123.4, 700.0)
    assert (first.memory_total_bytes, first.memory_used_bytes, first.temperature_c) == (1000, 400, 45.0)
    assert (second.name, second.use, second.memory_total_bytes, second.xids) == ("old", None, None, ())


def test_critical_errors_add_up_from_look_to_look() -> None:
    library = Library()
    gpus = Gpus(library)
    assert gpus.read()[0].xids == ((31, 1), (79, 2))
    library.waiting = [79]
    assert gpus.read()[0].xids == ((31, 1), (79, 3))


def test_a_gpu_that_fell_off_the_bus_is_said_to_be_there_and_unknown() -> None:
    library = Library()
    gpus = Gpus(library)
    gpus.read()
    library.is_gone = True
    assert next((gpu.name, gpu.use, gpu.xids) for gpu in gpus.read()) == ("unknown", None, ((31, 1), (79, 2)))


def test_without_a_library_there_is_none() -> None:
    assert Gpus(None).read() == ()
