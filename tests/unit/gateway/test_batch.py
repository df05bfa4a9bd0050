"""Batches of events are edited as if each event were edited alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.contracts.snapshot import ModelRoute
from pilothouse.gateway.batch import BatchEdits, has_token, split_done, split_error
from pilothouse.gateway.directory import Route
from pilothouse.gateway.routing.budget import Budget
from pilothouse.gateway.sse import DONE, payloads_of

PUBLIC = Route(ModelRoute(name="public", kind="chat", deployments=()), (), Budget(), is_listed=True)


def _event(document: Any, spaces: str = "") -> bytes:
    return b"data: " + json.dumps(document, separators=("," + spaces, ":" + spaces)).encode() + b"\n\n"


def _chunk(content: str, **more: Any) -> dict[str, Any]:
    return {"model": "theirs", "choices": [{"index": 0, "delta": {"content": content}}], **more}


def _edits(**how: bool) -> BatchEdits:
    takes = {"takes_usage": False, "takes_logprobs": False, **how}
    return BatchEdits(answered="theirs", route=PUBLIC, **takes)


CONTENTS = st.lists(
    st.text(max_size=10) | st.sampled_from(['"model":"theirs"', '{"usage":1}', "[DONE]"]), max_size=5
)


@given(CONTENTS, st.sampled_from(["", " "]))
def test_every_event_shows_the_public_name_and_the_same_content(contents: list[str], spaces: str) -> None:
    batch = b"".join(_event(_chunk(content), spaces) for content in contents)
    shown = [json.loads(payload) for payload in payloads_of(_edits().apply(batch))]
    assert shown == [_chunk(content) | {"model": "public"} for content in contents]


def test_a_nested_model_keeps_its_name() -> None:
    batch = _event(_chunk("x", extra={"model": "theirs"})) + _event(_chunk("y"))
    first, second = (json.loads(payload) for payload in payloads_of(_edits().apply(batch)))
    assert (first["model"], first["extra"]["model"], second["model"]) == ("public", "theirs", "public")


@given(CONTENTS)
def test_only_events_with_nothing_but_usage_are_taken_out(contents: list[str]) -> None:
    usage = {"model": "theirs", "choices": [], "usage": {"prompt_tokens": 1}}
    last = _chunk("end", usage={"prompt_tokens": 1})
    events = [_event(_chunk(content, usage=None)) for content in contents]
    batch = b"".join([*events, _event(usage), _event(last)])
    shown = [json.loads(payload) for payload in payloads_of(_edits(takes_usage=True).apply(batch))]
    assert shown[-1] == last | {"model": "public"}
    assert len(shown) == len(contents) + 1
    assert all("usage" not in event for event in shown[:-1])


def test_log_probabilities_are_taken_out_of_every_event_and_comments_stay() -> None:
    chunk = {"model": "theirs", "choices": [{"index": 0, "delta": {}, "logprobs": {"content": []}}]}
    out = _edits(takes_logprobs=True).apply(b": ping\n\n" + _event(chunk))
    assert out.startswith(b": ping\n\n")
    assert json.loads(next(payloads_of(out)))["choices"][0]["logprobs"] is None


@pytest.mark.parametrize(
    ("batch", "before", "is_done"),
    [
        (DONE, b"", True),
        (b"data: 1\n\n" + DONE, b"data: 1\n\n", True),
        (b"data: 1\n\ndata:[DONE]\n\n", b"data: 1\n\n", True),
        (b'data: "[DONE]"\n\n', b'data: "[DONE]"\n\n', False),
        (b"data: 1\n\n" + DONE + b"data: 2\n\n", b"data: 1\n\n", True),
    ],
)
def test_what_stands_before_done(batch: bytes, before: bytes, is_done: bool) -> None:  # noqa: FBT001 - a parameter
    assert split_done(batch) == (before, is_done)


def test_an_error_is_found_and_what_came_before_it_kept() -> None:
    good, bad = _event(_chunk('"error"')), _event({"error": {"message": "x"}})
    assert split_error(good) is None
    found = split_error(good + bad + good)
    assert found is not None
    assert (found[0], json.loads(bytes(found[1]))) == (good, {"message": "x"})


def test_the_role_alone_is_no_token() -> None:
    assert not has_token(_event({"choices": [{"delta": {"role": "assistant", "content": ""}}]}))
    assert has_token(_event(_chunk("x")))
    assert has_token(_event({"choices": [{"text": "x"}]}))
    assert has_token(_event({"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}))
    assert not has_token(b": ping\n\ndata: not json\n\n")
