"""The console's files, read once from the package, and its page for each address that a person may open.

Refuses to know what the console shows. Invariant: only a browser's navigation to a name without an extension,
outside the APIs' own, is answered with the page; everything else that is not a file is a 404.
"""

import gzip
import mimetypes
import re
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request, Response

from pilothouse.api.errors import answer, from_status

router = APIRouter(include_in_schema=False)

RESERVED = frozenset(
    {
        "api",
        "v1",
        "metrics",
        "openapi.json",
        "docs",
        "signin",
        "livez",
        "readyz",
        "version",
        "assets",
        "status",
    }
)
"""First parts of paths that are never a page of the console."""

HASHED = re.compile(r"-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$")
"""A file name with its content's hash in it, as Vite makes them."""

FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
LEAST_COMPRESSED_BYTES = 1024

NOT_BUILT = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Pilothouse</title>
<h1>The console is not built</h1>
<p>This is a checkout without the page's files. Build them with <code>make console</code>, then start again.
The API works without them: see <a href="/docs">/docs</a>.</p>
</html>
"""


@dataclass(frozen=True)
class File:
    """One file of the console, kept in memory."""

    content: bytes
    media_type: str
    caching: str
    precompressed: bytes | None = None

    @cached_property
    def etag(self) -> str:
        """The content's identity."""
        return f'"{sha256(self.content).hexdigest()[:32]}"'

    @cached_property
    def compressed(self) -> bytes | None:
        """The content as gzip, where that is worth it; made when first asked for."""
        if self.precompressed is not None:
            return self.precompressed
        is_text = self.media_type.startswith("text/") or self.media_type.endswith(
            ("javascript", "json", "svg+xml")
        )
        is_worth_it = is_text and len(self.content) >= LEAST_COMPRESSED_BYTES
        return gzip.compress(self.content, 9, mtime=0) if is_worth_it else None


@dataclass(frozen=True, slots=True)
class Console:
    """All files by their path from `/`, without the slash."""

    files: dict[str, File]

    @property
    def page(self) -> File:
        """The one page."""
        return self.files.get("index.html") or File(NOT_BUILT, "text/html; charset=utf-8", ASK_AGAIN)


def load_console(folder: Path) -> Console:
    """Reads the console's files; a folder that is not there gives a console that says so."""
    files = {}
    paths = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".gz" and path.with_suffix("") in paths:
            continue
        beside = path.with_name(f"{path.name}.gz")
        files[name] = File(
            content=path.read_bytes(),
            media_type=_media_type(name),
            caching=FOREVER if HASHED.search(name) else ASK_AGAIN,
            precompressed=beside.read_bytes() if beside in paths else None,
        )
    return Console(files)


@router.api_route("/{path:path}", methods=["GET", "HEAD"])
def show(path: str, request: Request) -> Response:
    """Answers with a file of the console, or with its page."""
    console = request.app.state.console
    assert isinstance(console, Console)
    found = console.files.get(path)
    if found is None and is_page(path, request.headers.get("accept", "")):
        found = console.page
    if found is None:
        return answer(from_status(404, f"/{path}"))
    return respond(request, found)


def is_page(path: str, accept: str) -> bool:
    """Says whether the console may answer for `path`, given without its first slash.

    Args:
        path: As sent, decoded.
        accept: The `Accept` header: a browser's navigation asks for HTML, a client of an API does not.
    """
    parts = [part for part in re.split(r"[/\\]", path) if part]
    if not parts:
        return True
    is_hidden = any(part.startswith(".") for part in parts)
    is_ours = parts[0].lower() not in RESERVED and not is_hidden and "." not in parts[-1]
    return is_ours and "text/html" in accept


def respond(request: Request, file: File) -> Response:
    """Returns a file, compressed where the browser takes it, or 304 when it has it already."""
    headers = {"cache-control": file.caching, "etag": file.etag, "vary": "accept-encoding"}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    content = file.content
    if file.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        content = file.compressed
        headers["content-encoding"] = "gzip"
    return Response(content, headers=headers, media_type=file.media_type)


def _media_type(name: str) -> str:
    guessed = {".js": "text/javascript", ".woff2": "font/woff2"}.get(Path(name).suffix)
    media_type = guessed or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
