"""Requests of every dialect become chats, and chats become what Anthropic takes."""

import json
from base64 import b64encode
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.gateway import counting
from pilothouse.gateway.dialects import anthropic_wire
from pilothouse.gateway.dialects.anthropic_client_requests import chat_from_messages
from pilothouse.gateway.dialects.anthropic_upstream import AnthropicUpstream
from pilothouse.gateway.dialects.anthropic_upstream_requests import messages_from_chat
from pilothouse.gateway.dialects.responses_requests import chat_from_response_request

PIXEL = b64encode(b"pixel").decode()
SCHEMA = {"type": "object", "properties": {"at": {"type": "integer"}}, "required": ["at"]}


def from_messages(**more: Any) -> tuple[Any, str | None]:
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi."}], **more}
    translated = chat_from_messages(json.dumps(asked).encode())
    return json.loads(translated.chat), translated.only_native


def from_response(**more: Any) -> tuple[Any, str | None]:
    translated = chat_from_response_request(json.dumps({"model": "m", "input": "Hi.", **more}).encode())
    return json.loads(translated.chat), translated.only_native


def to_messages(**more: Any) -> Any:
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi."}], **more}
    return json.loads(messages_from_chat(json.dumps(asked).encode(), "claude"))


# -- Anthropic's messages as chats -----------------------------------------------------------------


def test_blocks_become_parts_and_tool_results_messages_of_their_own() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Look."}, image]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                {"type": "text", "text": "So."},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": "21"}, image],
                },
                {"type": "text", "text": "Go on."},
            ],
        },
    ]
    chat, only = from_messages(messages=messages)
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    function = {"name": "look", "arguments": '{"at": 1}'}
    assert chat["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Look."}, url]},
        {
            "role": "assistant",
            "content": "So.",
            "tool_calls": [{"id": "t1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "21"},
        {"role": "user", "content": [url, {"type": "text", "text": "Go on."}]},
    ]
    assert only is None


def test_a_result_that_is_an_error_says_so() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "no", "is_error": True}
    chat, _ = from_messages(messages=[{"role": "user", "content": [result]}])
    assert chat["messages"] == [{"role": "tool", "tool_call_id": "t1", "content": "Error: no"}]


def test_documents_come_as_files_or_text() -> None:
    pdf = {
        "type": "document",
        "title": "T",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ=="},
    }
    text = {
        "type": "document",
        "title": "T",
        "source": {"type": "text", "media_type": "text/plain", "data": "body"},
    }
    chat, only = from_messages(messages=[{"role": "user", "content": [pdf, text]}])
    [message] = chat["messages"]
    assert message["content"] == [
        {"type": "file", "file": {"filename": "T", "file_data": "data:application/pdf;base64,QQ=="}},
        {"type": "text", "text": "T\n\nbody"},
    ]
    assert only is None
    _, only = from_messages(
        messages=[
            {"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "f"}}]}
        ]
    )
    assert only == "a source of the type `file`"


def test_settings_become_a_chats() -> None:
    tools = [{"name": "look", "description": "Looks.", "input_schema": SCHEMA}]
    chat, _ = from_messages(
        system=[{"type": "text", "text": "A."}, {"type": "text", "text": "B."}],
        tools=tools,
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        stop_sequences=["x"],
        temperature=0.5,
        top_k=3,
        stream=True,
        thinking={"type": "enabled", "budget_tokens": 4000},
        metadata={"user_id": "u" * 65},
        output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
    )
    assert chat["messages"][0] == {"role": "system", "content": "A.\n\nB."}
    assert chat["tools"] == [
        {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": SCHEMA}}
    ]
    assert (chat["tool_choice"], chat["parallel_tool_calls"]) == ("required", False)
    assert (chat["stop"], chat["temperature"], chat["top_k"]) == (["x"], 0.5, 3)
    assert (chat["stream"], chat["stream_options"]) == (True, {"include_usage": True})
    assert chat["reasoning_effort"] == "medium"
    assert len(chat["user"]) == 64
    assert chat["response_format"]["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tokens": 0},
        {"messages": []},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"tools": [1]},
        {"model": 7},
    ],
)
def test_what_is_wrong_in_a_message_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        from_messages(**wrong)


