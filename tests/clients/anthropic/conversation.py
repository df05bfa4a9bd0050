"""Uses `/v1/messages` with the official Anthropic client, unmodified, each part as the client's users do."""

import base64
import hashlib
from typing import Any

import anthropic
import parts
from anthropic import Anthropic, AsyncAnthropic

WEATHER: Any = {
    "name": "get_weather",
    "description": "Get the weather in a city.",
    "input_schema": parts.CITY,
}
DIGEST = hashlib.sha256(parts.PNG).hexdigest()[:12]
client = Anthropic(base_url=parts.ADDRESS, api_key=parts.KEY, max_retries=0, timeout=60)


def ask(model: str, text: str, **more: Any) -> Any:
    """Asks one question."""
    messages: Any = [{"role": "user", "content": text}]
    return client.messages.create(**{"model": model, "messages": messages, "max_tokens": 24, **more})


def plain() -> None:
    """An answer has the shape, the name and the usage of a message."""
    for model in parts.EVERY:
        message = ask(model, "What is the capital of France?", system="Be brief.")
        assert (message.type, message.role, message.model) == ("message", "assistant", model), message
        assert message.id.startswith("msg_"), message.id
        assert [block.type for block in message.content] == ["text"], message
        assert message.content[0].text, message
        assert message.stop_reason in {"end_turn", "max_tokens"}, message
        assert message.usage.input_tokens > 0, message
        assert message.usage.output_tokens > 0, message
        assert message._request_id


def stop_reasons() -> None:
    """A full answer says so, and so does one that met a stop sequence."""
    cut = ask(parts.LOCAL, "Count from one to one hundred.", max_tokens=3)
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 3), cut
    ended = ask(parts.CLAUDE, "Hello.")
    assert ended.stop_reason == "end_turn", ended


def usage_is_translated() -> None:
    """Cached tokens are not counted twice, whoever answered."""
    claude = ask(parts.CLAUDE, "Hello.").usage
    assert (claude.input_tokens, claude.cache_read_input_tokens, claude.output_tokens) == (11, 4, 9), claude
    assert claude.cache_creation_input_tokens == 3, claude
    gpt = ask(parts.GPT, "Hello.").usage
    assert (gpt.input_tokens, gpt.cache_read_input_tokens, gpt.output_tokens) == (14, 4, 9), gpt


def stream() -> None:
    """A stream has Anthropic's events in their order, and adds up to the same message."""
    for model in parts.EVERY:
        messages: Any = [{"role": "user", "content": "Count to five."}]
        with client.messages.stream(model=model, messages=messages, max_tokens=24) as events:
            kinds = [event.type for event in events if event.type != "text"]
            final = events.get_final_message()
        kinds = [kind for kind in kinds if kind != "ping"]
        assert kinds[:2] == ["message_start", "content_block_start"], kinds
        assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"], kinds
        assert set(kinds[2:-3]) == {"content_block_delta"}, kinds
        assert final.model == model, final
        assert final.stop_reason in {"end_turn", "max_tokens"}, final
        assert final.usage.output_tokens > 0, final
        assert final.usage.input_tokens > 0, final
        if model in parts.REMOTE:
            text = "".join(block.text for block in final.content if block.type == "text")
            assert parts.seen(text) == {"turns": ["user: Count to five."]}, final


def raw_stream() -> None:
    """`stream=True` gives the same events without the helper."""
    events = list(ask(parts.LOCAL, "Count to five.", stream=True))
    texts = [event.delta.text for event in events if event.type == "content_block_delta"]
    assert "".join(texts), events
    assert events[0].message.role == "assistant", events[0]
    assert events[-2].usage.output_tokens > 0, events[-2]


