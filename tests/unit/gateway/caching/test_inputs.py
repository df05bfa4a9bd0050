"""Embedding requests put together come apart again as they were."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.gateway.caching.inputs import Inputs, merged, read_inputs, split


def _read(value: Any, **more: Any) -> Inputs | None:
    return read_inputs(json.dumps({"model": "m", "input": value, **more}).encode())


def _alike(value: Any, **more: Any) -> bytes:
    read = _read(value, **more)
    assert read is not None
    return read.alike


def test_texts_and_lists_of_texts_go_together_and_tokens_with_tokens() -> None:
    assert _alike("a") == _alike(["b", "c"])
    assert _alike([1, 2]) == _alike([[3], [4, 5]])
    assert _alike("a") != _alike([1, 2])


@pytest.mark.parametrize("more", [{"dimensions": 5}, {"encoding_format": "base64"}, {"user": "x"}])
def test_other_parameters_keep_requests_apart(more: dict[str, Any]) -> None:
    assert _alike("a", **more) != _alike("a")


@pytest.mark.parametrize("value", [None, 5, [], ["a", 1], [None], {"a": 1}, [{"a": 1}]])
def test_what_is_no_input_is_left_to_the_provider(value: Any) -> None:
    assert _read(value) is None


def _answer_to(request: bytes, *, is_shuffled: bool = False) -> bytes:
    """Answers as a provider would: the vector is the size of its input."""
    inputs = json.loads(request)["input"]
    data = [
        {"object": "embedding", "index": index, "embedding": [float(len(text))]}
        for index, text in enumerate(inputs)
    ]
    if is_shuffled:
        data.reverse()
    usage = {"prompt_tokens": 3 * len(inputs), "total_tokens": 3 * len(inputs)}
    return json.dumps({"object": "list", "data": data, "model": "up", "usage": usage}).encode()


_BATCHES = st.lists(st.lists(st.text(max_size=12), min_size=1, max_size=4), min_size=1, max_size=6)


@given(batch=_BATCHES, is_shuffled=st.booleans())
def test_each_gets_its_own_vectors_and_the_tokens_add_up(
    batch: list[list[str]], *, is_shuffled: bool
) -> None:
    bodies = [json.dumps({"model": "m", "input": texts}).encode() for texts in batch]
    parts = [part for part in map(read_inputs, bodies) if part is not None]
    answers = split(_answer_to(merged(bodies[0], parts), is_shuffled=is_shuffled), parts)
    assert answers is not None
    documents = [json.loads(answer) for answer in answers]
    for texts, document in zip(batch, documents, strict=True):
        assert [item["embedding"] for item in document["data"]] == [[float(len(text))] for text in texts]
        assert [item["index"] for item in document["data"]] == list(range(len(texts)))
        assert document["model"] == "up"
    total = sum(document["usage"]["prompt_tokens"] for document in documents)
    assert total == 3 * sum(map(len, batch))


def test_a_single_list_of_tokens_is_one_input() -> None:
    part = _read([1, 2, 3])
    assert part is not None
    assert json.loads(merged(b'{"input":[1,2,3],"model":"m"}', [part, part]))["input"] == [
        [1, 2, 3],
        [1, 2, 3],
    ]


def test_an_answer_that_does_not_fit_is_not_split() -> None:
    part = _read(["a", "b"])
    assert part is not None
    assert split(b'{"data":[{"index":0,"embedding":[1]}]}', [part]) is None
    assert split(b'{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}', [part]) is None


def test_a_provider_that_says_no_usage_says_none_for_anybody() -> None:
    part = _read("a")
    assert part is not None
    answers = split(b'{"data":[{"index":0,"embedding":"AAAA"}]}', [part])
    assert answers is not None
    assert json.loads(answers[0]) == {
        "object": "list",
        "data": [{"index": 0, "embedding": "AAAA", "object": "embedding"}],
        "model": None,
    }
