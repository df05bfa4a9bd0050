"""Uses LangChain's chat models for OpenAI (both its protocols) and Anthropic, unmodified."""

from typing import Any, Literal

import parts
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel


class Weather(BaseModel):
    """The weather in a city."""

    city: str
    unit: Literal["celsius", "fahrenheit"]


@tool
def get_weather(city: str, unit: Literal["celsius", "fahrenheit"]) -> str:
    """Get the weather in a city."""
    return f"21 degrees {unit} in {city}"


def openai(model: str, **more: Any) -> Any:
    """Returns a chat model that asks by chat completions, or by responses."""
    bound: Any = {
        "max_tokens": 96,
        "temperature": 0,
        "max_retries": 0,
        "timeout": 60,
        "stream_usage": True,
        **more,
    }
    return ChatOpenAI(model=model, base_url=f"{parts.ADDRESS}/v1", api_key=parts.KEY, **bound)  # type: ignore[arg-type]


def anthropic(model: str) -> Any:
    """Returns a chat model that asks by messages."""
    bound: Any = {"max_tokens": 96, "temperature": 0, "max_retries": 0, "timeout": 60}
    return ChatAnthropic(model=model, base_url=parts.ADDRESS, api_key=parts.KEY, **bound)


def every() -> list[tuple[str, Any]]:
    """Returns each chat model of each client, with its model's name."""
    return [
        (model, made)
        for model in parts.EVERY
        for made in (openai(model), openai(model, use_responses_api=True), anthropic(model))
    ]


def turns() -> list[Any]:
    """Returns a conversation."""
    return [SystemMessage("Be brief."), HumanMessage("One."), AIMessage("Two."), HumanMessage("Three.")]


def invoke() -> None:
    """An answer and its usage come, and all that was said arrives."""
    for model, chat in every():
        answer = chat.invoke(turns())
        assert answer.text, (chat, answer)
        assert answer.usage_metadata["output_tokens"] > 0, (chat, answer)
        if model in parts.REMOTE:
            told = parts.seen(answer.text)
            assert told["system"] == ["Be brief."], (chat, told)
            assert told["turns"] == ["user: One.", "assistant: Two.", "user: Three."], (chat, told)


def stream() -> None:
    """Pieces come, add up, and end with the usage."""
    for model, chat in every():
        pieces = list(chat.stream(turns()))
        whole = sum(pieces[1:], pieces[0])
        assert len(pieces) > 2, (chat, pieces)
        assert whole.usage_metadata["output_tokens"] > 0, (chat, whole)
        if model in parts.REMOTE:
            assert parts.seen(whole.text)["system"] == ["Be brief."], (chat, whole)


def tools() -> None:
    """A bound tool is called, run, and its result answered to."""
    for model, chat in every():
        bound = chat.bind_tools([get_weather], tool_choice="any")
        messages: list[Any] = [HumanMessage("What is the weather in Paris, in celsius?")]
        first = bound.invoke(messages)
        assert first.tool_calls, (chat, first)
        call = first.tool_calls[0]
        assert (call["name"], set(call["args"])) == ("get_weather", {"city", "unit"}), (chat, call)
        messages += [first, ToolMessage("21 degrees", tool_call_id=call["id"])]
        last = chat.bind_tools([get_weather]).invoke(messages)
        if model in parts.REMOTE:
            assert parts.seen(last.text)["results"] == ["21 degrees"], (chat, last)


def streamed_tools() -> None:
    """A streamed call's pieces add up to the same call."""
    for model, chat in every():
        pieces = list(
            chat.bind_tools([get_weather], tool_choice="any").stream("The weather in both Paris and Rome?")
        )
        whole = sum(pieces[1:], pieces[0])
        assert len(whole.tool_calls) == 2 or model == parts.LOCAL, (chat, whole)
        assert all(set(call["args"]) == {"city", "unit"} for call in whole.tool_calls), (chat, whole)
        assert whole.tool_calls, (chat, whole)


def structured() -> None:
    """An answer of a class, by a tool and by a schema."""
    for model, chat in every():
        for method in ("json_schema",) if model == parts.LOCAL else ("function_calling", "json_schema"):
            asked = chat.with_structured_output(Weather, method=method)
            answer = asked.invoke("What is the weather in Paris, in celsius?")
            assert isinstance(answer, Weather), (model, chat, method, answer)


def embeddings() -> None:
    """Embeddings of texts (its other way, by token lists, needs a tokenizer from the network)."""
    asker = OpenAIEmbeddings(
        model="all-minilm-l6-v2", base_url=f"{parts.ADDRESS}/v1", api_key=parts.KEY,  # type: ignore[arg-type]
        check_embedding_ctx_length=False, max_retries=0,
    )  # fmt: skip
    assert [len(vector) for vector in asker.embed_documents(["A ship.", "A harbour."])] == [384, 384]


async def asynchronous() -> None:
    """All of it without threads."""
    for model, chat in every():
        if model == parts.LOCAL:  # slow, and the same to the client
            continue
        answer = await chat.ainvoke(turns())
        pieces = [piece async for piece in chat.astream(turns())]
        whole = sum(pieces[1:], pieces[0])
        assert parts.seen(answer.text) == parts.seen(whole.text), (chat, answer, whole)


if __name__ == "__main__":
    parts.run(invoke, stream, tools, streamed_tools, structured, embeddings, asynchronous)
