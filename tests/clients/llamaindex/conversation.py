"""Uses LlamaIndex's LLMs for OpenAI-like servers and for Anthropic, unmodified."""

from typing import Any, Literal

import parts
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.anthropic import Anthropic
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel


class Weather(BaseModel):
    """The weather in a city."""

    city: str
    unit: Literal["celsius", "fahrenheit"]


def get_weather(city: str, unit: Literal["celsius", "fahrenheit"]) -> str:
    """Get the weather in a city."""
    return f"21 degrees {unit} in {city}"


TOOL = FunctionTool.from_defaults(get_weather)


def like(model: str) -> Any:
    """Returns an LLM that asks by chat completions."""
    return OpenAILike(
        model=model, api_base=f"{parts.ADDRESS}/v1", api_key=parts.KEY, is_chat_model=True, max_tokens=64,
        is_function_calling_model=True, context_window=8192, max_retries=0, timeout=60,
    )  # fmt: skip


def every() -> list[tuple[str, Any]]:
    """Returns each LLM with its model's name. Anthropic's takes names of Claude only."""
    claude = Anthropic(
        model=parts.CLAUDE, base_url=parts.ADDRESS, api_key=parts.KEY, max_tokens=64, max_retries=0
    )
    return [*((model, like(model)) for model in parts.EVERY), (parts.CLAUDE, claude)]


def turns() -> list[ChatMessage]:
    """Returns a conversation."""
    said = [("system", "Be brief."), ("user", "One."), ("assistant", "Two."), ("user", "Three.")]
    return [ChatMessage(role=role, content=content) for role, content in said]


def chat() -> None:
    """An answer comes, and all that was said arrives."""
    for model, llm in every():
        answer = llm.chat(turns()).message.content
        assert answer, llm
        if model in parts.REMOTE:
            told = parts.seen(answer)
            assert told["system"] == ["Be brief."], told
            assert told["turns"] == ["user: One.", "assistant: Two.", "user: Three."], told


def complete() -> None:
    """A plain completion of a prompt."""
    for _, llm in every():
        assert llm.complete("The capital of France is").text, llm


def stream() -> None:
    """Pieces come and add up."""
    for model, llm in every():
        pieces = list(llm.stream_chat(turns()))
        assert len(pieces) > 2, pieces
        whole = pieces[-1].message.content
        assert whole, pieces
        if model in parts.REMOTE:
            assert parts.seen(whole)["turns"][-1] == "user: Three.", whole


def tools() -> None:
    """A tool is called with arguments of its schema."""
    for model, llm in every():
        answer = llm.chat_with_tools([TOOL], "The weather in Paris, in celsius?", tool_required=True)
        calls = llm.get_tool_calls_from_response(answer)
        assert [call.tool_name for call in calls][:1] == ["get_weather"], (model, answer)
        assert set(calls[0].tool_kwargs) == {"city", "unit"}, (model, calls)


def tool_results() -> None:
    """A tool's result is answered to."""
    for model, llm in every():
        if model not in parts.REMOTE:
            continue
        question = ChatMessage(role="user", content="The weather in Paris, in celsius?")
        first = llm.chat_with_tools([TOOL], chat_history=[question], tool_required=True)
        [call] = llm.get_tool_calls_from_response(first)
        result = ChatMessage(
            role="tool", content="21 degrees", additional_kwargs={"tool_call_id": call.tool_id}
        )
        last = llm.chat_with_tools([TOOL], chat_history=[question, first.message, result])
        assert parts.seen(last.message.content)["results"] == ["21 degrees"], (model, last)


def streamed_tools() -> None:
    """A streamed call's pieces add up."""
    for model, llm in every():
        pieces = list(llm.stream_chat_with_tools([TOOL], "The weather in Paris?", tool_required=True))
        calls = llm.get_tool_calls_from_response(pieces[-1])
        assert set(calls[0].tool_kwargs) == {"city", "unit"}, (model, calls)


def structured() -> None:
    """An answer of a class."""
    for model, llm in every():
        answer = llm.as_structured_llm(Weather).complete("The weather in Paris, in celsius?").raw
        assert isinstance(answer, Weather), (model, answer)


async def asynchronous() -> None:
    """Chat and stream without threads."""
    for model, llm in every():
        if model == parts.LOCAL:  # slow, and the same to the client
            continue
        answer = (await llm.achat(turns())).message.content
        pieces = [piece async for piece in await llm.astream_chat(turns())]
        assert answer, model
        assert pieces[-1].message.content, (model, pieces)


if __name__ == "__main__":
    parts.run(chat, complete, stream, tools, tool_results, streamed_tools, structured, asynchronous)
