"""Uses `/v1/responses`, and Claude by `/v1/chat/completions`, with the official OpenAI client, unmodified."""

import base64
import hashlib
import json
from typing import Any, Literal

import openai
import parts
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

WEATHER: Any = {"type": "function", "name": "get_weather", "parameters": parts.CITY, "strict": True}
CHAT_WEATHER: Any = {"type": "function", "function": {"name": "get_weather", "parameters": parts.CITY}}
DIGEST = hashlib.sha256(parts.PNG).hexdigest()[:12]
client = OpenAI(base_url=f"{parts.ADDRESS}/v1", api_key=parts.KEY, max_retries=0, timeout=60)


class Weather(BaseModel):
    """The answer that is asked for."""

    city: str
    unit: Literal["celsius", "fahrenheit"]


def create() -> None:
    """An answer has the shape, the name and the usage of a response."""
    for model in parts.EVERY:
        found = client.responses.create(
            model=model,
            input="What is the capital of France?",
            instructions="Be brief.",
            max_output_tokens=24,
        )
        assert (found.object, found.model) == ("response", model), found
        assert found.id.startswith("resp_"), found.id
        assert found.output_text, found
        assert found.status in {"completed", "incomplete"}, found
        assert [item.type for item in found.output] == ["message"], found
        assert found.usage, found
        assert found.usage.total_tokens == found.usage.input_tokens + found.usage.output_tokens, found
        assert found.usage.output_tokens > 0, found
        assert found._request_id, found
        if model in parts.REMOTE:
            assert parts.seen(found.output_text)["system"] == ["Be brief."], found


def cut_short() -> None:
    """An answer that met its bound says so."""
    found = client.responses.create(
        model=parts.LOCAL, input="Count from one to one hundred.", max_output_tokens=3
    )
    assert found.status == "incomplete", found
    assert found.incomplete_details, found
    assert found.incomplete_details.reason == "max_output_tokens", found


def usage_is_translated() -> None:
    """Cached and reasoning tokens come through, whoever answered."""
    gpt = client.responses.create(model=parts.GPT, input="Hello.").usage
    assert gpt, "no usage"
    assert (gpt.input_tokens, gpt.output_tokens, gpt.total_tokens) == (18, 9, 27), gpt
    assert gpt.input_tokens_details.cached_tokens == 4, gpt
    assert gpt.output_tokens_details.reasoning_tokens == 2, gpt
    claude = client.responses.create(model=parts.CLAUDE, input="Hello.").usage
    assert claude, "no usage"
    assert (claude.input_tokens, claude.output_tokens) == (18, 9), claude
    assert claude.input_tokens_details.cached_tokens == 4, claude


def stream() -> None:
    """A stream has the Responses events in their order, and its last holds the whole response."""
    for model in parts.EVERY:
        events = list(client.responses.create(model=model, input="Hello.", stream=True, max_output_tokens=24))
        kinds = [event.type for event in events]
        assert kinds[0] == "response.created", kinds
        assert kinds[-1] in {"response.completed", "response.incomplete"}, kinds
        assert [event.sequence_number for event in events] == list(range(len(events))), events
        told = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        final: Any = events[-1]
        assert final.response.output_text == told != "", final
        assert final.response.usage.output_tokens > 0, final
        for opened, closed in (
            ("response.output_item.added", "response.output_item.done"),
            ("response.content_part.added", "response.content_part.done"),
        ):
            assert kinds.count(opened) == kinds.count(closed) == 1, kinds
            assert kinds.index(opened) < kinds.index("response.output_text.delta") < kinds.index(closed)


def tools() -> None:
    """A forced function is called with arguments of its schema, and its output is answered to."""
    for model in parts.EVERY:
        turns: Any = [{"role": "user", "content": "What is the weather in Paris, in celsius?"}]
        first = client.responses.create(
            model=model, input=turns, tools=[WEATHER], tool_choice="required", max_output_tokens=96
        )
        [call] = [item for item in first.output if item.type == "function_call"]
        assert call.name == "get_weather", call
        assert set(json.loads(call.arguments)) == {"city", "unit"}, call
        turns += first.output
        turns.append({"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"})
        last = client.responses.create(model=model, input=turns, tools=[WEATHER], max_output_tokens=24)
        if model in parts.REMOTE:
            assert parts.seen(last.output_text)["results"] == ["21 degrees"], last


