"""The simple package index (PEP 503 and PEP 691) that pip is configured for: which files a package has.

Reads pip's own configuration (`PIP_INDEX_URL`, `PIP_EXTRA_INDEX_URL`, `pip.conf`), so that a company's
mirror is used where pip would use it. Indexes on `https:`, `http:` and `file:` are understood.

Refuses to know what a file is for. Invariant: nothing is downloaded that was not asked for by name.
"""

import configparser
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from pilothouse.contracts.errors import UpstreamError
from pilothouse.network.sync import Progress, request, stream_to_file

__all__ = ["IndexFile", "files_of", "index_urls", "normalised"]

DEFAULT_INDEX = "https://pypi.org/simple"
JSON_TYPE = "application/vnd.pypi.simple.v1+json"
ACCEPT = f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file of a package."""

    name: str
    url: str
    sha256: str | None

    def download(self, path: Path, progress: Progress) -> None:
        """Brings the file to `path`, continuing what an earlier attempt left there.

        Raises:
            UpstreamError: It cannot be read, or was cut midway (`code` is `upstream_cut`).
        """
        if self.url.startswith("file:"):
            shutil.copyfile(_local(self.url), path)
        else:
            stream_to_file(self.url, str(path), progress=progress)


def index_urls(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Returns the addresses of the indexes to ask, in order: pip's index, then its extra ones."""
    environment = os.environ if environment is None else environment
    configured: dict[str, str] = {}
    for path in _configuration_files(environment):
        configured.update(_read(path))
    for key in ("index-url", "extra-index-url"):
        value = environment.get(f"PIP_{key.upper().replace('-', '_')}")
        if value:
            configured[key] = value
    first = configured.get("index-url", DEFAULT_INDEX).strip()
    return tuple(dict.fromkeys([first, *configured.get("extra-index-url", "").split()]))


def files_of(index: str, package: str) -> list[IndexFile]:
    """Returns the files that an index has of a package; none when it does not know the package.

    Raises:
        UpstreamError: The index cannot be read.
    """
    url = f"{index.rstrip('/')}/{normalised(package)}/"
    if url.startswith("file:"):
        page = _local(url) / "index.html"
        return list(_from_html(page.read_text(), url)) if page.is_file() else []
    answer = request("GET", url, headers={"accept": ACCEPT})
    if answer.status == NOT_FOUND:
        return []
    if answer.status != 200:  # noqa: PLR2004 - HTTP's OK
        raise UpstreamError(f"the package index answered {answer.status} for {package}")
    if answer.headers.get("content-type", "").startswith(JSON_TYPE):
        return list(_from_json(answer.body, answer.url))
    return list(_from_html(answer.body.decode("utf-8", "replace"), answer.url))


def normalised(package: str) -> str:
    """Returns a package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _from_json(body: bytes, base: str) -> Iterator[IndexFile]:
    try:
        for file in json.loads(body)["files"]:
            yield IndexFile(
                file["filename"], _with_login(urljoin(base, file["url"]), base), file["hashes"].get("sha256")
            )
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise UpstreamError(f"the package index answered something else than PEP 691: {fault}") from fault


def _from_html(page: str, base: str) -> Iterator[IndexFile]:
    parser = _Links()
    parser.feed(page)
    for link in parser.links:
        url, fragment = urldefrag(urljoin(base, link))
        kind, _, value = fragment.partition("=")
        yield IndexFile(
            unquote(urlsplit(url).path.rpartition("/")[2]),
            _with_login(url, base),
            value if kind == "sha256" else None,
        )


def _with_login(url: str, base: str) -> str:
    """Gives a file of the index's own host the login that the index was asked with."""
    index, file = urlsplit(base), urlsplit(url)
    same = (index.scheme, index.hostname, index.port) == (file.scheme, file.hostname, file.port)
    if index.username is None or not same or file.username is not None:
        return url
    return file._replace(netloc=index.netloc).geturl()


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.extend(value for name, value in attrs if name == "href" and value)


def _configuration_files(environment: Mapping[str, str]) -> list[Path]:
    """Lists pip's configuration files, the ones that win last."""
    home = Path(environment.get("HOME", "/"))
    chosen = environment.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    user = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), home / ".pip" / "pip.conf", user]
    files.append(Path(sys.prefix) / "pip.conf")
    return [*files, Path(chosen)] if chosen else files


def _read(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        return {}
    found: dict[str, str] = {}
    for section in ("global", "install", "download"):
        if parser.has_section(section):
            found.update(parser.items(section))
    return {key: value for key, value in found.items() if key in {"index-url", "extra-index-url"}}


def _local(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))
