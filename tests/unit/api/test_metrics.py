"""Who may read the metrics without a key."""

import pytest

from pilothouse.api.metrics import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", [None, "", "10.0.0.1", "::ffff:10.0.0.1", "localhost", "127.0.0.1:80", "fe80::1"]
)
def test_everything_else_is_not(host: str | None) -> None:
    assert not is_loopback(host)