def tools() -> None:
    """A forced tool is called with arguments of its schema, and its result is answered to."""
    for model in parts.EVERY:
        question: Any = {"role": "user", "content": "What is the weather in Paris, in celsius?"}
        more: Any = {"max_tokens": 96, "tools": [WEATHER]}
        choice: Any = {"type": "tool", "name": "get_weather"}
        first = client.messages.create(model=model, messages=[question], tool_choice=choice, **more)
        assert first.stop_reason == "tool_use", first
        [call] = [block for block in first.content if block.type == "tool_use"]
        assert (call.name, set(call.input)) == ("get_weather", {"city", "unit"}), call
        answer: Any = {"role": "assistant", "content": first.content}
        block = {"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees"}
        result: Any = {"role": "user", "content": [block]}
        last = client.messages.create(model=model, messages=[question, answer, result], **more)
        assert last.content, last
        if model in parts.REMOTE:
            assert parts.seen(last.content[0].text)["results"] == ["21 degrees"], last


def streamed_tools() -> None:
    """A streamed tool call comes as one block a call, its arguments in pieces."""
    for model in parts.EVERY:
        messages: Any = [{"role": "user", "content": "What is the weather in both Paris and Rome?"}]
        any_tool: Any = {"type": "any"}
        with client.messages.stream(
            model=model, messages=messages, max_tokens=96, tools=[WEATHER], tool_choice=any_tool
        ) as events:
            kinds = [event.type for event in events]
            final = events.get_final_message()
        calls = [block for block in final.content if block.type == "tool_use"]
        assert len(calls) == 2 or model == parts.LOCAL, final
        assert all(set(call.input) == {"city", "unit"} for call in calls), final
        assert calls, final
        assert len({call.id for call in calls}) == len(calls), final
        assert final.stop_reason == "tool_use", final
        assert kinds.count("content_block_start") == kinds.count("content_block_stop") == len(final.content)


def system_and_turns() -> None:
    """System text, in both its forms, and earlier turns arrive as they were written."""
    turns: Any = [
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": [{"type": "text", "text": "Three."}]},
    ]
    blocks: Any = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    for model in parts.REMOTE:
        for system in ("Be brief.", blocks):
            message = client.messages.create(model=model, messages=turns, max_tokens=9, system=system)
            told = parts.seen(message.content[0].text)
            assert told["system"] == ["Be brief."], told
            assert told["turns"] == ["user: One.", "assistant: Two.", "user: Three."], told


def images() -> None:
    """Images, inline and by address, arrive whole."""
    data = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(parts.PNG).decode()}
    address = {"type": "url", "url": "https://example.com/ship.png"}
    content: Any = [{"type": "image", "source": source} for source in (data, address)]
    content.append({"type": "text", "text": "What is this?"})
    for model in parts.REMOTE:
        message = client.messages.create(
            model=model, messages=[{"role": "user", "content": content}], max_tokens=9
        )
        told = parts.seen(message.content[0].text)
        assert told["images"] == [f"image/png {DIGEST}", "https://example.com/ship.png"], told


def count_tokens() -> None:
    """A provider that counts is asked; for others the gateway estimates, more for more."""
    messages: Any = [{"role": "user", "content": "Hello."}]
    longer: Any = [{"role": "user", "content": "Hello. " * 50}]
    assert client.messages.count_tokens(model=parts.CLAUDE, messages=messages).input_tokens == 17
    for model in (parts.LOCAL, parts.GPT):
        short = client.messages.count_tokens(model=model, messages=messages).input_tokens
        assert 0 < short < client.messages.count_tokens(model=model, messages=longer).input_tokens


def thinking() -> None:
    """Claude's own blocks reach the client as they came, and may be sent back."""
    question: Any = {"role": "user", "content": "Please think."}
    first = client.messages.create(model=parts.CLAUDE, messages=[question], max_tokens=9)
    assert [block.type for block in first.content] == ["thinking", "text"], first
    assert first.content[0].signature == "signed", first
    answer: Any = {"role": "assistant", "content": first.content}
    again: Any = {"role": "user", "content": "Go on."}
    last = client.messages.create(model=parts.CLAUDE, messages=[question, answer, again], max_tokens=9)
    assert last.content[0].type == "text", last