# -- responses as chats ----------------------------------------------------------------------------


def test_items_become_messages_and_calls_that_follow_each_other_are_one() -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
    items = [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look."},
                {"type": "input_image", "image_url": "https://x.example/a.png", "detail": "low"},
            ],
        },
        {"type": "reasoning", "id": "rs", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "So."}]},
        call,
        {**call, "call_id": "c2"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "2"}]},
    ]
    chat, only = from_response(input=items, instructions="First.")
    roles = [message["role"] for message in chat["messages"]]
    assert roles == ["system", "system", "user", "assistant", "tool", "tool"]
    assert chat["messages"][2]["content"][1]["image_url"] == {
        "url": "https://x.example/a.png",
        "detail": "low",
    }
    assert chat["messages"][3]["content"] == "So."
    assert [each["id"] for each in chat["messages"][3]["tool_calls"]] == ["c1", "c2"]
    assert [message["content"] for message in chat["messages"][4:]] == ["1", "2"]
    assert only is None


def test_a_responses_settings_become_a_chats() -> None:
    tools = [{"type": "function", "name": name, "parameters": SCHEMA, "strict": True} for name in ("a", "b")]
    chat, only = from_response(
        tools=tools,
        tool_choice={
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "b"}],
        },
        text={"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}},
        reasoning={"effort": "low"},
        max_output_tokens=5,
        store=False,
        include=["reasoning.encrypted_content"],
    )
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["b"]
    assert chat["tool_choice"] == "required"
    assert chat["response_format"]["json_schema"] == {"name": "n", "schema": SCHEMA, "strict": True}
    assert (chat["reasoning_effort"], chat["max_tokens"]) == ("low", 5)
    assert only is None


# -- chats as Anthropic's messages -----------------------------------------------------------------


def test_a_chat_becomes_messages_that_alternate() -> None:
    function = {"name": "look", "arguments": '{"at":1}'}
    messages = [
        {"role": "system", "content": "A."},
        {"role": "user", "content": "One."},
        {"role": "user", "content": [{"type": "text", "text": "Two."}, {"type": "text", "text": ""}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "21"},
        {"role": "user", "content": "Go on."},
        {"role": "system", "content": "B."},
    ]
    asked = to_messages(messages=messages)
    assert asked["system"] == "A.\n\nB."
    assert [message["role"] for message in asked["messages"]] == ["user", "assistant", "user"]
    assert [block["text"] for block in asked["messages"][0]["content"]] == ["One.", "Two."]
    assert asked["messages"][1]["content"] == [
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": 1}}
    ]
    assert asked["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "21"}]},
        {"type": "text", "text": "Go on."},
    ]


def test_images_and_files_become_blocks_with_their_mark_for_the_cache() -> None:
    parts = [
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{PIXEL}"},
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,SGk="}},
    ]
    [message] = to_messages(messages=[{"role": "user", "content": parts}])["messages"]
    assert message["content"] == [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "Hi"},
            "title": "a.txt",
        },
    ]


