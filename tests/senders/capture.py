"""Captures what each sender really sends, for tests of the folding without their environments.

    .venv/bin/python tests/senders/capture.py opentelemetry …    writes tests/senders/captured

The environments are those that tests/journeys/test_senders.py made. Stack traces are cut to their first line.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))
from receiver import receiving  # noqa: E402 - a script beside it

GOAL = Path(__file__).parent / "captured"
CAPTURE = {
    "opentelemetry": {
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT",
        "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "true",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    },
    "early": {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"},
}


def main() -> None:
    """Runs the senders named against a scripted model and a receiver."""
    upstream = [sys.executable, str(ROOT / "tests/clients/scripted_upstream.py")]
    with subprocess.Popen(upstream, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        port = process.stdout.readline().strip()
        for name in sys.argv[1:]:
            GOAL.mkdir(exist_ok=True)
            (GOAL / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(capture(name, port))))
        process.stdin.close()


def capture(name: str, port: str) -> dict[str, Any]:
    """Returns what one sender sent."""
    python = next((ROOT / ".envs" / "senders").glob(f"{name}-*")) / "bin" / "python"
    with receiving() as received:
        environment = {
            "CLIENT_ADDRESS": f"http://127.0.0.1:{port}",
            "CLIENT_KEY": "sk-scripted",
            "OTEL_EXPORTER_OTLP_ENDPOINT": received.address,
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20key",
            "OTEL_SERVICE_NAME": name,
            "TRACELOOP_TELEMETRY": "false",
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parent),
        }
        program = Path(__file__).parent / name / "program.py"
        done = subprocess.run(
            [python, program],
            env=environment | CAPTURE.get(name, {}),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    return {
        "traces": msgspec.json.decode(done.stdout.splitlines()[-1]),
        "spans": [[resource, shortened(span)] for resource, span in received.spans],
        "logs": received.logs,
    }


def shortened(span: Any) -> Any:
    """Returns the span without stack traces, which name places on this machine."""
    for place in (span.attributes, *(event.attributes for event in span.events)):
        for key in place:
            if "stack" in key and isinstance(place[key], str):
                place[key] = place[key].partition("\n")[0]
    return span


if __name__ == "__main__":
    main()
