"""BERT embedding models (config, vocabulary, safetensors) to one GGUF file, without torch.

Names and layout are those of llama.cpp's BERT architecture; the mapping of tensor names is the `gguf`
package's own. Matrices become 16-bit floats, vectors and embeddings of positions stay 32-bit.

Refuses to know where the files came from. Invariant: the same input gives the same bytes.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pilothouse.contracts.errors import ArtefactError
from pilothouse.registry.source import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    import gguf
    import numpy as np

__all__ = ["BertConfig", "is_convertible", "to_gguf"]

NEEDED = ("config.json", "vocab.txt", "model.safetensors")

SKIPPED = ("position_ids", "pooler.")
"""Tensors that mean pooling does not read."""

FULL_PRECISION = ("position_embd", "token_types", "_norm")


class BertConfig(msgspec.Struct, frozen=True):
    """What is read of `config.json`, by its own names."""

    model_type: str
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_hidden_layers: int
    max_position_embeddings: int
    vocab_size: int
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu"
    position_embedding_type: str = "absolute"


def is_convertible(path: Path) -> bool:
    """Says whether `path` is a folder, which must be converted before an engine can load it."""
    return path.is_dir()


def to_gguf(folder: Path, target: Path, progress: Progress) -> Path:
    """Writes the GGUF file of the model in `folder` to `target` and returns it.

    Raises:
        ArtefactError: The folder holds something else than a BERT embedding model.
    """
    import gguf

    config = _config(folder)
    writer = gguf.GGUFWriter(target, "bert")
    try:
        _write_header(writer, config, folder)
        for name, tensor in _tensors(folder, config, progress):
            writer.add_tensor(name, tensor)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()
    return target


def _config(folder: Path) -> BertConfig:
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise ArtefactError(f"the model's folder lacks {', '.join(missing)}")
    try:
        config = msgspec.json.decode((folder / "config.json").read_bytes(), type=BertConfig)
    except msgspec.DecodeError as fault:
        raise ArtefactError(f"config.json is not a BERT model's: {fault}") from fault
    known = (config.model_type, config.hidden_act, config.position_embedding_type)
    if known != ("bert", "gelu", "absolute"):
        raise ArtefactError(
            f"a model of {known} cannot be converted", hint="Use a source with a GGUF file instead."
        )
    return config


def _write_header(writer: "gguf.GGUFWriter", config: BertConfig, folder: Path) -> None:
    import gguf

    writer.add_name(folder.name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_eps(config.layer_norm_eps)
    writer.add_causal_attention(value=False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    _write_vocabulary(writer, config, (folder / "vocab.txt").read_text(encoding="utf-8").splitlines())


def _write_vocabulary(writer: "gguf.GGUFWriter", config: BertConfig, words: list[str]) -> None:
    import gguf

    if len(words) != config.vocab_size:
        raise ArtefactError(f"vocab.txt has {len(words)} words, config.json says {config.vocab_size}")
    places = {word: number for number, word in enumerate(words)}
    special = ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")
    absent = [word for word in special if word not in places]
    if absent:
        raise ArtefactError(f"vocab.txt lacks {', '.join(absent)}")
    is_control = [word.startswith("[") and word.endswith("]") and len(word) > 2 for word in words]  # noqa: PLR2004 - more than the brackets
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(
        [_piece(word, control=control) for word, control in zip(words, is_control, strict=True)]
    )
    writer.add_token_types(
        [gguf.TokenType.CONTROL if control else gguf.TokenType.NORMAL for control in is_control]
    )
    writer.add_token_type_count(config.type_vocab_size)
    writer.add_bos_token_id(places["[CLS]"])
    writer.add_sep_token_id(places["[SEP]"])
    writer.add_eos_token_id(places["[SEP]"])
    writer.add_pad_token_id(places["[PAD]"])
    writer.add_unk_token_id(places["[UNK]"])
    writer.add_mask_token_id(places["[MASK]"])


def _piece(word: str, *, control: bool) -> str:
    """Turns a WordPiece word into llama.cpp's form: a word's start is marked instead of its continuation."""
    if control:
        return word
    return word.removeprefix("##") if word.startswith("##") else "\u2581" + word


def _tensors(
    folder: Path, config: BertConfig, progress: Progress
) -> "Iterator[tuple[str, np.ndarray[Any, Any]]]":
    import gguf
    import numpy as np
    from safetensors import SafetensorError, safe_open

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, config.num_hidden_layers)
    path = folder / "model.safetensors"
    total = path.stat().st_size
    done = 0
    try:
        with safe_open(path, framework="np") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a dictionary, it has no __iter__
                tensor = tensors.get_tensor(name)
                done += tensor.nbytes
                progress("convert", done, total)
                plain = name.removeprefix("bert.")
                if plain.startswith(SKIPPED) or plain.endswith(SKIPPED):
                    continue
                mapped = names.get_name(plain, try_suffixes=(".weight", ".bias"))
                if mapped is None:
                    raise ArtefactError(f"the tensor {name!r} is not one of a BERT model's")
                keep = tensor.ndim < 2 or any(word in mapped for word in FULL_PRECISION)  # noqa: PLR2004 - vectors
                yield mapped, tensor.astype(np.float32 if keep else np.float16)
    except SafetensorError as fault:
        raise ArtefactError(f"model.safetensors is damaged: {fault}") from fault
