"""Answers that say nothing: emptied by a filter, or streams that have only opened."""

import json
from typing import Any

import pytest

from pilothouse.gateway.filtered import has_end, has_filtered, is_empty, is_only_opening


def _events(*deltas: dict[str, Any], finish: str | None = None) -> bytes:
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices[-1]["finish_reason"] = finish
    return b"".join(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n" for choice in choices)


@pytest.mark.parametrize(
    ("batch", "is_opening"),
    [
        (_events({"role": "assistant", "content": ""}), True),
        (_events({"role": "assistant", "content": None, "tool_calls": []}, {}), True),
        (b": processing\n\n", True),
        (b'data: {"choices":[]}\n\n', True),
        (_events({"role": "assistant"}, {"content": "x"}), False),
        (_events({"tool_calls": [{"index": 0}]}), False),
        (_events({"something_new": 7}), False),
        (b'data: {"choices":[{"text":"x"}]}\n\n', False),
        (b"data: no json\n\n", False),
    ],
)
def test_a_stream_has_only_opened_while_it_says_nothing(batch: bytes, is_opening: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_only_opening(batch) is is_opening


def test_a_filter_is_seen_by_its_finish_reason() -> None:
    assert has_filtered(_events({"role": "assistant"}, {}, finish="content_filter"))
    assert not has_filtered(_events({"role": "assistant"}, {}, finish="stop"))
    assert not has_filtered(_events({"content": '"content_filter"'}))
    assert has_end(_events({}, finish="stop"))
    assert not has_end(_events({}))


@pytest.mark.parametrize(
    ("message", "is_nothing"),
    [
        ({"content": ""}, True),
        ({"content": None}, True),
        ({"content": "x"}, False),
        ({"content": None, "tool_calls": [{"id": "a"}]}, False),
    ],
)
def test_a_plain_answer_is_empty_when_it_says_nothing(message: dict[str, Any], is_nothing: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_empty(json.dumps({"choices": [{"message": message}]}).encode()) is is_nothing
    assert is_empty(b'{"choices":[{"text":"x"}]}') is False
    assert is_empty(b"no json") is False
