"""OpenLLMetry (`traceloop-sdk`): a workflow with a task and a tool around OpenAI's client."""

import os
from typing import Any

import openai
from opentelemetry import trace
from parts import ADDRESS, KEY, MODEL, QUESTION, RESULT, USER, chats, headers, run
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import agent, tool, workflow
from traceloop.sdk.instruments import Instruments

Traceloop.init(
    app_name="openllmetry",
    api_endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"],
    headers=dict([os.environ["OTEL_EXPORTER_OTLP_HEADERS"].replace("%20", " ").split("=", 1)]),
    instruments={Instruments.OPENAI},
    telemetry_enabled=False,
)
client = openai.OpenAI(base_url=f"{ADDRESS}/v1", api_key=KEY, max_retries=0)


def create(model: str = MODEL, **asked: Any) -> Any:
    """Calls OpenAI's client, in a session of a user."""
    Traceloop.set_association_properties({"session_id": "session-1", "user_id": USER})
    return client.chat.completions.create(model=model, user=USER, extra_headers=headers(), **asked)


@tool(name="weather")
def weather(city: str) -> str:
    """Says what the weather is."""
    return f"{city}: {RESULT}"


@agent(name="forecaster")
def forecast() -> str:
    """Asks the model, then the tool."""
    create(messages=[{"role": "user", "content": QUESTION}])
    return weather("Paris")


@workflow(name="forecasting")
def chain() -> None:
    """Runs the agent."""
    assert RESULT in forecast()


provider: Any = trace.get_tracer_provider()
run([*chats(create, openai.RateLimitError), chain], provider.force_flush)
