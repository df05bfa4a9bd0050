"""Asks one question on a blocking socket, checks the whole answer, and takes the times.

Refuses to know peers. Invariant: a time is given only for an answer that was checked and right.
"""

import socket
import time
from dataclasses import dataclass

import httptools

from bench.peer import Running
from bench.question import Scenario, body, fault_in


class WrongAnswerError(Exception):
    """The answer is not the right one; the message says how."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long one answer took, from the request's last byte, in microseconds."""

    first_token_us: float
    """To the first content token of a stream, or the first byte of a plain answer."""
    whole_us: float


class _Answer:
    """Collects one HTTP response; httptools calls its methods."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.is_whole = False

    def on_body(self, piece: bytes) -> None:
        self.body += piece

    def on_message_complete(self) -> None:
        self.is_whole = True


class Client:
    """One kept-alive connection to a peer."""

    def __init__(self, peer: Running, scenario: Scenario, *, timeout_s: float = 30.0) -> None:
        content = body(peer.model, is_stream=scenario.is_stream)
        headers = {"host": f"127.0.0.1:{peer.port}", "content-type": "application/json", **peer.headers}
        headers["content-length"] = str(len(content))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._request = f"POST {peer.path} HTTP/1.1\r\n{lines}\r\n".encode() + content
        self._scenario = scenario
        self._socket = socket.create_connection(("127.0.0.1", peer.port), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first = self._scenario.text.split(" ")[1]
        self._marks = [f'"content":{gap}" {first}"'.encode() for gap in ("", " ")]

    def ask(self) -> Times:
        """Asks once.

        Raises:
            WrongAnswerError: the answer is not the right one.
            OSError: the connection failed or nothing came in time.
        """
        answer = _Answer()
        parser = httptools.HttpResponseParser(answer)
        started = time.perf_counter()
        self._socket.sendall(self._request)
        first: float | None = None
        while not answer.is_whole:
            data = self._socket.recv(262_144)
            now = time.perf_counter()
            if not data:
                raise WrongAnswerError(f"the peer closed the connection after {bytes(answer.body)[-200:]!r}")
            parser.feed_data(data)
            if first is None and (not self._scenario.is_stream or any(mark in data for mark in self._marks)):
                first = now
        finished = time.perf_counter()
        status = parser.get_status_code()
        if status != 200:
            raise WrongAnswerError(f"status {status}: {bytes(answer.body)[:300]!r}")
        fault = fault_in(bytes(answer.body), self._scenario)
        if fault is not None:
            raise WrongAnswerError(fault)
        if first is None:
            raise WrongAnswerError("no content token was seen on the wire")
        return Times((first - started) * 1e6, (finished - started) * 1e6)

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()


def wait_until_right(peer: Running, scenario: Scenario, *, within_s: float) -> float:
    """Asks until a right answer comes and returns the seconds that took.

    Raises:
        TimeoutError: none came within `within_s`, or the process ended; the message holds the last fault.
    """
    started = time.perf_counter()
    last: Exception | None = None
    while time.perf_counter() - started < within_s:
        try:
            client = Client(peer, scenario, timeout_s=within_s)
            client.ask()
            client.close()
            return time.perf_counter() - started
        except (OSError, WrongAnswerError, httptools.HttpParserError) as problem:
            last = problem
        if peer.process.poll() is not None:
            break
        time.sleep(0.02)
    tail = peer.log.read_text(errors="replace")[-500:] if peer.log is not None else ""
    raise TimeoutError(f"no right answer within {within_s:.0f} s: {last}; its log ends: {tail}")
