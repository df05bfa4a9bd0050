"""The store of model files, in a folder of its own."""

import threading
from pathlib import Path

import pytest

from pilothouse.contracts.errors import ArtefactError
from pilothouse.store.artefacts import ArtefactStore


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(str(tmp_path / "artefacts"))


def put(store: ArtefactStore, source: str, data: bytes) -> None:
    file = store.staging(source) / "file"
    file.write_bytes(data)
    store.put(source, file)


def test_two_sources_of_one_file_share_it(store: ArtefactStore) -> None:
    put(store, "file:/a", b"same")
    put(store, "file:/b", b"same")
    first, second = store.list()
    assert first.path == second.path
    assert store.remove("file:/a")
    assert store.find("file:/b") == second
    assert store.remove("file:/b")
    assert not Path(second.path).exists()
    assert not store.remove("file:/b")


def test_a_changed_file_is_found_out(store: ArtefactStore) -> None:
    put(store, "file:/a", b"right")
    stored = store.find("file:/a")
    assert stored is not None
    Path(stored.path).chmod(0o600)
    Path(stored.path).write_bytes(b"wrong")
    with pytest.raises(ArtefactError, match="has changed"):
        store.verify(stored)
    Path(stored.path).write_bytes(b"shorter or longer")
    assert store.find("file:/a") is None
    Path(stored.path).unlink()
    with pytest.raises(ArtefactError, match="missing"):
        store.verify(stored)


def test_a_damaged_reference_is_named(store: ArtefactStore, tmp_path: Path) -> None:
    put(store, "file:/a", b"right")
    (reference,) = (tmp_path / "artefacts" / "refs").iterdir()
    reference.write_bytes(b"{")
    with pytest.raises(ArtefactError, match="damaged"):
        store.find("file:/a")
    assert store.list() == ()


def test_one_process_waits_for_another(store: ArtefactStore) -> None:
    order: list[str] = []
    entered = threading.Event()

    def second() -> None:
        entered.set()
        with store.locked("file:/a"):
            order.append("second")

    with store.locked("file:/a"):
        thread = threading.Thread(target=second)
        thread.start()
        entered.wait()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
