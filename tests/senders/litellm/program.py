"""LiteLLM's own OpenTelemetry callback."""

import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # the list that came with it, not the one on the network
os.environ["USE_OTEL_LITELLM_REQUEST_SPAN"] = "true"  # a span of its own for each call

import litellm
from litellm.integrations.opentelemetry import OpenTelemetry, OpenTelemetryConfig
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from parts import ADDRESS, KEY, MODEL, USER, chats, headers, run

spans = TracerProvider()
spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(spans)
litellm.callbacks = [OpenTelemetry(OpenTelemetryConfig(exporter="otlp_http"), tracer_provider=spans)]


def create(model: str = MODEL, **asked: Any) -> Any:
    """Calls through LiteLLM."""
    return litellm.completion(
        model=f"openai/{model}",
        api_base=f"{ADDRESS}/v1",
        api_key=KEY,
        user=USER,
        max_retries=0,
        extra_headers=headers(),
        metadata={"litellm_parent_otel_span": trace.get_current_span()},  # a stream's callback knows no other
        **asked,
    )


def flush() -> None:
    """Waits for the callbacks, which run in threads of their own, and sends."""
    from litellm.litellm_core_utils.thread_pool_executor import executor

    executor.shutdown(wait=True)
    spans.shutdown()


run(chats(create, litellm.RateLimitError), flush)
