"""The listening socket: inherited, and refused with a remedy."""

import os
import select
import socket

import pytest

from pilothouse.contracts.errors import ConfigurationError
from pilothouse.supervise.listen import CONNECTION_OPTIONS, address_of, is_loopback, listen


def test_socket_listens_and_is_inheritable() -> None:
    with listen("127.0.0.1", 0) as opened, socket.create_connection(opened.getsockname()):
        assert os.get_inheritable(opened.fileno())


def test_connections_inherit_that_nothing_is_delayed_and_that_a_vanished_peer_is_noticed() -> None:
    with listen("127.0.0.1", 0) as opened, socket.create_connection(opened.getsockname()):
        select.select([opened], [], [], 10)
        accepted, _ = opened.accept()
        with accepted:
            for level, option, value in CONNECTION_OPTIONS:
                assert accepted.getsockopt(level, option) == value


def test_taken_port_names_its_owner_and_another_port() -> None:
    with listen("127.0.0.1", 0) as opened:
        port = opened.getsockname()[1]
        with pytest.raises(ConfigurationError) as caught:
            listen("127.0.0.1", port)
    assert f"(process {os.getpid()})" in caught.value.message
    assert f"--port {port + 1}" in (caught.value.hint or "")


def test_foreign_address_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1"):
        listen("192.0.2.1", 0)


def test_unknown_host_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not known"):
        listen("no-such-host.invalid", 0)


def test_loopback_is_told_from_the_rest() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_address_is_one_that_a_person_can_open() -> None:
    assert address_of("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert address_of("::1", 8080) == "http://[::1]:8080"
