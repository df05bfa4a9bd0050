"""One Pilothouse sends its calls on to another's own OTLP door, and is read by Prometheus' own checks."""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.journeys.conftest import Up

TRACE = "5a" * 16
FIRST = 'models: {}\ntelemetry: {export: {endpoint: "%s", headers: {authorization: "${OTLP_KEY}"}}}\n'


def test_calls_of_one_are_spans_of_the_other(
    start_up: "Callable[..., Up]", require: "Callable[[str], str]"
) -> None:
    second = start_up("models: {}\n", folder="second")
    second.wait_ready()
    first = start_up(FIRST % second.base_url, folder="first", OTLP_KEY=f"Bearer {second.key}")
    first.wait_ready()
    first.wait(Path(first.home.export_cursor).exists, "the export's first look")
    asked = {"model": "none", "messages": [{"role": "user", "content": "hello"}]}
    refused = first.post("/v1/chat/completions", asked, traceparent=f"00-{TRACE}-{'6b' * 8}-01")
    assert refused.status == 404

    def arrived() -> bool:
        answer = second.get(f"/api/v1/traces/{TRACE}")
        return answer.status == 200 and len(json.loads(answer.body)["spans"]) == 1

    second.wait(arrived, "the span")
    (span,) = json.loads(second.get(f"/api/v1/traces/{TRACE}").body)["spans"]
    assert (span["parent_id"], span["operation"], span["is_error"]) == ("6b" * 8, "chat", True)
    assert span["service"] == "pilothouse"

    page = first.get("/metrics").body
    assert b'pilothouse_export_items_total{signal="traces",outcome="sent"} 1\n' in page
    checked = subprocess.run(
        [require("promtool"), "check", "metrics"],
        input=b"".join(line for line in page.splitlines(keepends=True) if b"vllm:" not in line),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    assert (first.stop(), second.stop()) == (0, 0)
