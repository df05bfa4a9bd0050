"""A worker's life: it follows the snapshot, stops in order, and takes nothing in that it cannot record."""

import json
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

if TYPE_CHECKING:
    from tests.integration.gateway.conftest import Rig

REVOKED_WITHIN_S = 1.0


def test_a_revoked_key_stops_within_a_second(rig: "Rig") -> None:
    assert rig.chat().status == 200
    snapshot = rig.snapshot()
    rig.publish(rig.snapshot(keys=tuple(key for key in snapshot.keys if key.id != "key_test")))
    published = time.monotonic()
    rig.until(lambda: rig.chat().status == 401)
    assert time.monotonic() - published < REVOKED_WITHIN_S
    rig.publish(rig.snapshot())
    rig.until(lambda: rig.chat().status == 200)


def test_a_running_call_outlives_a_new_snapshot(rig: "Rig", wire: Any) -> None:
    go = threading.Event()

    def behave(connection: socket.socket, _: bytes) -> None:
        go.wait(10)
        wire.answer_json(connection, json.dumps(wire.CHAT).encode())

    rig.upstream.behave = behave
    replies: list[Any] = []
    asking = threading.Thread(target=lambda: replies.append(rig.chat()))
    asking.start()
    rig.until(lambda: rig.upstream.requests)
    rig.publish(rig.snapshot(models=()))
    rig.until(lambda: rig.status()["snapshot_revision"] == rig.revision)
    go.set()
    asking.join(10)
    assert replies[0].status == 200
    rig.publish(rig.snapshot())
    rig.until(lambda: rig.status()["snapshot_revision"] == rig.revision)


def _refusals(rig: "Rig") -> int:
    found: int = rig.status().get("snapshot_refusals_total", 0)
    return found


@pytest.mark.parametrize("kind", ["unsigned", "signed by another", "broken", "older", "of no known provider"])
def test_a_bad_snapshot_is_refused_and_the_last_good_one_kept(rig: "Rig", kind: str) -> None:
    rig.publish(rig.snapshot())
    rig.until(lambda: rig.status()["snapshot_revision"] == rig.revision)
    before, good = _refusals(rig), rig.revision
    if kind == "unsigned":
        rig.write_snapshot(b"\x82\xa7payload\xc4\x01x\xa9signature\xc4\x00")
    elif kind == "signed by another":
        rig.publish(rig.snapshot(keys=()), key=Ed25519PrivateKey.generate())
    elif kind == "broken":
        rig.write_snapshot(Path(rig.home.snapshot).read_bytes()[:-10])
    elif kind == "older":
        rig.publish(rig.snapshot(keys=(), revision=good - 1))
    else:
        rig.publish(rig.snapshot(providers=()))
    rig.until(lambda: _refusals(rig) == before + 1)
    assert rig.status()["snapshot_revision"] == good
    assert rig.chat().status == 200
    assert any("newest snapshot was refused" in note for note in rig.ask("GET", "/readyz").json["notes"])
    rig.publish(rig.snapshot())
    rig.until(lambda: rig.status()["snapshot_revision"] == rig.revision)


def test_a_worker_without_a_snapshot_is_not_ready_and_says_why(fresh: "Rig") -> None:
    fresh.start()
    ready = fresh.ask("GET", "/readyz")
    assert ready.status == 503
    assert "snapshot" in ready.json["reasons"][0]
    reply = fresh.chat()
    assert (reply.status, reply.error["code"]) == (503, "starting")
    assert fresh.recorded(reply).end.outcome == "refused"
    fresh.publish(fresh.snapshot())
    fresh.until(lambda: fresh.ask("GET", "/readyz").status == 200)
    assert fresh.chat().status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_stopped_finishes_what_runs(fresh: "Rig", wire: Any, number: signal.Signals) -> None:
    go = threading.Event()

    def behave(connection: socket.socket, _: bytes) -> None:
        go.wait(10)
        wire.answer_json(connection, json.dumps(wire.CHAT).encode())

    fresh.upstream.behave = behave
    fresh.publish(fresh.snapshot())
    fresh.start()
    idle = fresh.raw(b"")
    replies: list[Any] = []
    asking = threading.Thread(target=lambda: replies.append(fresh.chat()))
    asking.start()
    fresh.until(lambda: fresh.upstream.requests)
    assert fresh.process is not None
    fresh.process.send_signal(number)
    assert idle.recv(1) == b"", "an idle connection is closed at once"
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset, both are a closed door
        fresh.raw(b"")
    go.set()
    asking.join(10)
    assert fresh.process.wait(10) == 0
    assert replies[0].status == 200
    assert replies[0].headers["connection"] == "close"
    assert fresh.recorded(replies[0]).end.outcome == "completed"
    assert not Path(fresh.home.gateway_status_socket("0")).exists()


def test_a_call_that_does_not_end_in_time_is_cut_and_on_record(fresh: "Rig", wire: Any) -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(wire.STREAM_HEAD + wire.framed(wire.chunk({"content": "Hel"})))
        fresh.upstream.hold(connection)

    fresh.upstream.behave = behave
    fresh.publish(fresh.snapshot())
    fresh.start(deadlines={"drain_s": 0.3})
    body = b'{"model":"quiet","stream":true,"messages":[]}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nx-request-id: long\r\nx-api-key: ph_test_0123456789\r\n"
    connection = fresh.raw(head + b"content-length: %d\r\n\r\n" % len(body) + body)
    while b"Hel" not in connection.recv(65536):
        pass
    assert fresh.stop() == 0
    call = fresh.record()["long"]
    assert call.end.outcome == "cut"
    assert call.started is not None


def test_a_killed_worker_leaves_the_start_of_a_stream_on_record(fresh: "Rig", wire: Any) -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(wire.STREAM_HEAD + wire.framed(wire.chunk({"content": "Hel"})))
        fresh.upstream.hold(connection)

    fresh.upstream.behave = behave
    fresh.publish(fresh.snapshot())
    fresh.start()
    body = b'{"model":"quiet","stream":true,"messages":[]}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nx-request-id: long\r\nx-api-key: ph_test_0123456789\r\n"
    connection = fresh.raw(head + b"content-length: %d\r\n\r\n" % len(body) + body)
    while b"Hel" not in connection.recv(65536):
        pass
    assert fresh.process is not None
    fresh.process.kill()
    fresh.process.wait()
    call = fresh.record()["long"]
    assert call.started is not None
    assert call.completed == []
    assert call.request == body


def test_without_room_for_the_record_nothing_new_is_taken_in(fresh: "Rig") -> None:
    fresh.publish(fresh.snapshot())
    fresh.start()
    assert fresh.chat().status == 200
    ballast = Path(fresh.home.journal) / "ballast"
    ballast.write_bytes(b"x" * (64 << 20))  # over the quota of the rig
    refused = fresh.until(lambda: (reply := fresh.chat()).status == 503 and reply)
    assert refused.error["code"] == "record_full"
    assert fresh.recorded(refused).end.error_code == "record_full"
    assert fresh.ask("GET", "/readyz").status == 503
    ballast.unlink()
    fresh.until(lambda: fresh.chat().status == 200)
