"""The OpenTelemetry SDK with its instrumentation of OpenAI's client; messages on spans and in events."""

from typing import Any

import openai
from opentelemetry import _logs, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from parts import ADDRESS, KEY, MODEL, USER, chats, headers, run

spans, logs = TracerProvider(), LoggerProvider()
spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
trace.set_tracer_provider(spans)
_logs.set_logger_provider(logs)
OpenAIInstrumentor().instrument()
client = openai.OpenAI(base_url=f"{ADDRESS}/v1", api_key=KEY, max_retries=0)


def create(model: str = MODEL, **asked: Any) -> Any:
    """Calls OpenAI's client."""
    return client.chat.completions.create(model=model, user=USER, extra_headers=headers(), **asked)


run(chats(create, openai.RateLimitError), lambda: (spans.shutdown(), logs.shutdown()))
