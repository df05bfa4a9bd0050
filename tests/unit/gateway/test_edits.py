"""An edit changes the member it names and nothing else."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.gateway import edits
from pilothouse.gateway.wire import StreamOptions, decode_members

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20) | st.just("model"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["model", "a", "choices"]), inner, max_size=3)
    ),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(max_size=8), VALUES, max_size=5)


def _written(document: dict[str, Any], spaces: bool) -> bytes:  # noqa: FBT001 - drawn by Hypothesis
    separators = (" , ", " : ") if spaces else (",", ":")
    return json.dumps(document, separators=separators, ensure_ascii=False).encode("utf-8", "surrogatepass")


@given(OBJECTS, NAMES, NAMES, st.booleans())
def test_only_the_model_changes(document: dict[str, Any], old: str, new: str, spaces: bool) -> None:  # noqa: FBT001 - drawn
    document["model"] = old
    body = _written(document, spaces)
    edited = edits.replace_model(body, edits.name_as_json(old), edits.name_as_json(new))
    assert json.loads(edited) == {**document, "model": new}


@given(OBJECTS, NAMES)
def test_the_same_name_leaves_the_same_bytes(document: dict[str, Any], name: str) -> None:
    document.pop("model", None)
    body = _written({"model": name, **dict.fromkeys(document, 1)}, spaces=False)
    quoted = json.dumps(name, ensure_ascii=False, separators=(",", ":")).encode()
    assert edits.replace_model(body, quoted, quoted) == body


@given(OBJECTS, st.booleans())
def test_usage_is_asked_for(document: dict[str, Any], spaces: bool) -> None:  # noqa: FBT001 - drawn
    document["model"] = "m"
    document.pop("stream_options", None)
    asked = json.loads(edits.ask_usage(_written(document, spaces), None))
    assert asked == {**document, "stream_options": {"include_usage": True}}


def test_usage_is_asked_for_beside_other_options() -> None:
    body = b'{"model":"m","stream_options":{"include_usage":false,"x":1.50}}'
    edited = edits.ask_usage(body, StreamOptions(include_usage=False))
    assert b'"x":1.50' in edited
    assert json.loads(edited)["stream_options"] == {"include_usage": True, "x": 1.5}
    null = edits.ask_usage(b'{"model":"m","stream_options":null}', None)
    assert json.loads(null)["stream_options"] == {"include_usage": True}


def test_log_probabilities_are_asked_for_in_place_of_what_was_said() -> None:
    for body in (b'{"model":"m"}', b'{"model":"m","logprobs":false}', b'{ "model":"m","logprobs":null}'):
        assert json.loads(edits.ask_logprobs(body, edits.ASK_CHAT_LOGPROBS)) == {
            "model": "m",
            "logprobs": True,
        }


def test_log_probabilities_are_taken_out_of_each_choice() -> None:
    body = b'{"choices":[{"index":0,"logprobs":{"content":[]},"x":1.50},{"index":1}],"usage":{"a":1}}'
    out = edits.without_logprobs(body)
    assert b'"x":1.50' in out
    assert json.loads(out)["choices"] == [{"index": 0, "logprobs": None, "x": 1.5}, {"index": 1}]


def test_members_an_upstream_refuses_are_dropped() -> None:
    body = b'{"a": 1, "b":2,"c" : [ 1.50 ]}'
    assert edits.drop_members(body, ("x",)) == body
    assert edits.drop_members(body, ("b",)) == b'{"a":1,"c":[ 1.50 ]}'


def test_two_members_of_one_name_become_the_one_that_decoding_sees() -> None:
    body = b'{"model":"a","model":"b"}'
    assert not edits.is_model_plain(body)
    assert edits.canonical(body) == b'{"model":"b"}'
    assert bytes(decode_members(body)["model"]) == b'"b"'
    assert edits.replace_model(body, b'"b"', b'"c"') == b'{"model":"c"}'


def test_a_name_that_is_written_with_escapes_is_replaced() -> None:
    assert json.loads(edits.replace_model(b'{"mod\\u0065l":"a"}', b'"a"', b'"b"')) == {"model": "b"}
    assert json.loads(edits.replace_model(b'{"model":"\\u0061"}', b'"a"', b'"b"')) == {"model": "b"}
