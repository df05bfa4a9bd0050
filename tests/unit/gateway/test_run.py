"""A run cut out at once says what its events say one by one."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.gateway.fold import Fold
from pilothouse.gateway.run import find_run, has_text

PIECES = st.lists(
    st.text(max_size=6) | st.sampled_from(['"', "\\", "\n", "é", "😀", '"content":"', "data: ", '{"a":1}']),
    max_size=8,
)
MORE = st.sampled_from([{}, {"finish_reason": "stop"}, {"logprobs": None}, {"logprobs": {"content": []}}])


def _event(
    delta: dict[str, Any], *, index: int = 0, spaces: bool = False, plain: bool = False, **more: Any
) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": None, **more}
    document = {"id": "c", "created": 1, "model": "m", "choices": [choice]}
    separators = (", ", ": ") if spaces else (",", ":")
    return b"data: " + json.dumps(document, separators=separators, ensure_ascii=plain).encode() + b"\n\n"


def _stream(pieces: list[str], more: dict[str, Any], **how: bool) -> bytes:
    events = [_event({"role": "assistant", "content": ""}, **how)]
    events += [_event({"content": piece}, **how) for piece in pieces]
    events.append(_event({"content": "!"}, index=1, **how))
    events.append(_event({"content": "last"}, **how, **more))
    return b"".join(events)


@settings(max_examples=60)
@given(PIECES, MORE, st.booleans(), st.booleans())
def test_the_fold_is_the_same_with_and_without_runs(
    pieces: list[str],
    more: dict[str, Any],
    spaces: bool,  # noqa: FBT001 - drawn
    plain: bool,  # noqa: FBT001 - drawn
) -> None:
    batch = _stream(pieces, more, spaces=spaces, plain=plain)
    at_once, one_by_one = Fold(is_chat=True), Fold(is_chat=True)
    at_once.feed(batch)
    for event in batch.split(b"\n\n")[:-1]:
        one_by_one.feed(event + b"\n\n")
    results = [json.loads(fold.plain(model="m", with_logprobs=True)) for fold in (at_once, one_by_one)]
    assert results[0] == results[1]
    assert results[0]["choices"][0]["message"]["content"] == "".join(pieces) + "last"


def test_a_run_is_found_in_a_usual_stream() -> None:
    events = [_event({"content": piece}) for piece in ("", "a", "b\\n", "c")]
    events.insert(0, _event({"role": "assistant"}))
    tail = _event({}, finish_reason="stop")
    run = find_run(b"".join(events) + tail)
    assert run is not None
    assert run.before == events[0]
    assert run.template == events[1]
    assert run.text == b"ab\\\\nc"
    assert run.after == tail


@pytest.mark.parametrize(
    "batch",
    [
        b"",
        b"data: 1\n\n",
        _event({"content": "a"}) * 1,
        _event({"role": "assistant"}) + _event({"content": "a"}),
        _event({"role": "assistant"}) + _event({"content": 'say "a"'}) * 3,
        _event({"role": "assistant"}) + _event({"tool_calls": []}) * 3,
    ],
)
def test_where_there_is_no_run_none_is_found(batch: bytes) -> None:
    assert find_run(batch) is None


def test_an_event_that_says_more_is_not_taken_for_text() -> None:
    sly = b'data: {"choices":[{"index":0,"delta":{"content":"a","role":"x"}}]}\n\n'
    plain = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    fold = Fold(is_chat=True)
    fold.feed(plain + plain + sly + plain + plain)
    message = json.loads(fold.plain(model="m", with_logprobs=True))["choices"][0]["message"]
    assert message == {"role": "x", "content": "aaaaa"}


def test_text_is_seen_in_the_bytes() -> None:
    assert has_text(_event({"content": "a"}))
    assert has_text(_event({"content": ""}) + _event({"content": "a"}, spaces=True))
    assert not has_text(_event({"role": "assistant", "content": ""}))
    assert not has_text(b"")