def streamed_tools() -> None:
    """A streamed function call comes in pieces that add up to its arguments."""
    for model in parts.EVERY:
        named: Any = {"type": "function", "name": "get_weather"}
        events = list(
            client.responses.create(
                model=model, input="The weather in both Paris and Rome?", tools=[WEATHER], stream=True,
                tool_choice=named, max_output_tokens=96,
            )
        )  # fmt: skip
        done = [event for event in events if event.type == "response.function_call_arguments.done"]
        assert len(done) == 2 or model == parts.LOCAL, events
        assert done, events
        for each in done:
            pieces = [
                event.delta
                for event in events
                if event.type == "response.function_call_arguments.delta" and event.item_id == each.item_id
            ]
            assert set(json.loads("".join(pieces))) == {"city", "unit"}, pieces
            assert json.loads("".join(pieces)) == json.loads(each.arguments), each


def structured() -> None:
    """`parse` gives an object of the class that was asked for."""
    for model in parts.EVERY:
        found = client.responses.parse(
            model=model, input="Give a city and a unit as JSON.", text_format=Weather, max_output_tokens=64
        )
        assert isinstance(found.output_parsed, Weather), found
    with client.responses.stream(
        model=parts.GPT, input="As JSON.", text_format=Weather, max_output_tokens=64
    ) as events:
        list(events)
        assert isinstance(events.get_final_response().output_parsed, Weather)


def images() -> None:
    """Images, inline and by address, arrive whole."""
    data = f"data:image/png;base64,{base64.b64encode(parts.PNG).decode()}"
    address = "https://example.com/ship.png"
    content: Any = [{"type": "input_image", "image_url": url, "detail": "auto"} for url in (data, address)]
    content.append({"type": "input_text", "text": "What is this?"})
    for model in parts.REMOTE:
        found = client.responses.create(model=model, input=[{"role": "user", "content": content}])
        assert parts.seen(found.output_text)["images"] == [f"image/png {DIGEST}", address], found


def errors() -> None:
    """Every refusal is the client's own exception for it, and says what to change."""
    expected: list[tuple[type[openai.APIStatusError], str, dict[str, Any]]] = [
        (openai.NotFoundError, "model", {"model": "no-such-model"}),
        (openai.BadRequestError, "input", {"input": 7}),
        (openai.BadRequestError, "previous_response_id", {"previous_response_id": "resp_1"}),
        (openai.BadRequestError, "store", {"store": True}),
    ]
    for kind, param, wrong in expected:
        try:
            client.responses.create(**{"model": parts.LOCAL, "input": "Hello.", **wrong})
        except kind as error:
            body: Any = error.body
            assert param in f"{body['param']} {body['message']}", body
        else:
            raise AssertionError(f"no {kind.__name__} for {wrong}")
    try:
        client.with_options(api_key="ph_nobody").responses.create(model=parts.LOCAL, input="Hello.")
    except openai.AuthenticationError:
        return
    raise AssertionError("a stranger was let in")


def upstream_errors() -> None:
    """What an upstream refuses is the client's own exception too, in both of OpenAI's protocols."""
    for model in (parts.FAILING_CLAUDE, parts.FAILING_GPT):
        for kind, text in ((openai.RateLimitError, "fail 429"), (openai.BadRequestError, "fail 400")):
            asks: Any = [
                lambda model=model, text=text: client.responses.create(model=model, input=text),
                lambda model=model, text=text: client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": text}]
                ),
            ]
            for ask in asks:
                try:
                    ask()
                except kind as error:
                    assert error.message, error  # noqa: PT017 - no pytest here
                else:
                    raise AssertionError(f"{model}: no {kind.__name__}")


