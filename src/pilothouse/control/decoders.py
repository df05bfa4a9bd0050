"""The decoders: child processes that are started when there is something to decode, and ended when idle.

Refuses to know what is decoded. Invariant: a child ends with this process, however that ends, since its
standard input does.
"""

import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from pilothouse.contracts.errors import UnavailableError
from pilothouse.control.decoder import Done, Handed, Task

__all__ = ["Decoders"]

END_WITHIN_S = 5.0

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Done).decode


class _Child:
    """One decoder's process, spoken to by one thread."""

    def __init__(self, home: str, number: int) -> None:
        command = [sys.executable, "-m", "pilothouse.control.decoder"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._say(Handed(home, number))

    def do(self, task: Task) -> Done:
        """Has a task done.

        Raises:
            OSError: The process has died.
        """
        self._say(task)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BrokenPipeError("the decoder has died")
        return _decode(line)

    def end(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _say(self, what: msgspec.Struct) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(_encode(what) + b"\n")
        self._process.stdin.flush()


class Decoders:
    """Up to `most` decoders of one home."""

    def __init__(self, home: str, *, most: int) -> None:
        self._home = home
        self.most = most
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="decoder")
        self._idle: list[_Child] = []
        self._lock = threading.Lock()
        self._started = 0

    def begin(self, task: Task) -> "Future[Done]":
        """Has a task done by a decoder that is free, or by a new one."""
        return self._threads.submit(self._do, task)

    def rest(self) -> None:
        """Ends the decoders that have nothing to do."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.end()

    def close(self) -> None:
        """Ends all."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.rest()

    def _do(self, task: Task) -> Done:
        child = self._free()
        try:
            done = child.do(task)
        except (OSError, msgspec.MsgspecError) as error:
            child.end()
            raise UnavailableError(f"a decoder failed: {error}", hint="its log says why") from error
        with self._lock:
            self._idle.append(child)
        return done

    def _free(self) -> _Child:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            self._started += 1
            number = self._started % self.most
        return _Child(self._home, number)
