"""How tools are put to a model."""

import json
from typing import Any

import pytest

from pilothouse.contracts.errors import InvalidRequestError
from pilothouse.serving.llama_cpp.tools import plan_tools, with_tool_messages

TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Looks at a thing",
        "parameters": {
            "type": "object",
            "properties": {
                "at": {"$ref": "#/$defs/thing"},
                "many": {"type": "array", "items": {"type": "string"}},
            },
            "$defs": {"thing": {"type": "string"}},
        },
    },
}


def schema_of(**body: Any) -> dict[str, Any]:
    plan = plan_tools(body)
    assert plan is not None
    return dict(json.loads(plan.grammar().partition("%json ")[2]))


def test_references_still_lead_to_their_definitions() -> None:
    schema = schema_of(tools=[TOOL, {**TOOL, "function": {"name": "other"}}])
    look = schema["$defs"]["tool_0"]
    assert look["properties"]["at"] == {"$ref": "#/$defs/tool_0/$defs/thing"}
    assert look["$defs"]["thing"]["type"] == "string"
    assert [call["properties"]["name"]["const"] for call in schema["anyOf"]] == ["look", "other"]
    assert schema["$defs"]["tool_1"] == {"type": "object"}


def test_what_has_no_end_gets_one() -> None:
    look = schema_of(tools=[TOOL])["$defs"]["tool_0"]
    assert look["additionalProperties"] is False
    assert look["$defs"]["thing"]["maxLength"] > 0
    assert look["properties"]["many"]["maxItems"] > 0
    assert "maxLength" not in json.dumps(TOOL)


def test_auto_may_write_text_and_required_may_not() -> None:
    auto, required = plan_tools({"tools": [TOOL]}), plan_tools({"tools": [TOOL], "tool_choice": "required"})
    assert auto is not None
    assert required is not None
    assert "TEXT" in auto.grammar()
    assert "TEXT" not in required.grammar()


@pytest.mark.parametrize(
    "body", [{}, {"tools": []}, {"tools": None}, {"tools": [TOOL], "tool_choice": "none"}]
)
def test_without_tools_there_is_no_plan(body: dict[str, Any]) -> None:
    assert plan_tools(body) is None


@pytest.mark.parametrize("choice", [5, "any", {}, {"function": {"name": "nobody"}}])
def test_a_choice_that_cannot_be_is_refused(choice: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        plan_tools({"tools": [TOOL], "tool_choice": choice})
    assert caught.value.param == "tool_choice"


def test_the_conversation_is_told_in_plain_roles() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sea"}'}}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is there?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "waves"}]},
        {"role": "tool", "tool_call_id": "2", "content": "gulls"},
    ]
    told = with_tool_messages(messages, plan_tools({"tools": [TOOL]}))
    assert [message["role"] for message in told] == ["system", "user", "assistant", "user"]
    assert told[0]["content"].startswith("Be brief.\n\n")
    assert '"look"' in told[0]["content"]
    assert told[2]["content"] == '<tool_call>{"name": "look", "arguments": {"at": "sea"}}</tool_call>'
    assert told[3]["content"] == "<tool_response>waves</tool_response>\n<tool_response>gulls</tool_response>"


@pytest.mark.parametrize("calls", [5, [{}], [{"function": {"name": "x", "arguments": "{"}}]])
def test_earlier_calls_that_are_none_are_refused(calls: object) -> None:
    with pytest.raises(InvalidRequestError):
        with_tool_messages([{"role": "assistant", "tool_calls": calls}], None)