def broken_stream() -> None:
    """A stream that breaks midway never looks whole, in both of OpenAI's protocols."""
    for model in parts.REMOTE:
        kinds = []
        try:
            events = client.responses.create(model=model, input="fail midway", stream=True)
            kinds.extend(event.type for event in events)  # keeps those before the fault
        except openai.APIError:
            kinds.append("error")
        assert "response.completed" not in kinds, kinds
        assert {"error", "response.failed"} & set(kinds), kinds
        messages: Any = [{"role": "user", "content": "fail midway"}]
        reasons = []
        try:
            for chunk in client.chat.completions.create(model=model, messages=messages, stream=True):
                reasons += [choice.finish_reason for choice in chunk.choices if choice.finish_reason]
        except openai.APIError as error:
            assert "broken on purpose" in error.message, error  # noqa: PT017 - no pytest here
        else:
            raise AssertionError(f"{model}: the broken stream ended with {reasons}")
        assert reasons == [], reasons


def claude_by_chat() -> None:
    """Claude answers chat completions: plain, streamed, with tools and with a schema."""
    messages: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}]
    whole = client.chat.completions.create(model=parts.CLAUDE, messages=messages)
    assert parts.seen(whole.choices[0].message.content or "")["system"] == ["Be brief."], whole
    assert (whole.choices[0].finish_reason, whole.model) == ("stop", parts.CLAUDE), whole
    assert whole.usage, whole
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (18, 9), whole.usage
    assert whole.usage.prompt_tokens_details, whole.usage
    assert whole.usage.prompt_tokens_details.cached_tokens == 4, whole.usage
    chunks = list(
        client.chat.completions.create(
            model=parts.CLAUDE, messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert parts.seen(text)["turns"] == ["user: Hello."], chunks
    assert chunks[-1].usage, chunks
    assert chunks[-1].usage.prompt_tokens == 18, chunks
    assert {chunk.model for chunk in chunks} == {parts.CLAUDE}, chunks
    parsed = client.chat.completions.parse(model=parts.CLAUDE, messages=messages, response_format=Weather)
    assert isinstance(parsed.choices[0].message.parsed, Weather), parsed


def claude_tools_by_chat() -> None:
    """Claude's tool calls, plain and streamed, two at a time, and the answer to their results."""
    messages: Any = [{"role": "user", "content": "The weather in both Paris and Rome?"}]
    first = client.chat.completions.create(model=parts.CLAUDE, messages=messages, tools=[CHAT_WEATHER])
    calls = first.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == ["get_weather"] * 2, first
    assert first.choices[0].finish_reason == "tool_calls", first
    gathered: dict[int, str] = {}
    for chunk in client.chat.completions.create(
        model=parts.CLAUDE, messages=messages, tools=[CHAT_WEATHER], stream=True
    ):
        for delta in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
            assert delta.function, delta
            gathered[delta.index] = gathered.get(delta.index, "") + (delta.function.arguments or "")
    assert [set(json.loads(text)) for text in gathered.values()] == [{"city", "unit"}] * 2, gathered
    assert list(gathered) == [0, 1], gathered
    messages.append(first.choices[0].message.model_dump(exclude_none=True))
    messages += [{"role": "tool", "tool_call_id": call.id, "content": call.id} for call in calls]
    last = client.chat.completions.create(model=parts.CLAUDE, messages=messages, tools=[CHAT_WEATHER])
    told = parts.seen(last.choices[0].message.content or "")
    assert told["results"] == [call.id for call in calls], told


async def asynchronous() -> None:
    """The asynchronous client does the same."""
    async with AsyncOpenAI(base_url=f"{parts.ADDRESS}/v1", api_key=parts.KEY, max_retries=0) as asker:
        found = await asker.responses.create(model=parts.LOCAL, input="Hello.", max_output_tokens=16)
        assert found.output_text, found
        stream = await asker.responses.create(model=parts.CLAUDE, input="Hello.", stream=True)
        kinds = [event.type async for event in stream]
        assert kinds[-1] == "response.completed", kinds


if __name__ == "__main__":
    parts.run(
        create, cut_short, usage_is_translated, stream, tools, streamed_tools, structured, images, errors,
        upstream_errors, broken_stream, claude_by_chat, claude_tools_by_chat, asynchronous,
    )  # fmt: skip
