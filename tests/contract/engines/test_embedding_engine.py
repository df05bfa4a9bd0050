"""What every embedding engine must do; its vectors are held against a reference computed elsewhere.

The reference is made by `scripts/embedding_reference.py`, which shares no code with us or the engine.
"""

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.contract.engines.conftest import Running

pytestmark = pytest.mark.engine

EMBEDDINGS = "/v1/embeddings"
REFERENCE = json.loads((Path(__file__).parent / "embedding_reference.json").read_text())


def vectors(answer: dict[str, Any]) -> np.ndarray[Any, Any]:
    assert [row["index"] for row in answer["data"]] == list(range(len(answer["data"])))
    return np.array([row["embedding"] for row in answer["data"]])


def test_vectors_are_those_of_the_reference(embedding: "Running") -> None:
    texts = [row["text"] for row in REFERENCE]
    assert len(set(texts)) == 100
    answer = embedding.good(EMBEDDINGS, input=texts, model="any")
    wanted = np.array([np.frombuffer(base64.b64decode(row["vector"]), "<f2") for row in REFERENCE])
    found = vectors(answer)
    wanted = wanted.astype(np.float64) / np.linalg.norm(wanted.astype(np.float64), axis=1, keepdims=True)
    cosines = (found * wanted).sum(axis=1)
    worst = int(cosines.argmin())
    assert cosines[worst] >= 0.999, texts[worst]
    assert answer["usage"]["prompt_tokens"] == sum(row["tokens"] for row in REFERENCE)


def test_vectors_have_length_one(embedding: "Running") -> None:
    found = vectors(embedding.good(EMBEDDINGS, input=["one", "two words"]))
    assert found.shape == (2, 384)
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1], abs=1e-5)


def test_base64_holds_the_same_numbers(embedding: "Running") -> None:
    plain = vectors(embedding.good(EMBEDDINGS, input="a ship", encoding_format="float"))
    coded = embedding.good(EMBEDDINGS, input="a ship", encoding_format="base64")["data"][0]["embedding"]
    assert np.frombuffer(base64.b64decode(coded), "<f4") == pytest.approx(plain[0], abs=1e-6)


def test_a_batch_gives_what_single_texts_give(embedding: "Running") -> None:
    texts = ["a ship", "a very much longer text about ships and harbours " * 8, "b"]
    batch = vectors(embedding.good(EMBEDDINGS, input=texts))
    for text, row in zip(texts, batch, strict=True):
        single = vectors(embedding.good(EMBEDDINGS, input=text))
        assert float((single[0] * row).sum()) >= 0.9999


def test_tokens_are_taken_as_they_are(embedding: "Running") -> None:
    tokens = embedding.good("/tokenize", content="a ship", add_special=True)["tokens"]
    by_tokens = vectors(embedding.good(EMBEDDINGS, input=tokens))
    by_text = vectors(embedding.good(EMBEDDINGS, input="a ship"))
    assert float((by_tokens[0] * by_text[0]).sum()) >= 0.9999


@pytest.mark.parametrize(
    "body", [{}, {"input": []}, {"input": 5}, {"input": "x", "dimensions": 12}, {"input": {"a": 1}}]
)
def test_what_is_wrong_is_refused(embedding: "Running", body: dict[str, Any]) -> None:
    status, error = embedding.error(EMBEDDINGS, **body)
    assert (status, error["type"]) == (400, "invalid_request_error")


def test_a_text_over_the_context_is_refused(embedding: "Running") -> None:
    status, error = embedding.error(EMBEDDINGS, input="word " * 800)
    assert (status, error["code"]) == (400, "context_length_exceeded")
    assert "the prompt has 802" in error["message"]


def test_a_text_of_just_the_context_is_read(embedding: "Running") -> None:
    for words, status in ((510, 200), (511, 400), (512, 400)):
        assert embedding.post(EMBEDDINGS, input="word " * words).status == status, words


def test_it_answers_nothing_else(embedding: "Running") -> None:
    assert embedding.error("/v1/chat/completions", messages=[])[0] == 404