def errors() -> None:
    """Every refusal is the client's own exception for it."""
    expected: list[tuple[type[anthropic.APIStatusError], str, dict[str, Any]]] = [
        (anthropic.NotFoundError, "not_found_error", {"model": "no-such-model"}),
        (anthropic.BadRequestError, "invalid_request_error", {"messages": "not a list"}),
        (anthropic.BadRequestError, "invalid_request_error", {"max_tokens": "many"}),
    ]
    for kind, name, wrong in expected:
        check_error(kind, name, client, model=wrong.pop("model", parts.LOCAL), **wrong)
    stranger = Anthropic(base_url=parts.ADDRESS, api_key="ph_nobody", max_retries=0)
    check_error(anthropic.AuthenticationError, "authentication_error", stranger, model=parts.LOCAL)


def key_headers() -> None:
    """The key may come as a bearer token (this client's way) or as `x-api-key` (its elders')."""
    unsaid: Any = {"X-Api-Key": parts.KEY, "Authorization": anthropic.omit}
    for given in (
        Anthropic(base_url=parts.ADDRESS, auth_token=parts.KEY, max_retries=0),
        Anthropic(base_url=parts.ADDRESS, api_key="unused", default_headers=unsaid, max_retries=0),
    ):
        hello: Any = [{"role": "user", "content": "Hello."}]
        assert given.messages.create(model=parts.GPT, messages=hello, max_tokens=9).content


def upstream_errors() -> None:
    """What an upstream refuses is the client's own exception too, whichever protocol it refused in."""
    for model in (parts.FAILING_CLAUDE, parts.FAILING_GPT):
        limited = {"content": "fail 429", "role": "user"}
        check_error(anthropic.RateLimitError, "rate_limit_error", client, model=model, messages=[limited])
        refused = {"content": "fail 400", "role": "user"}
        check_error(
            anthropic.BadRequestError, "invalid_request_error", client, model=model, messages=[refused]
        )


def check_error(kind: type[anthropic.APIStatusError], name: str, asker: Anthropic, **wrong: Any) -> None:
    """Asks and holds the exception to its class and its body."""
    hello = [{"role": "user", "content": "Hello."}]
    try:
        asker.messages.create(**{"max_tokens": 9, "messages": hello, **wrong})  # type: ignore[call-overload]
    except kind as error:
        body: Any = error.body
        assert body["type"] == "error", body
        assert body["error"]["type"] == name, body
        assert body["error"]["message"], body
        return
    raise AssertionError(f"no {kind.__name__} for {wrong}")


def broken_stream() -> None:
    """A stream that breaks midway is an exception, never a message that looks whole."""
    messages: Any = [{"role": "user", "content": "fail midway"}]
    for model in parts.REMOTE:
        try:
            with client.messages.stream(model=model, messages=messages, max_tokens=24) as events:
                list(events)
        except anthropic.APIError as error:
            assert "broken on purpose" in f"{error.body} {error}", error  # noqa: PT017 - no pytest here
        else:
            raise AssertionError(f"{model}: the broken stream ended well")


async def asynchronous() -> None:
    """The asynchronous client does the same."""
    messages: Any = [{"role": "user", "content": "Hello."}]
    async with AsyncAnthropic(base_url=parts.ADDRESS, api_key=parts.KEY, max_retries=0) as asker:
        message = await asker.messages.create(model=parts.GPT, messages=messages, max_tokens=9)
        assert message.content[0].text, message
        async with asker.messages.stream(model=parts.LOCAL, messages=messages, max_tokens=9) as events:
            assert "".join([text async for text in events.text_stream])


if __name__ == "__main__":
    parts.run(
        plain, stop_reasons, usage_is_translated, stream, raw_stream, tools, streamed_tools, system_and_turns,
        images, count_tokens, thinking, errors, key_headers, upstream_errors, broken_stream, asynchronous,
    )  # fmt: skip
