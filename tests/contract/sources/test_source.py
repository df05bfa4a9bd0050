"""What every source must do: bring the right bytes, refuse wrong ones, go on where it stopped."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pilothouse.contracts.errors import ArtefactError, ConfigurationError, UpstreamError
from pilothouse.registry.pull import find, pull
from pilothouse.registry.source import Stage, Wanted
from pilothouse.registry.sources.catalogue import SOURCES, source_for
from pilothouse.store.artefacts import ArtefactStore, sha256_of

if TYPE_CHECKING:
    from tests.contract.sources.conftest import Place

SIZE = 1024 * 1024
WRONG = "sha256:" + "0" * 64


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(str(tmp_path / "artefacts"))


def left_over(tmp_path: Path) -> list[Path]:
    """Lists all files of the store but its locks."""
    files = [path for path in (tmp_path / "artefacts").rglob("*") if path.is_file()]
    return [path for path in files if path.parent.name != "locks"]


def test_each_source_is_in_the_suite(place: "Place") -> None:
    assert {"pypi", "hf", "file"} == set(SOURCES)
    assert source_for(place.source).scheme == place.source.partition(":")[0]


def test_the_file_comes_whole_and_is_found_again(place: "Place", store: ArtefactStore) -> None:
    seen: dict[Stage, tuple[int, int | None]] = {}

    def watch(stage: Stage, done: int, total: int | None) -> None:
        assert done >= seen.get(stage, (0, None))[0]
        seen[stage] = (done, total)

    assert find(place.source, store) is None
    stored = pull(place.source, f"sha256:{place.digest}", store, watch)
    assert stored.size_bytes == SIZE
    assert stored.digest == "sha256:" + sha256_of(Path(stored.path))
    assert seen["download"][0] == seen["download"][1]
    assert seen["download"][0] >= SIZE
    assert find(place.source, store) == stored
    store.verify(stored)


def test_what_is_here_is_not_fetched_again(place: "Place", store: ArtefactStore) -> None:
    stored = pull(place.source, None, store)
    asked = len(place.server.asked) if place.server else 0
    assert pull(place.source, None, store) == stored
    assert len(place.server.asked if place.server else ()) == asked


def test_nothing_but_the_file_stays_behind(place: "Place", store: ArtefactStore, tmp_path: Path) -> None:
    stored = pull(place.source, None, store)
    names = {path.parent.name for path in left_over(tmp_path)}
    assert names == {"sha256", "refs"}
    assert Path(stored.path).stat().st_mode & 0o777 == 0o400


def test_a_wrong_digest_is_refused_and_the_bytes_are_gone(
    place: "Place", store: ArtefactStore, tmp_path: Path
) -> None:
    with pytest.raises(ArtefactError, match=r"sha256:[0-9a-f]{64}.*sha256:0000"):
        pull(place.source, WRONG, store)
    assert find(place.source, store) is None
    assert left_over(tmp_path) == []


def test_bytes_that_were_replaced_at_the_source_are_refused(
    place: "Place", store: ArtefactStore, tmp_path: Path
) -> None:
    place.replace(b"evil" * (SIZE // 4))
    with pytest.raises(ArtefactError, match="removed"):
        pull(place.source, f"sha256:{place.digest}", store)
    assert left_over(tmp_path) == []


def test_a_download_that_was_cut_goes_on(place: "Place", store: ArtefactStore) -> None:
    if place.server is None:
        return  # a copy is not cut
    place.server.cuts = [600_000] * 2
    for _ in range(8):
        try:
            stored = pull(place.source, None, store)
            break
        except UpstreamError:
            continue
    assert stored.size_bytes == SIZE
    assert any(span and not span.startswith("bytes=0-") for _, _, span in place.server.asked)


def test_a_file_that_is_not_there_is_named(place: "Place", store: ArtefactStore) -> None:
    with pytest.raises(ArtefactError, match="absent"):
        pull(place.absent_source, None, store)


def test_a_folder_comes_with_what_is_in_it(place: "Place", tmp_path: Path) -> None:
    source = source_for(place.folder_source)
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "originals").mkdir(exist_ok=True)
    (tmp_path / "originals" / "config.json").write_bytes(b"{}")
    brought = source.fetch(Wanted(place.folder_source, folder, None))
    assert (brought / "config.json").read_bytes() == b"{}"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "nonsense",
        "pypi:",
        "pypi:x",
        "pypi:x/y",
        "hf:x",
        "file:relative/x",
        "ftp:x/y",
        "pypi:a==1",
    ],
)
def test_what_is_no_source_is_explained(source: str, store: ArtefactStore) -> None:
    with pytest.raises(ConfigurationError) as caught:
        pull(source, None, store)
    assert "pypi:<package>" in str(caught.value.hint)
