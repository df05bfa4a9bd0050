"""Gets a model into the artefact store, whatever its source: fetch, check, convert if needed, keep.

Refuses to know how the progress is shown. Invariant: what `find` returns was checked against its digest when
it came in, and an interrupted pull is continued by the next one.
"""

from pilothouse.registry.convert import is_convertible, to_gguf
from pilothouse.registry.source import Progress, Wanted, quiet
from pilothouse.registry.sources.catalogue import source_for
from pilothouse.store.artefacts import ArtefactStore, StoredArtefact

__all__ = ["find", "pull"]


def find(source: str, store: ArtefactStore) -> StoredArtefact | None:
    """Returns a source's file when it is here already; asks no network."""
    return store.find(source)


def pull(source: str, digest: str | None, store: ArtefactStore, progress: Progress = quiet) -> StoredArtefact:
    """Fetches a source unless it is here already, and returns the file.

    Args:
        source: As configured.
        digest: `sha256:<hex>` that the download must have; `None` takes the source's own word.
        store: Where it is kept.
        progress: Told how far each stage is.

    Raises:
        ConfigurationError: The source is not written as it must be.
        ArtefactError: There is no such file, or it is not what it claims to be.
        UpstreamError: The network failed; a further call continues where this one stopped.
    """
    place = source_for(source)
    with store.locked(source):
        found = store.find(source)
        if found is not None:
            return found
        folder = store.staging(source)
        pinned = digest.removeprefix("sha256:").lower() if digest else None
        path = place.fetch(Wanted(source, folder, pinned, progress))
        if is_convertible(path):
            path = to_gguf(path, folder / "converted.gguf", progress)
        kept = store.put(source, path)
        store.clear_staging(source)
        return kept
