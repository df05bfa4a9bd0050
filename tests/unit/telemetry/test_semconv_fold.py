"""What senders say under each convention becomes our one span; bad values are kept, and nothing raises."""

import hashlib
import json
import random
from typing import Any

import msgspec
import pytest

from pilothouse.telemetry.otlp.raw import RawEvent, RawLog, RawSpan
from pilothouse.telemetry.semconv.absorbing import RULES, TREES
from pilothouse.telemetry.semconv.clear import CLEAR
from pilothouse.telemetry.semconv.events import EVENTS
from pilothouse.telemetry.semconv.fold import Folded, fold_log, fold_span
from pilothouse.telemetry.semconv.joining import joined

TRACE, SPAN = "0" * 31 + "1", "0" * 15 + "2"


def span(attributes: dict[str, Any], **parts: Any) -> RawSpan:
    return RawSpan(TRACE, SPAN, None, "a span", 3, 1_000_000_000, 1_500_000_000, attributes, **parts)


def fold(attributes: dict[str, Any], **parts: Any) -> Folded:
    resource = {"service.name": "app"}
    return fold_span(resource, "a scope", span(attributes, **parts), lambda user: f"<{len(user)}>")


def content(folded: Folded) -> Any:
    assert folded.content is not None
    return folded.content


def test_messages_with_parts_become_chat_messages() -> None:
    sent = [
        {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
        {"role": "assistant", "parts": [
            {"type": "reasoning", "content": "hm"},
            {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Paris"}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "dry"}]},
        {"role": "user", "parts": [
            {"type": "text", "content": "And this?"},
            {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AA=="}]},
    ]  # fmt: skip
    folded = fold({
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "OpenAI", "gen_ai.request.model": "m",
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
        "gen_ai.input.messages": json.dumps(sent),
        "gen_ai.output.messages": [{"role": "assistant", "finish_reason": "stop",
                                    "parts": [{"type": "text", "content": "Dry."}]}],
        "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "weather", "parameters": {}}]),
    })  # fmt: skip
    request = content(folded).request
    assert [message["role"] for message in request["messages"]] == [
        "system", "user", "assistant", "tool", "user",
    ]  # fmt: skip
    _, asked, called, result, media = request["messages"]
    assert asked == {"role": "user", "content": "Weather?"}
    assert called["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Paris"}'}
    assert called["reasoning_content"] == "hm"
    assert result == {"role": "tool", "tool_call_id": "c1", "content": "dry"}
    assert [part["type"] for part in media["content"]] == ["text", "image_url", "image_url"]
    assert media["content"][2]["image_url"]["url"] == "data:image/png;base64,AA=="
    assert request["tools"] == [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    assert content(folded).response["choices"][0]["message"] == {"role": "assistant", "content": "Dry."}
    assert folded.span.finish_reasons == ("stop",)
    assert (folded.span.convention, folded.span.provider) == ("genai-1.37", "openai")


def test_message_events_of_a_span_become_a_conversation() -> None:
    said = [
        RawEvent("gen_ai.user.message", 1, {"content": "Hi"}),
        RawEvent("gen_ai.choice", 2, {"gen_ai.event.content": json.dumps(
            {"index": 0, "finish_reason": "length", "message": {"content": "Hello"}})}),
    ]  # fmt: skip
    folded = fold({"gen_ai.system": "openai", "gen_ai.request.model": "m"}, events=said)
    assert content(folded).request["messages"] == [{"role": "user", "content": "Hi"}]
    assert content(folded).response["choices"][0]["message"]["content"] == "Hello"
    assert folded.span.finish_reasons == ("length",)
    assert folded.span.convention == "genai-1.36"
    assert folded.span.kind == "llm"


def test_the_oldest_events_hold_all_messages_at_once() -> None:
    prompt = json.dumps([{"role": "user", "content": "Hi"}])
    said = [RawEvent("gen_ai.content.prompt", 1, {"gen_ai.prompt": prompt})]
    folded = fold({"gen_ai.system": "openai", "gen_ai.request.model": "m"}, events=said)
    assert content(folded).request["messages"] == [{"role": "user", "content": "Hi"}]


def test_the_new_repositorys_names_say_so() -> None:
    folded = fold({
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
        "gen_ai.usage.cache_write.input_tokens": 7, "gen_ai.usage.reasoning.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 2, "gen_ai.response.time_to_first_chunk": 0.25,
    })  # fmt: skip
    assert folded.span.convention == "genai"
    assert (folded.span.cached_tokens, folded.span.reasoning_tokens) == (2, 3)
    assert folded.span.first_token_ms == 250
    assert folded.span.attributes == {"gen_ai.usage.cache_write.input_tokens": 7}


@pytest.mark.parametrize(
    ("attributes", "kind", "operation", "request_", "response"),
    [
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t",
          "gen_ai.tool.call.arguments": '{"a": 1}', "gen_ai.tool.call.result": "2"},
         "tool", "execute_tool", {"a": 1}, "2"),
        ({"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.query.text": "q",
          "gen_ai.retrieval.documents": '[{"id": "d", "score": 0.5}]'},
         "retrieval", "retrieval", {"query": "q"}, {"documents": [{"id": "d", "score": 0.5}]}),
        ({"openinference.span.kind": "RERANKER", "reranker.query": "q", "reranker.top_k": 1,
          "reranker.input_documents.0.document.content": "a",
          "reranker.input_documents.1.document.content": "b",
          "reranker.output_documents.0.document.id": "1",
          "reranker.output_documents.0.document.score": 0.9},
         "reranker", None, {"query": "q", "documents": [{"content": "a"}, {"content": "b"}]},
         {"documents": [{"id": "1", "score": 0.9}]}),
        ({"openinference.span.kind": "EMBEDDING", "embedding.model_name": "e",
          "embedding.embeddings.0.embedding.text": "hi",
          "embedding.embeddings.0.embedding.vector": [0.1, 0.2]},
         "embeddings", "embeddings", {"input": ["hi"]}, {"embeddings": [{"dimensions": 2}]}),
        ({"openinference.span.kind": "AGENT", "input.value": "go", "output.value": "gone"},
         "agent", "invoke_agent", "go", "gone"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "A",
          "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"x"}]}]'},
         "agent", "invoke_agent", {"messages": [{"role": "user", "content": "x"}]}, None),
        ({"traceloop.span.kind": "workflow", "traceloop.entity.name": "w",
          "traceloop.entity.input": '{"args": []}', "traceloop.entity.output": '"done"'},
         "chain", None, {"args": []}, "done"),
        ({"openinference.span.kind": "GUARDRAIL"}, "guardrail", None, None, None),
        ({"http.request.method": "GET"}, "other", None, None, None),
    ],
)  # fmt: skip
def test_each_kind_of_step_is_told_apart(
    attributes: dict[str, Any], kind: str, operation: str | None, request_: Any, response: Any
) -> None:
    folded = fold(attributes)
    assert (folded.span.kind, folded.span.operation) == (kind, operation)
    if request_ is not None or response is not None:
        assert (content(folded).request, content(folded).response) == (request_, response)


def test_evaluations_become_scores() -> None:
    said = {"gen_ai.evaluation.name": "Relevance", "gen_ai.evaluation.score.value": 0.5,
            "gen_ai.evaluation.score.label": "half", "gen_ai.evaluation.explanation": "so so",
            "gen_ai.response.id": "r1"}  # fmt: skip
    (score,) = fold({}, events=[RawEvent("gen_ai.evaluation.result", 9, said)]).evaluations
    assert (score.name, score.value, score.label, score.explanation) == ("Relevance", 0.5, "half", "so so")
    assert (score.trace_id, score.span_id, score.at_ns, score.request_id) == (TRACE, SPAN, 9, "r1")
    logged = fold_log({}, "s", RawLog(9, "INFO", "gen_ai.evaluation.result", None, said, TRACE, SPAN))
    assert logged is not None
    assert logged.evaluations == [score]
    flat = {"evaluations.0.evaluation.name": "tone", "evaluations.0.evaluation.score": 1}
    assert [(one.name, one.value) for one in fold(flat).evaluations] == [("tone", 1.0)]


def test_messages_that_are_logged_join_in_order() -> None:
    logs = [
        RawLog(1, "", "gen_ai.system.message", {"content": "Be brief."}, {}, TRACE, SPAN),
        RawLog(2, "", "", {"content": "Hi"}, {"event.name": "gen_ai.user.message"}, TRACE, SPAN),
        RawLog(3, "", "gen_ai.choice", {"index": 0, "message": {"content": "Yo"}}, {}, TRACE, SPAN),
    ]
    folded = [fold_log({"service.name": "app"}, "s", log) for log in logs]
    pieces = [(one.content.request, one.content.response) for one in folded if one and one.content]
    request, response = joined(pieces)
    assert [message["content"] for message in request["messages"]] == ["Be brief.", "Hi"]
    assert response["choices"][0]["message"]["content"] == "Yo"


def test_a_user_is_named_by_a_pseudonym_and_unknown_attributes_are_sealed() -> None:
    folded = fold({"user.id": "someone", "session.id": "s", "my.note": "secret", "server.port": 443})
    assert (folded.span.subject, folded.span.conversation_id) == ("<7>", "s")
    assert folded.span.attributes == {"server.port": 443}
    assert content(folded).attributes == {"user.id": "someone", "my.note": "secret"}
    assert b"secret" not in msgspec.json.encode(folded.span)


def test_an_allowed_name_with_a_long_text_is_sealed_all_the_same() -> None:
    folded = fold({"gen_ai.request.temperature": "x" * 300, "gen_ai.request.model": "y" * 300})
    assert folded.span.attributes == {}
    assert folded.span.model is None
    assert content(folded).attributes.keys() == {"gen_ai.request.temperature", "gen_ai.request.model"}


def test_a_long_value_is_cut_with_a_note_of_what_it_was() -> None:
    value = "a" * 10_000_000
    folded = fold({"gen_ai.input.messages": value, "other": value, "gen_ai.request.model": "m"})
    kept = content(folded).attributes["other"]
    assert len(kept) < 70_000
    assert hashlib.sha256(value.encode()).hexdigest() in kept
    assert "10000000 characters" in kept
    assert len(msgspec.json.encode(content(folded))) < 200_000
    assert folded.span.attributes["pilothouse.cut"] == 2


def test_an_error_without_a_kind_is_still_one() -> None:
    folded = fold({}, status=2, message="it broke")
    assert (folded.span.status, folded.span.error_type) == ("error", "_OTHER")
    assert content(folded).attributes["error.message"] == "it broke"
    thrown = fold({}, status=2, events=[RawEvent("exception", 1, {"exception.type": "KeyError"})])
    assert thrown.span.error_type == "KeyError"


STRANGE: list[Any] = [
    None, "", 0, -1, 1.5, float("nan"), float("inf"), True, 2**70, b"\xff", [], {}, [None], [[]], "[", "{",
    '{"role"', "[1, 2", '[{"parts": 1}]', '[{"parts": [1, null, {"type": "tool_call"}]}]', '[["a"]]',
    '{"messages": {"a": 1}}', '[{"role": {"a": 1}, "content": {"b": 2}}]', "[" * 2000 + "]" * 2000,
    '[{"tool_calls": "x"}, {"tool_calls": [1]}, {"content": [1, {"type": 3}]}]', "\ud800", {"a": [b"x"]},
    '[{"role": "user", "parts": [{"type": "blob"}, {"type": "uri"}, {"type": "file"}]}]', "1e999", "x" * 300,
    '[{"type": "function", "function": null}]', '[{"content": 7, "role": "user"}]',
]  # fmt: skip
NAMES = [
    *RULES, *list(CLEAR)[:10], *TREES, "unknown", "", ".", "llm.input_messages.x.message", "llm.tools.0",
    "llm.input_messages.0.message", "llm.input_messages.0.message.role.deeper",
    "llm.choices.0.completion.text",
    "llm.input_messages.0.message.contents.0.message_content.image", "gen_ai.prompt.0",
    "llm.input_messages.0.message.contents.0.message_content.type", "gen_ai.prompt.0.tool_calls.0.name",
    "llm.output_messages.9.message.tool_calls.0.tool_call.function.name", "gen_ai.completion.0.function_call",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function", "evaluations.0.evaluation.score",
    "llm.tools.0.tool.json_schema", "retrieval.documents.0.document",
    "embedding.embeddings.0.embedding.vector",
    "llm.request.functions.0.parameters", "llm.request.functions",
]  # fmt: skip


def test_no_value_of_any_kind_raises_and_all_can_be_written() -> None:
    chance = random.Random(4)
    kinds = ["LLM", "TOOL", "RETRIEVER", "RERANKER", "EMBEDDING", "AGENT", "CHAIN", None, 3]
    for _ in range(3000):
        names = chance.sample(NAMES, 8)
        attributes = {name: chance.choice(STRANGE) for name in names}
        attributes["openinference.span.kind"] = chance.choice(kinds)
        event = RawEvent(chance.choice([*EVENTS, "exception"]), 1, dict(list(attributes.items())[:4]))
        folded = fold(attributes, events=[event], status=chance.choice([0, 1, 2, 9]))
        msgspec.json.encode((folded.span, folded.content, folded.evaluations), enc_hook=str)
        body = chance.choice(STRANGE)
        fold_log({"service.name": 1}, "s", RawLog(1, "", chance.choice([*EVENTS, ""]), body, attributes))


def test_each_value_alone_is_kept_somewhere() -> None:
    for name in NAMES:
        folded = fold({name: "needle-7"})
        written = msgspec.json.encode((folded.span, folded.content, folded.evaluations))
        is_kept = b"needle-7" in written or folded.span.subject == "<8>"
        assert is_kept, name
