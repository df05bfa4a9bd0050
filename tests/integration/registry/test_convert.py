"""Conversion of a small BERT, made up here, to GGUF."""

import hashlib
import json
from pathlib import Path

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

from pilothouse.contracts.errors import ArtefactError
from pilothouse.registry.convert import to_gguf
from pilothouse.registry.source import quiet

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ship", "##s", "["]
CONFIG = {
    "model_type": "bert",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "max_position_embeddings": 12,
    "vocab_size": len(WORDS),
}


def tensors() -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    layer = "encoder.layer.0."
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(WORDS), 8),
        "embeddings.position_embeddings.weight": (12, 8),
        "embeddings.token_type_embeddings.weight": (2, 8),
        layer + "intermediate.dense.weight": (16, 8),
        layer + "output.dense.weight": (8, 16),
        "pooler.dense.weight": (8, 8),
    }
    for name in ("attention.self.query", "attention.self.key", "attention.self.value"):
        shapes[f"{layer}{name}.weight"] = (8, 8)
        shapes[f"{layer}{name}.bias"] = (8,)
    for name in ("embeddings.LayerNorm", layer + "attention.output.LayerNorm", layer + "output.LayerNorm"):
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (8,)
    numbers = np.random.default_rng(1)
    return {name: numbers.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def model(folder: Path, **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    save_file(tensors(), folder / "model.safetensors")
    return folder


def test_tensors_words_and_figures_arrive(tmp_path: Path) -> None:
    made = gguf.GGUFReader(to_gguf(model(tmp_path / "m"), tmp_path / "a.gguf", quiet))
    found = {tensor.name: tensor for tensor in made.tensors}
    assert "blk.0.attn_q.weight" in found
    assert not any("pool" in name for name in found)
    given = tensors()["encoder.layer.0.attention.self.query.weight"]
    assert found["blk.0.attn_q.weight"].tensor_type.name == "F16"
    assert np.array_equal(found["blk.0.attn_q.weight"].data, given.astype(np.float16))
    assert found["token_embd_norm.weight"].tensor_type.name == "F32"
    words = made.get_field("tokenizer.ggml.tokens")
    assert words is not None
    assert words.contents() == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u2581ship", "s", "\u2581["]
    pooling = made.get_field("bert.pooling_type")
    assert pooling is not None
    assert pooling.contents() == gguf.PoolingType.MEAN


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    made = [to_gguf(folder, tmp_path / name, quiet).read_bytes() for name in ("a.gguf", "b.gguf")]
    assert hashlib.sha256(made[0]).digest() == hashlib.sha256(made[1]).digest()


@pytest.mark.parametrize(
    ("config", "word"),
    [({"model_type": "llama"}, "llama"), ({"hidden_act": "relu"}, "relu"), ({"vocab_size": 9}, "8 words")],
)
def test_another_kind_of_model_is_refused(tmp_path: Path, config: dict[str, object], word: str) -> None:
    with pytest.raises(ArtefactError, match=word):
        to_gguf(model(tmp_path / "m", **config), tmp_path / "a.gguf", quiet)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"lacks config\.json"):
        to_gguf(tmp_path, tmp_path / "a.gguf", quiet)
