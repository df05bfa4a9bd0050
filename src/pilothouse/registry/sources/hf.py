"""`hf:<owner>/<name>/<file>@<revision>`: a file of a Hugging Face hub, through `huggingface_hub`.

The hub's address, token and proxy are its own library's affair (`HF_ENDPOINT`, `HF_TOKEN`, …). A folder
(`hf:<owner>/<name>/@<revision>` or with a path that ends in `/`) brings the files a conversion reads.

Refuses to know what is in a file. Invariant: a file without a pinned digest is checked against the digest
that the hub itself states, where it states one.
"""

import os
import re
from pathlib import Path
from typing import Any

from pilothouse.contracts.errors import ArtefactError, UpstreamError
from pilothouse.registry.source import Progress, Wanted, check_digest, source_error

__all__ = ["HubSource"]

CONVERTED = ("config.json", "vocab.txt", "model.safetensors")
"""What of a folder is fetched: what `registry.convert` reads."""

_REFERENCE = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)/(?P<file>[^@]*?)(?:@(?P<revision>[^@]+?))?/?", re.ASCII)


class HubSource:
    """A file of a Hugging Face hub."""

    scheme = "hf"

    def fetch(self, wanted: Wanted) -> Path:
        """Downloads the file, or the files of a folder that a conversion needs."""
        found = _REFERENCE.fullmatch(wanted.reference)
        if found is None:
            raise source_error(wanted.source, "after `hf:` come owner, name and file")
        repo, revision = found["repo"], found["revision"] or None
        if not wanted.source.endswith("/"):
            if not found["file"]:
                raise source_error(wanted.source, "the file is missing")
            return self._file(wanted, repo, found["file"], revision)
        folder = found["file"].strip("/")
        paths = [self._file(wanted, repo, f"{folder}/{name}".strip("/"), revision) for name in CONVERTED]
        return paths[0].parent

    def _file(self, wanted: Wanted, repo: str, file: str, revision: str | None) -> Path:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
        from huggingface_hub.errors import (
            EntryNotFoundError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        endpoint = os.environ.get("HF_ENDPOINT")
        try:
            path = hf_hub_download(
                repo,
                file,
                revision=revision,
                local_dir=wanted.folder / "hub",
                endpoint=endpoint,
                tqdm_class=_bar(wanted.progress),
            )
            url = hf_hub_url(repo, file, revision=revision, endpoint=endpoint)
            stated = (get_hf_file_metadata(url, endpoint=endpoint).etag or "").lower()
        except (RepositoryNotFoundError, RevisionNotFoundError) as fault:
            raise ArtefactError(
                f"the hub has no {repo}{f' at {revision}' if revision else ''}",
                hint="Check its name; for a private one set HF_TOKEN.",
            ) from fault
        except LocalEntryNotFoundError as fault:
            raise UpstreamError(f"the hub cannot be reached for {repo}: {fault}") from fault
        except EntryNotFoundError as fault:
            raise ArtefactError(f"the hub's {repo} has no file {file!r}") from fault
        except _network_errors() as fault:
            raise UpstreamError(f"{wanted.source} cannot be downloaded: {fault}") from fault
        digest = None if wanted.source.endswith("/") else wanted.digest
        if digest is None and re.fullmatch(r"[0-9a-f]{64}", stated):
            digest = stated
        if digest is not None:
            check_digest(wanted, Path(path), digest)
        return Path(path)


def _network_errors() -> tuple[type[Exception], ...]:
    """Returns what the hub's library raises when the network fails, its HTTP client's own errors included.

    Which client that is changes between versions, so its root error is found as an ancestor, not by import.
    """
    from huggingface_hub.errors import HfHubHTTPError

    clients = [it for it in HfHubHTTPError.__mro__ if it.__module__.startswith("httpx")]
    return (HfHubHTTPError, OSError, *(it for it in clients if issubclass(it, Exception)))


def _bar(progress: Progress) -> type[Any]:
    """Returns a progress bar class, as the library wants one, that tells `progress` instead of a screen."""
    from huggingface_hub.utils.tqdm import tqdm

    base: Any = tqdm

    class Bar(base):  # type: ignore[misc]  # the library's class is untyped
        def __init__(self, *args: Any, **named: Any) -> None:
            named["disable"] = True
            super().__init__(*args, **named)
            self._done = int(named.get("initial") or 0)
            self._total = named.get("total")

        def update(self, n: float | None = 1) -> None:
            self._done += int(n or 0)
            progress("download", self._done, None if self._total is None else int(self._total))

    return Bar
