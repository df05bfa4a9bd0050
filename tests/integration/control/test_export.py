"""The control process sends calls on, with its header's secret, and says so on `/metrics`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from pilothouse.telemetry.settings import ExportSettings, TelemetrySettings

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.integration.telemetry.otlp_receiver import named, receiving

if TYPE_CHECKING:
    from tests.integration.control.conftest import Start


def test_calls_and_histograms_are_sent_with_the_secret_header(start_control: "Start") -> None:
    with receiving() as receiver:
        export = ExportSettings(
            endpoint=receiver.url,
            headers={"authorization": "${OTLP_TOKEN}"},
            interval_s=0.1,
            metrics_interval_s=1.0,
        )
        control = start_control(
            telemetry=TelemetrySettings(export=export), own_secrets={"OTLP_TOKEN": "Bearer s3cret"}
        )
        # The first look of the exporter notes where it begins: what is on record before is not sent.
        cursor = Path(control.home.export_cursor)
        control.wait(cursor.exists, "the first look")
        call_id = uuid4().hex
        control.record(call_id, trace_id=call_id, span_id="ab" * 8, input_tokens=3)
        receiver.wait(lambda: {got.path for got in receiver.got} == {"/v1/traces", "/v1/metrics"})
        (span,) = receiver.spans
        assert span.trace_id.hex() == call_id
        assert named(span.attributes)["pilothouse.call.id"] == call_id
        assert {got.headers["authorization"] for got in receiver.got} == {"Bearer s3cret"}
        text = 'pilothouse_export_items_total{signal="traces",outcome="sent"} 1\n'
        control.wait(lambda: text in control.root("GET", "/metrics").body.decode(), "the count")
        assert "s3cret" not in control.log()


def test_the_machine_is_shown_with_what_it_has_left(start_control: "Start") -> None:
    control = start_control()
    control.wait(lambda: control.root("GET", "/api/v1/resources").status == 200, "the first look")
    view = control.root("GET", "/api/v1/resources").json
    rooms = {room["name"]: room for room in view["headroom"]}
    assert {"memory", "disk", "open_files"} <= set(rooms)
    assert rooms["disk"]["left"] > 0
    assert len(rooms["memory"]["history"]) >= 1
    assert "pilothouse_machine_memory_bytes" in control.root("GET", "/metrics").body.decode()
    open_page = control.ask(
        "GET", "/metrics", x_pilothouse_client_host="127.0.0.1", accept="application/openmetrics-text"
    )
    assert open_page.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_page.body.endswith(b"# EOF\n")
