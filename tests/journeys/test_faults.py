"""The fault table in small: one of two upstreams misbehaves, and clients hardly see it."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import pytest
import uvloop
from bench.ask import wait_until_right
from bench.faults import FAULTS, PLAIN, Fault, Timing, configuration, row
from bench.peer import Running
from bench.rig import Mock, mocks

if TYPE_CHECKING:
    import subprocess

    from tests.journeys.conftest import Up

SMALL = Timing(plain_rate=40, stream_rate=10, healthy_s=1.5, fault_s=2.5, after_s=15)


@pytest.fixture(scope="module")
def pair() -> Iterator[Sequence[Mock]]:
    """Gives two mock upstreams."""
    with mocks(2) as begun:
        yield begun


@pytest.fixture(scope="module")
def gateway(start_shared: Callable[..., "Up"], pair: Sequence[Mock]) -> Running:
    """Gives a Pilothouse before both, as the bench asks it."""
    up = start_shared(configuration(pair))
    up.wait_ready()
    port = int(up.base_url.rpartition(":")[2])
    process = cast("subprocess.Popen[bytes]", up.process)
    running = Running(process=process, port=port, headers={"authorization": f"Bearer {up.key}"})
    wait_until_right(running, PLAIN, within_s=30)
    return running


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name[3:])
def test_clients_hardly_see_it(fault: Fault, gateway: Running, pair: Sequence[Mock]) -> None:
    found = uvloop.run(row(gateway, pair, fault, SMALL))
    assert found.false_ends == 0, found
    assert found.success >= 0.999, found
    assert found.recovery_s is not None, found
    assert found.told == 0 or not fault.holds_p99 or fault.knobs is None, found
