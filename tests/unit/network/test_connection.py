"""An answer is the same however its bytes were cut, and a connection is kept only after a whole one."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.network.connection import UpstreamConnection
from pilothouse.network.errors import BadResponseError, NetworkError, ResetError, TruncatedError
from pilothouse.network.exchange import Exchange, ResponseHead
from pilothouse.network.settings import Deadlines


class Transport:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False
        self.is_paused = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def writelines(self, data: list[bytes]) -> None:
        self.written.extend(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class Owner:
    """A pool that notes what its connection says."""

    max_head_bytes = 1000

    def __init__(self) -> None:
        self.said: list[str] = []

    def release(self, connection: UpstreamConnection) -> None:
        del connection
        self.said.append("release")

    def lost(self, connection: UpstreamConnection) -> None:
        del connection
        self.said.append("lost")

    def repeat(self, exchange: Exchange) -> None:
        del exchange
        self.said.append("repeat")


class Heard:
    """A receiver that keeps what it hears."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.ends: list[NetworkError | None] = []

    def on_head(self, head: ResponseHead) -> None:
        assert self.status == 0
        self.status = head.status

    def on_body(self, data: bytes) -> None:
        assert data
        self.body += data

    def on_end(self, error: NetworkError | None) -> None:
        self.ends.append(error)


def _under_way(**how: Any) -> tuple[UpstreamConnection, Owner, Transport, Heard]:
    owner, transport, heard = Owner(), Transport(), Heard()
    connection = UpstreamConnection(owner)
    connection.connection_made(transport)  # type: ignore[arg-type] # a fake with what is used
    connection.send(Exchange(b"REQUEST", heard, Deadlines(), **how))
    assert transport.written == [b"REQUEST"]
    return connection, owner, transport, heard


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nt: 1\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + LENGTH
CLOSING = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello"
OLD = b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello"


@given(
    st.sampled_from([(LENGTH, True), (CHUNKED, True), (INTERIM, True), (CLOSING, False), (OLD, False)]),
    st.lists(st.integers(1, 120), max_size=10),
)
def test_any_cutting_gives_the_same_answer(case: tuple[bytes, bool], cuts: list[int]) -> None:
    data, is_kept = case
    connection, owner, transport, heard = _under_way()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for a, b in itertools.pairwise(places):
        connection.data_received(data[a:b])
    assert (heard.status, heard.body, heard.ends) == (200, b"hello", [None])
    assert (owner.said == ["release"]) is is_kept
    assert transport.is_closed is not is_kept


@given(st.sampled_from([LENGTH, CHUNKED]), st.integers(1, 200))
def test_a_cut_answer_is_never_whole(data: bytes, end: int) -> None:
    connection, owner, _, heard = _under_way()
    if end >= len(data):
        return
    connection.data_received(data[:end])
    connection.connection_lost(None)
    assert isinstance(heard.ends[0], TruncatedError)
    assert owner.said == ["lost"]


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    connection, owner, _, heard = _under_way()
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nhel")
    connection.data_received(b"lo")
    assert heard.ends == []
    connection.connection_lost(None)
    assert (heard.body, heard.ends, owner.said) == (b"hello", [None], ["lost"])


def test_the_same_cut_by_a_reset_is_not_whole() -> None:
    connection, _, _, heard = _under_way()
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nhel")
    connection.connection_lost(ConnectionResetError())
    assert isinstance(heard.ends[0], TruncatedError)


def test_a_fresh_connection_that_closes_unheard_is_a_reset() -> None:
    connection, owner, _, heard = _under_way()
    connection.connection_lost(None)
    assert isinstance(heard.ends[0], ResetError)
    assert owner.said == ["lost"]


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_kept_connection_that_closes_unheard_is_repeated_if_it_may(repeatable: bool) -> None:  # noqa: FBT001 - a parameter
    owner, heard = Owner(), Heard()
    connection = UpstreamConnection(owner)
    connection.connection_made(Transport())  # type: ignore[arg-type] # a fake with what is used
    connection.mark_reused()
    connection.send(Exchange(b"REQUEST", heard, Deadlines(), is_repeatable=repeatable))
    connection.connection_lost(ConnectionResetError())
    assert ("repeat" in owner.said) is repeatable
    assert (heard.ends == []) is repeatable


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 2000,
    ],
)
def test_what_is_not_an_answer_ends_the_connection(data: bytes) -> None:
    connection, owner, transport, heard = _under_way()
    connection.data_received(data)
    assert isinstance(heard.ends[0], BadResponseError)
    assert transport.is_closed
    assert "release" not in owner.said


def test_a_second_answer_makes_the_connection_unfit() -> None:
    connection, owner, transport, heard = _under_way()
    connection.data_received(LENGTH + LENGTH)
    assert (heard.body, heard.ends) == (b"hello", [None])
    assert transport.is_closed
    assert owner.said == []


def test_bytes_nobody_asked_for_close_an_idle_connection() -> None:
    connection, _, transport, _ = _under_way()
    connection.data_received(LENGTH)
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert transport.is_closed


def test_the_answer_to_head_has_no_body() -> None:
    connection, _, transport, heard = _under_way(is_head_request=True)
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n")
    assert (heard.status, heard.body, heard.ends) == (200, b"", [None])
    assert transport.is_closed


def test_an_answer_without_a_body_keeps_the_connection() -> None:
    connection, owner, _, heard = _under_way()
    connection.data_received(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (heard.ends, owner.said) == ([None], ["release"])


def test_a_cancelled_exchange_hears_nothing_more() -> None:
    connection, _, transport, heard = _under_way()
    exchange = connection.exchange
    assert exchange is not None
    exchange.cancel()
    connection.connection_lost(None)
    assert transport.is_closed
    assert heard.ends == []


def test_back_pressure_reaches_the_transport_and_ends_with_the_answer() -> None:
    connection, _, transport, _ = _under_way()
    exchange = connection.exchange
    assert exchange is not None
    exchange.pause()
    assert transport.is_paused
    connection.data_received(LENGTH)
    assert not transport.is_paused
