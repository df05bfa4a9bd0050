"""OpenInference's instrumentors of OpenAI's client and of LangChain: a chain, a retriever and a tool too."""

from typing import Any

import openai
from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openinference.instrumentation import using_attributes
from openinference.instrumentation.langchain import LangChainInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from parts import ADDRESS, KEY, MODEL, QUESTION, RESULT, SYSTEM, TOOLS, USER, chats, headers, run

spans = TracerProvider()
spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(spans)
instrumentor = OpenAIInstrumentor()
instrumentor.instrument()
client = openai.OpenAI(base_url=f"{ADDRESS}/v1", api_key=KEY, max_retries=0)


def create(model: str = MODEL, **asked: Any) -> Any:
    """Calls OpenAI's client, in a session of a user."""
    with using_attributes(session_id="session-1", user_id=USER):
        return client.chat.completions.create(model=model, user=USER, extra_headers=headers(), **asked)


class Shelf(BaseRetriever):
    """A retriever that finds one document."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        del run_manager
        return [Document("The needle is in the north.", metadata={"source": "almanac", "query": query})]


@tool
def weather(city: str) -> str:
    """Says what the weather is."""
    return f"{city}: {RESULT}"


def model() -> ChatOpenAI:
    """Returns LangChain's model, which sends the open span's `traceparent`."""
    return ChatOpenAI(
        model=MODEL, base_url=f"{ADDRESS}/v1", api_key=KEY, max_retries=0, default_headers=headers()
    )


def chain() -> None:
    """Retrieves, then asks: a chain of LangChain's."""
    prompt = ChatPromptTemplate.from_messages([("system", SYSTEM), ("user", "{found} {question}")])
    found = Shelf().invoke(QUESTION)
    answer = (prompt | model()).invoke({"found": found[0].page_content, "question": QUESTION})
    assert "I saw" in answer.content, answer


def agent_tool() -> None:
    """Lets the model call a tool, and runs it."""
    answer = model().bind_tools([TOOLS[0]]).invoke(QUESTION)
    assert RESULT in weather.invoke(answer.tool_calls[0]["args"])


def langchain_streamed() -> None:
    """Streams through LangChain."""
    assert "I saw" in "".join(piece.content for piece in model().stream(QUESTION))


def switch() -> None:
    """From here on LangChain is instrumented, and OpenAI's client is not: a call is one span."""
    instrumentor.uninstrument()
    LangChainInstrumentor().instrument()


openai_parts = chats(create, openai.RateLimitError)
run([*openai_parts, switch, chain, agent_tool, langchain_streamed], spans.shutdown)
