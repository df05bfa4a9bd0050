"""Publications on a real file and a real database of either kind."""

import threading
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine, text

from pilothouse.contracts.snapshot import (
    SIGNATURE_CONTEXT,
    KeyRecord,
    RecordPolicy,
    SignedSnapshot,
    Snapshot,
)
from pilothouse.rollout import repository
from pilothouse.rollout.build import Catalogue
from pilothouse.rollout.publish import Publisher

KEY = b"k" * 32
CATALOGUE = Catalogue(
    models=(),
    providers=(),
    wildcard_providers=(),
    prices={},
    default_record=RecordPolicy(),
    missing=(),
)


@pytest.fixture
def engine(state_engine: Engine) -> Engine:
    with state_engine.begin() as connection:
        repository.record_configuration(connection, b"{}", origin="default", now_ms=1)
    return state_engine


def make(engine: Engine, path: Path, keys: tuple[KeyRecord, ...] = ()) -> Publisher:
    return Publisher(
        engine,
        path=str(path),
        signing_key=KEY,
        catalogue=CATALOGUE,
        configuration_revision=1,
        keys=lambda _: keys,
    )


def read(path: Path) -> Snapshot:
    signed = msgspec.msgpack.decode(path.read_bytes(), type=SignedSnapshot)
    public = Ed25519PrivateKey.from_private_bytes(KEY).public_key()
    public.verify(signed.signature, SIGNATURE_CONTEXT + signed.payload)
    return msgspec.msgpack.decode(signed.payload, type=Snapshot)


def test_each_publication_has_the_next_revision_and_is_kept(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "snapshot" / "current"
    publisher = make(engine, path, keys=(KeyRecord(id="key_1", digest=b"d" * 32),))
    assert publisher.publish("start", now_ms=10) == 1
    assert read(path).keys[0].id == "key_1"
    assert publisher.publish("a key was made", now_ms=20) == 2
    assert (read(path).revision, read(path).created_at_ms) == (2, 20)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT revision, configuration_revision, reason FROM publications"))
        assert [tuple(row) for row in rows] == [(1, 1, "start"), (2, 1, "a key was made")]


def test_only_the_owner_can_read_the_file_and_nothing_is_left_beside_it(
    engine: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "snapshot" / "current"
    make(engine, path).publish("start", now_ms=1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["current"]


def test_the_revision_grows_even_when_the_database_is_older_than_the_file(
    engine: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "current"
    publisher = make(engine, path)
    for _ in range(3):
        publisher.publish("start", now_ms=1)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM publications"))
    assert publisher.publish("after a restore", now_ms=1) == 4


def test_a_broken_file_is_replaced(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "current"
    path.write_bytes(b"junk")
    assert make(engine, path).publish("start", now_ms=1) == 1
    assert read(path).revision == 1


def test_what_cannot_be_written_is_not_kept_as_published(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        make(engine, tmp_path / "file" / "current").publish("start", now_ms=1)
    with engine.connect() as connection:
        assert repository.last_publication(connection) == 0


def test_what_failed_is_published_by_the_next_tick(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "snapshot" / "current"
    publisher = make(engine, path)
    publisher.publish("start", now_ms=1)
    publisher.tick(2)
    assert read(path).revision == 1, "nothing is due"
    path.parent.rename(tmp_path / "away")
    (tmp_path / "snapshot").write_text("in the way")
    with pytest.raises(OSError, match="snapshot"):
        publisher.publish("a key was revoked", now_ms=3)
    (tmp_path / "snapshot").unlink()
    publisher.tick(4)
    assert read(path).created_at_ms == 4


def test_readers_never_meet_a_part_while_many_publish(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "current"
    keys = tuple(KeyRecord(id=f"key_{number}", digest=number.to_bytes(32, "big")) for number in range(500))
    publisher = make(engine, path, keys)
    publisher.publish("start", now_ms=1)
    writers = [
        threading.Thread(target=publisher.publish, args=("x",), kwargs={"now_ms": 1}) for _ in range(8)
    ]
    for writer in writers:
        writer.start()
    revisions = []
    while any(writer.is_alive() for writer in writers):
        revisions.append(read(path).revision)
    assert revisions == sorted(revisions)
    assert read(path).revision == 9


def test_the_same_configuration_is_no_new_revision(engine: Engine) -> None:
    with engine.begin() as connection:
        first = repository.record_configuration(connection, b"{}", origin="default", now_ms=5)
        second = repository.record_configuration(connection, b'{"a":1}', origin="file", now_ms=6)
        third = repository.record_configuration(connection, b'{"a":1}', origin="file", now_ms=7)
        fourth = repository.record_configuration(connection, b"{}", origin="file", now_ms=8)
    assert (first, second, third, fourth) == ((1, 1), (2, 6), (2, 6), (3, 8))
