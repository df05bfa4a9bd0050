"""An engine of ours is asked how it is, left alone while it is not well, and used again once it is."""

import contextlib
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.contracts.snapshot import Deployment, EngineSpec, ModelRoute, Provider
from pilothouse.contracts.traffic import Routing

if TYPE_CHECKING:
    from tests.integration.gateway.routing.conftest import Fleet


def test_an_engine_that_says_it_is_not_ready_gets_no_calls(fleet: "Fleet") -> None:
    rig, path = fleet.rig, str(Path(fleet.rig.home.run) / "checked.sock")
    engine, is_well, checks = type(fleet["a"])(path), threading.Event(), []

    def behave(connection: socket.socket, request: bytes) -> None:
        if not request.startswith(b"GET /health "):
            fleet.says("engine")(connection, request)
            return
        checks.append(request)
        fleet.refuses("200 OK" if is_well.is_set() else "503 Loading", b"{}")(connection, request)

    engine.behave = behave
    spec = EngineSpec(
        engine="llama_cpp", kind="chat", artefact="/none", digest="sha256:0", socket=path, alias="m"
    )
    deployments = (
        Deployment(id="checked/engine", provider="engine-0", upstream_model="m", engine=spec),
        Deployment(id="checked/spare", provider="a", upstream_model="m", weight=0),
    )
    fleet.model = "checked"
    rig.publish(
        rig.snapshot(
            models=(ModelRoute(name="checked", kind="chat", deployments=deployments, routing=Routing()),),
            providers=(
                Provider(name="engine-0", base_url=f"unix:{path}:/v1"),
                Provider(name="a", base_url=fleet["a"].url),
            ),
            wildcard_providers=(),
        )
    )
    rig.until(lambda: rig.status()["snapshot_revision"] == rig.revision)
    with contextlib.closing(engine):
        rig.until(lambda: fleet.vitals("engine").get("is_ready") is False)
        assert len(checks) >= 2, "one failed check is not enough"
        assert fleet.text(fleet.ask()) == "a"
        is_well.set()
        rig.until(lambda: fleet.text(fleet.ask()) == "engine")
        assert fleet.vitals("engine").get("is_ready", True)
    Path(path).unlink()
