"""What a process shows of itself: `/status` on its socket, and its log."""

import asyncio
import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.contracts.status import GatewayStatus
from pilothouse.telemetry.logs import configure_logging
from pilothouse.telemetry.status import serve_status


def ask(path: str, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(path)
        client.sendall(request)
        answer = b""
        while part := client.recv(65536):
            answer += part
    return answer


def test_status_is_json_over_http_and_replaces_a_stale_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "g.sock")
    Path(path).write_bytes(b"")
    status = GatewayStatus(
        worker="0", pid=1, version="1", snapshot_revision=3, started_at_ms=4, is_accepting=True
    )

    async def main() -> list[bytes]:
        server = await serve_status(path, lambda: status)
        answers = [
            await asyncio.to_thread(ask, path, request)
            for request in (
                b"GET /status HTTP/1.1\r\nhost: x\r\n\r\n",
                b"GET /other HTTP/1.1\r\n\r\n",
                b"nonsense\r\n\r\n",
            )
        ]
        server.close()
        await server.wait_closed()
        return answers

    good, other, nonsense = asyncio.run(main())
    head, body = good.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200")
    assert json.loads(body)["snapshot_revision"] == 3
    assert other.startswith(b"HTTP/1.1 404")
    assert nonsense.startswith(b"HTTP/1.1 404")


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield root
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)


def test_logs_are_lines_of_json_without_secrets(tmp_path: Path, root_logger: logging.Logger) -> None:
    configure_logging("gateway-0", str(tmp_path / "logs"))
    logging.getLogger("a").info("with %s", "Authorization: Bearer abcdefghijkl", extra={"call_id": "c"})
    try:
        int("sk-abcdefghijkl")
    except ValueError:
        logging.getLogger("a").exception("failed")
    text = (tmp_path / "logs" / "gateway-0.log").read_text()
    first, second = map(json.loads, text.splitlines())
    assert (first["call_id"], first["process"], second["level"]) == ("c", "gateway-0", "error")
    assert "ValueError" in second["exception"]
    assert "abcdefghijkl" not in text
