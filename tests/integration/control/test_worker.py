"""Jobs in real threads: one that fails holds up no other, and a stop waits for the running tick."""

import threading
from pathlib import Path

import pytest

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.worker import Job, Lease, Worker


def test_a_failing_job_is_logged_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Semaphore(0)

    def works(_: int) -> bool:
        done.release()
        return False

    def fails(_: int) -> bool:
        raise ValueError("broken on purpose")

    worker = Worker([Job("fails", fails, 0.01), Job("works", works, 0.01)])
    worker.start()
    for _ in range(3):
        assert done.acquire(timeout=10)
    assert worker.stop(10)
    assert "the job fails failed" in caplog.text
    assert "broken on purpose" in caplog.text


def test_a_failing_job_is_tried_again() -> None:
    tries: list[int] = []
    recovered = threading.Event()

    def recovers(now_ms: int) -> bool:
        tries.append(now_ms)
        if len(tries) < 3:
            raise OSError("not yet")
        recovered.set()
        return False

    worker = Worker([Job("recovers", recovers, 0.005)])
    worker.start()
    assert recovered.wait(10)
    assert worker.stop(10)


def test_a_job_with_more_to_do_is_not_made_to_wait() -> None:
    done = threading.Event()
    left = [50]

    def drains(_: int) -> bool:
        left[0] -= 1
        if left[0] == 0:
            done.set()
        return left[0] > 0

    worker = Worker([Job("drains", drains, 3600)])
    worker.start()
    assert done.wait(10)
    assert worker.stop(10)


def test_a_stop_waits_for_the_running_tick() -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(_: int) -> bool:
        begun.set()
        may_end.wait(10)
        ended.set()
        return False

    worker = Worker([Job("slow", slow, 3600)])
    worker.start()
    assert begun.wait(10)
    assert not worker.stop(0.01)
    may_end.set()
    assert worker.stop(10)
    assert ended.is_set()


def test_a_lease_is_held_by_one_and_can_be_given_back(tmp_path: Path) -> None:
    path = f"{tmp_path}/lock"
    first, second = Lease(path), Lease(path)
    first.take()
    with pytest.raises(ConfigurationError, match="Another control process"):
        second.take()
    first.release()
    second.take()
    second.release()
