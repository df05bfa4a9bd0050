"""A plain answer told as a stream folds back into itself."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.gateway.caching.replay import events_of
from pilothouse.gateway.fold import Fold

USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def _answer(choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"id": "c1", "object": "chat.completion", "created": 5, "model": "m", "choices": choices, **more}


def _choice(
    message: dict[str, Any], index: int = 0, finish: str = "stop", logprobs: Any = None
) -> dict[str, Any]:
    message = {"role": "assistant", **message}
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish}


def _folded(answer: dict[str, Any], *, is_chat: bool = True) -> Any:
    fold = Fold(is_chat=is_chat)
    fold.feed(events_of(json.dumps(answer).encode()))
    assert fold.is_whole
    assert not fold.garbled
    return json.loads(fold.plain(model=fold.model, with_logprobs=True))


LOGPROBS = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]}
TOOL = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}


@pytest.mark.parametrize(
    "answer",
    [
        _answer([_choice({"content": "Hello there."})], usage=USAGE),
        _answer([_choice({"content": "word " * 400})], usage=USAGE, system_fingerprint="fp"),
        _answer([_choice({"content": "x" * 20_000})]),
        _answer([_choice({"content": "one"}), _choice({"content": "two"}, 1, "length")], usage=USAGE),
        _answer(
            [_choice({"content": None, "tool_calls": [TOOL, {**TOOL, "id": "t2"}]}, finish="tool_calls")]
        ),
        _answer([_choice({"content": "a"}, logprobs=LOGPROBS)], usage=USAGE),
        _answer([_choice({"content": "so", "reasoning_content": "because " * 30})]),
        _answer([_choice({"content": "", "refusal": "I will not."})]),
    ],
)
def test_it_folds_back(answer: dict[str, Any]) -> None:
    folded = _folded(answer)
    for choice in answer["choices"]:
        if choice["message"].get("content") == "" and "refusal" in choice["message"]:
            folded["choices"][0]["message"]["content"] = ""
    assert folded == answer


@given(st.text(max_size=400).filter(lambda text: text != ""))
def test_any_text_is_told_whole(text: str) -> None:
    assert _folded(_answer([_choice({"content": text})]))["choices"][0]["message"]["content"] == text


def test_a_text_completion_is_told_too() -> None:
    choice = {"index": 0, "text": "and so on " * 20, "logprobs": None, "finish_reason": "length"}
    answer = {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}
    assert _folded(answer, is_chat=False) == answer


def test_a_long_answer_comes_in_pieces_that_end_with_words() -> None:
    events = events_of(json.dumps(_answer([_choice({"content": "seven letters " * 60})])).encode())
    texts = [
        json.loads(event[6:])["choices"][0]["delta"].get("content", "")
        for event in events.split(b"\n\n")
        if event
    ]
    assert len(texts) > 15
    assert all(piece.startswith((" ", "seven", "letters")) for piece in texts if piece)


def test_what_the_fold_does_not_know_is_told_with_the_role() -> None:
    events = events_of(json.dumps(_answer([_choice({"content": "x", "annotations": [1]})])).encode())
    first = json.loads(events.split(b"\n\n")[0][6:])
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "annotations": [1]}
