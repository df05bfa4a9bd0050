"""Tools: descriptions understood, calls in OpenAI's shape, arguments valid when a call is required."""

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.contract.engines.conftest import Running

pytestmark = pytest.mark.engine

CHAT = "/v1/chat/completions"
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Gives the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"$ref": "#/$defs/city"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 7},
            },
            "required": ["city", "unit", "days"],
            "$defs": {"city": {"type": "string", "maxLength": 12}},
        },
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    },
}
NOTHING = {"type": "function", "function": {"name": "stop"}}


def check_arguments(name: str, arguments: str) -> None:
    made = json.loads(arguments)
    if name == "get_weather":
        assert set(made) == {"city", "unit", "days"}
        assert isinstance(made["city"], str)
        assert len(made["city"]) <= 12
        assert made["unit"] in {"celsius", "fahrenheit"}
        assert made["days"] in range(1, 8)
    elif name == "add":
        assert set(made) == {"a"}
        assert isinstance(made["a"], int)
    else:
        assert isinstance(made, dict)


@pytest.mark.parametrize("seed", range(4))
def test_a_required_call_is_valid_however_wild_the_model(chat: "Running", seed: int) -> None:
    answer = chat.good(
        CHAT,
        messages=QUESTION,
        tools=[WEATHER, ADD],
        tool_choice="required",
        temperature=2.0,
        top_k=0,
        min_p=0.0,
        top_p=1.0,
        seed=seed,
        max_tokens=200,
    )
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert call["type"] == "function"
    assert call["id"].startswith("call_")
    check_arguments(call["function"]["name"], call["function"]["arguments"])


@pytest.mark.parametrize("name", ["get_weather", "add", "stop"])
def test_a_named_tool_is_the_one_that_is_called(chat: "Running", name: str) -> None:
    answer = chat.good(
        CHAT,
        messages=QUESTION,
        tools=[WEATHER, ADD, NOTHING],
        tool_choice={"type": "function", "function": {"name": name}},
        max_tokens=200,
        temperature=0,
    )
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == name
    check_arguments(name, call["function"]["arguments"])


def test_a_streamed_call_says_what_the_plain_one_says(chat: "Running") -> None:
    asked: dict[str, Any] = {"messages": QUESTION, "tools": [WEATHER], "tool_choice": "required"}
    asked |= {"temperature": 0, "max_tokens": 200}
    plain = chat.good(CHAT, **asked)
    events = chat.events(CHAT, **asked, stream_options={"include_usage": True})
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert calls[0]["function"]["name"] == "get_weather"
    assert calls[0]["id"]
    assert {call["index"] for call in calls} == {0}
    assert len(calls) > 3
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert arguments == plain["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    assert all(not delta.get("content") for delta in deltas)
    assert events[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert events[-1]["usage"]["completion_tokens"] == plain["usage"]["completion_tokens"]


def test_auto_leaves_the_choice_to_the_model(chat: "Running") -> None:
    told = [
        {"role": "system", "content": "Never answer in words. Always call get_weather."},
        *QUESTION,
    ]
    answer = chat.good(CHAT, messages=told, tools=[WEATHER], max_tokens=10, temperature=0)
    message = answer["choices"][0]["message"]
    if message.get("tool_calls"):
        assert message["tool_calls"][0]["function"]["name"] == "get_weather"
    else:
        assert message["content"]


def test_none_offers_no_tool(chat: "Running") -> None:
    with_tools = chat.good(
        CHAT, messages=QUESTION, tools=[WEATHER], tool_choice="none", max_tokens=5, temperature=0
    )
    without = chat.good(CHAT, messages=QUESTION, max_tokens=5, temperature=0)
    assert with_tools["choices"][0]["message"]["content"] == without["choices"][0]["message"]["content"]
    assert with_tools["usage"]["prompt_tokens"] == without["usage"]["prompt_tokens"]


def test_a_tool_s_answer_is_understood(chat: "Running") -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 77}'}}
    messages = [
        {"role": "user", "content": "What is the secret number?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "The secret number is 4711."},
        {"role": "user", "content": "Repeat the secret number."},
    ]
    answer = chat.good(CHAT, messages=messages, max_tokens=40, temperature=0)
    assert "4711" in answer["choices"][0]["message"]["content"]


def test_a_call_that_is_cut_says_so(chat: "Running") -> None:
    for limit in (1, 8, 20):
        answer = chat.good(
            CHAT, messages=QUESTION, tools=[WEATHER], tool_choice="required", max_tokens=limit, temperature=0
        )
        assert answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [WEATHER], "tool_choice": "perhaps"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"tools": [WEATHER, WEATHER]}, "tools"),
        ({"tools": [WEATHER], "response_format": {"type": "json_object"}}, "response_format"),
        (
            {
                "tools": [{"type": "function", "function": {"name": "x", "parameters": {"type": "nope"}}}],
                "tool_choice": "required",
            },
            "tools",
        ),
    ],
)
def test_what_cannot_be_is_refused(chat: "Running", body: dict[str, Any], param: str) -> None:
    status, error = chat.error(CHAT, messages=QUESTION, max_tokens=30, **body)
    assert (status, error["param"]) == (400, param)