def test_a_schema_is_a_tool_that_must_be_used_or_the_apis_own_format() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    asked = to_messages(response_format=wanted)
    assert asked["tools"][0]["input_schema"] == SCHEMA
    assert asked["tool_choice"] == {"type": "tool", "name": asked["tools"][0]["name"]}
    tools = [{"type": "function", "function": {"name": "look"}}]
    asked = to_messages(
        response_format=wanted, tools=tools, tool_choice="required", parallel_tool_calls=False
    )
    assert asked["output_config"]["format"] == {"type": "json_schema", "schema": SCHEMA}
    assert asked["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert asked["tools"] == [{"name": "look", "input_schema": {"type": "object", "properties": {}}}]


def test_arguments_that_are_no_object_are_kept_as_text() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{broken"}}
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [call]}]
    assert to_messages(messages=messages)["messages"][1]["content"][0]["input"] == {"INVALID_JSON": "{broken"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 2},
        {"logprobs": True},
        {"modalities": ["text", "audio"]},
        {"functions": [{"name": "f"}]},
        {"tools": [{"type": "custom", "custom": {"name": "x"}}]},
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "grammar"}},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x,y"}}]}
            ]
        },
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "file", "file": {"file_data": "data:text/plain;base64,!"}}],
                }
            ]
        },
    ],
)
def test_what_anthropic_cannot_do_is_said(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        to_messages(**wrong)
    assert caught.value.hint


def test_thoughts_of_another_model_are_not_sent_to_claude() -> None:
    thoughts = [
        {"type": "thinking", "thinking": "Mine.", "signature": "signed"},
        {"type": "thinking", "thinking": "Another's.", "signature": ""},
        {"type": "text", "text": "So."},
    ]
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "assistant", "content": thoughts}]}
    body = json.dumps(asked).encode()
    own = json.loads(AnthropicUpstream().own(body))
    assert [block["type"] for block in own["messages"][0]["content"]] == ["thinking", "text"]
    asked["messages"] = [{"role": "assistant", "content": thoughts[:1]}]
    signed = json.dumps(asked).encode()
    assert AnthropicUpstream().own(signed) is signed


# -- anything --------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(
    [
        *("text", "image", "document", "tool_use", "tool_result", "thinking", "x"),
        *("input_text", "input_image", "input_file", "message", "function_call", "function_call_output"),
        *("reasoning", "image_url", "file", "base64", "url"),
    ]
)
MEMBERS = st.sampled_from(
    [
        *("content", "source", "text", "input", "id", "name", "tool_use_id", "arguments", "output"),
        *("call_id", "role", "image_url", "file", "file_data", "data", "url", "tool_calls", "function"),
        *("tool_call_id", "media_type"),
    ]
)
ROLES = st.sampled_from(["user", "assistant", "system", "developer", "tool"])
INNER = st.recursive(
    JSON,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.builds(
            lambda kind, rest: {"type": kind, **rest}, KINDS, st.dictionaries(MEMBERS, inner, max_size=4)
        )
    ),
    max_leaves=8,
)
TURNS = st.lists(
    st.builds(lambda role, content: {"role": role, "content": content}, ROLES, INNER) | INNER, max_size=3
)
TOPS = st.sampled_from(
    [
        *("system", "tools", "tool_choice", "thinking", "output_config", "metadata", "stop_sequences"),
        *("temperature", "text", "reasoning", "store", "response_format", "stop", "n", "instructions"),
        "max_completion_tokens",
    ]
)


@given(TURNS, st.dictionaries(TOPS, INNER, max_size=2))
def test_nothing_that_is_sent_is_a_fault_of_ours(turns: list[Any], more: dict[str, Any]) -> None:
    body = json.dumps({"model": "m", "max_tokens": 5, "messages": turns, "input": turns, **more}).encode()
    chats = [body]
    for translate in (chat_from_messages, chat_from_response_request):
        try:
            chats.append(translate(body).chat)
        except (msgspec.DecodeError, InvalidRequestError):
            continue
    for chat in chats:
        try:
            said = messages_from_chat(chat, "claude")
        except (msgspec.DecodeError, InvalidRequestError):
            continue
        assert json.loads(said)["model"] == "claude"


@given(st.text(max_size=200), st.lists(st.text(max_size=50), min_size=1, max_size=4))
def test_more_text_is_never_fewer_tokens(system: str, texts: list[str]) -> None:
    messages = [{"role": "user", "content": text} for text in texts]

    def estimate(**asked: Any) -> int:
        prompt = anthropic_wire.decode_prompt(json.dumps({"model": "m", **asked}).encode())
        return counting.estimate_of(prompt)

    assert 0 < estimate(messages=messages[:1]) <= estimate(messages=messages)
    assert estimate(messages=messages) <= estimate(messages=messages, system=system)
