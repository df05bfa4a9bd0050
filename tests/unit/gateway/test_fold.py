"""A stream folds into what the plain answer would have been."""

import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.gateway.fold import Fold


def _payload(*choices: dict[str, Any], **more: Any) -> bytes:
    document = {"id": "c1", "created": 7, "model": "m", "choices": list(choices), **more}
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def _choice(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish, **more}


def _folded(payloads: list[bytes], *, is_chat: bool = True) -> Any:
    fold = Fold(is_chat=is_chat)
    fold.feed(b"".join(payloads))
    return json.loads(fold.plain(model="public", with_logprobs=True))


PIECES = st.lists(st.tuples(st.integers(0, 2), st.text(max_size=8)), max_size=12)


@given(PIECES, st.lists(st.integers(0, 12), max_size=4))
def test_folding_in_pieces_is_folding_at_once(pieces: list[tuple[int, str]], cuts: list[int]) -> None:
    payloads = [_payload(_choice({"content": text}, index=index)) for index, text in pieces]
    fold = Fold(is_chat=True)
    places = sorted({0, len(payloads), *(cut for cut in cuts if cut < len(payloads))})
    for a, b in itertools.pairwise(places):
        fold.feed(b"".join(payloads[a:b]))
    whole = _folded(payloads)
    assert json.loads(fold.plain(model="public", with_logprobs=True)) == whole
    for choice in whole["choices"]:
        expected = "".join(text for index, text in pieces if index == choice["index"])
        assert (choice["message"]["content"] or "") == expected


def test_a_chat() -> None:
    answer = _folded(
        [
            _payload(_choice({"role": "assistant", "content": ""}), system_fingerprint="fp"),
            _payload(_choice({"content": "Hel"})),
            _payload(_choice({"content": "lo"}, "stop")),
            _payload(usage={"prompt_tokens": 1, "odd": [1.5]}),
        ]
    )
    assert answer == {
        "id": "c1",
        "object": "chat.completion",
        "created": 7,
        "model": "public",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "system_fingerprint": "fp",
        "usage": {"prompt_tokens": 1, "odd": [1.5]},
    }


def test_tool_calls_are_put_together_by_index() -> None:
    def piece(index: int, **call: Any) -> bytes:
        return _payload(_choice({"tool_calls": [{"index": index, **call}]}))

    message = _folded(
        [
            piece(0, id="a", type="function", function={"name": "f", "arguments": ""}),
            piece(0, function={"arguments": '{"x"'}),
            piece(1, id="b", function={"name": "g", "arguments": "{}"}),
            piece(0, function={"arguments": ":1}"}),
            _payload(_choice({}, "tool_calls")),
        ]
    )["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_refusal_and_reasoning_have_their_places() -> None:
    message = _folded(
        [_payload(_choice({"reasoning_content": "hm"})), _payload(_choice({"refusal": "no"}, "stop"))]
    )["choices"][0]["message"]
    assert (message["reasoning_content"], message["refusal"], message["content"]) == ("hm", "no", "")


def test_log_probabilities_are_one_list() -> None:
    def piece(value: float) -> bytes:
        logprobs = {"content": [{"token": "t", "logprob": value}]}
        return _payload(_choice({"content": "t"}, logprobs=logprobs))

    fold = Fold(is_chat=True)
    fold.feed(piece(-1.5) + piece(-2.5))
    choice = json.loads(fold.plain(model="m", with_logprobs=True))["choices"][0]
    assert [token["logprob"] for token in choice["logprobs"]["content"]] == [-1.5, -2.5]
    assert json.loads(fold.plain(model="m", with_logprobs=False))["choices"][0]["logprobs"] is None


def test_text_completions() -> None:
    payloads = [
        _payload({"index": 0, "text": "a", "finish_reason": None}),
        _payload({"text": "b", "finish_reason": "length"}),
    ]
    answer = _folded(payloads, is_chat=False)
    assert answer["object"] == "text_completion"
    assert answer["choices"][0] == {"index": 0, "text": "ab", "logprobs": None, "finish_reason": "length"}


def test_garbage_between_chunks_is_counted_and_left_out() -> None:
    fold = Fold(is_chat=True)
    good = _payload(_choice({"content": "a"}))
    fold.feed(b": ping\n\n" + good + b"data: garbage\n\n" + _payload(_choice({"content": "b"}, "stop")))
    assert fold.garbled == 1
    assert fold.is_whole
    assert fold.finish_reasons == ("stop",)


def test_a_stream_is_whole_when_every_choice_has_ended() -> None:
    fold = Fold(is_chat=True)
    seen = [fold.is_whole]
    fold.feed(_payload(_choice({"content": "a"}, "stop"), _choice({"content": "b"}, index=1)))
    seen.append(fold.is_whole)
    fold.feed(_payload(_choice({}, "length", index=1)))
    seen.append(fold.is_whole)
    assert seen == [False, False, True]
    assert fold.finish_reasons == ("stop", "length")
