"""Reading calls out of a model's text, however it is cut."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.serving.llama_cpp.tool_text import Arguments, CallBegun, Part, Text, ToolText

arguments = st.dictionaries(
    st.text(max_size=6),
    st.recursive(
        st.text(max_size=8) | st.integers(), lambda inner: st.lists(inner, max_size=3), max_leaves=4
    ),
    max_size=3,
)


def read(text: str, cuts: list[int]) -> list[Part]:
    reader = ToolText()
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    parts = [part for start, end in itertools.pairwise(places) for part in reader.feed(text[start:end])]
    return parts + reader.end()


@given(st.text(max_size=10), arguments, st.lists(st.integers(0, 500), max_size=12))
def test_a_call_is_read_the_same_however_it_is_cut(
    name: str, values: dict[str, object], cuts: list[int]
) -> None:
    written = json.dumps(values)
    text = f'<tool_call>{{"name": {json.dumps(name)}, "arguments": {written}}}</tool_call>'
    parts = read(text, cuts)
    assert parts[0] == CallBegun(name)
    assert "".join(part.text for part in parts[1:] if isinstance(part, Arguments)) == written
    assert not any(isinstance(part, Text) for part in parts)


@given(st.text(max_size=40), st.lists(st.integers(0, 500), max_size=12))
def test_text_comes_through_as_it_is(text: str, cuts: list[int]) -> None:
    parts = read("x" + text, cuts)
    assert "".join(part.text for part in parts if isinstance(part, Text)) == "x" + text


def test_a_cut_call_gives_what_there_is() -> None:
    assert read("<tool", []) == [Text("<tool")]
    parts = read('<tool_call>{"name": "a", "arguments": {"b": [1', [])
    assert parts == [CallBegun("a"), Arguments('{"b": [1')]
